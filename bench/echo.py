"""No-op servers: each unary call is answered with the bytes of its request.

`aio` is the peer of the apiserver's unary calls.

    python -m bench.echo --listen 127.0.0.1:7000 [--flavour aio|aio-stream|sync|grpclib] [--uvloop]

`aio` has the library and the options of `vaina.serving.server` and nothing around the method; the others are
what else could serve gRPC (bench.flavours; grpclib and uvloop are no dependencies of vaina: a Python that has
them is named there).
"""

import argparse
import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any, Final

import grpc

from vaina.serving.options import server_options

#: any method of this service
PATH: Final = "/bench.Echo/Echo"
#: of the sync server
_THREADS: Final = 8


async def _echo(request: bytes, _context: Any) -> bytes:
    return request


async def _echo_read(_requests: AsyncIterator[bytes], context: Any) -> bytes:
    answer: bytes = await context.read()
    return answer


def _handlers(handler: Any) -> Any:
    _, service, name = PATH.split("/")
    return (grpc.method_handlers_generic_handler(service, {name: handler}),)


async def _aio(listen: str, handler: Any) -> None:
    server = grpc.aio.server(options=server_options())
    server.add_generic_rpc_handlers(_handlers(handler))
    server.add_insecure_port(listen)
    await server.start()
    await _stopped()
    await server.stop(1.0)


async def _aio_unary(listen: str) -> None:
    await _aio(listen, grpc.unary_unary_rpc_method_handler(_echo))


async def _aio_stream(listen: str) -> None:
    """As vaina.serving registers unary methods: it reads the request itself."""
    await _aio(listen, grpc.stream_unary_rpc_method_handler(_echo_read))


async def _sync(listen: str) -> None:
    server = grpc.server(ThreadPoolExecutor(_THREADS), options=server_options())
    handler = grpc.unary_unary_rpc_method_handler(lambda request, _context: request)
    server.add_generic_rpc_handlers(_handlers(handler))
    server.add_insecure_port(listen)
    server.start()
    await _stopped()
    server.stop(1.0)


async def _grpclib(listen: str) -> None:
    # No dependency of ours: whoever measures it has it.
    const, server_module = import_module("grpclib.const"), import_module("grpclib.server")
    base: Any = import_module("grpclib.encoding.base").CodecBase

    class Raw(base):  # type: ignore[misc]  # imported by name
        __content_subtype__ = "proto"

        def encode(self, message: bytes, message_type: Any) -> bytes:
            return message

        def decode(self, data: bytes, message_type: Any) -> bytes:
            return data

    class Echo:
        def __mapping__(self) -> dict[str, Any]:
            return {PATH: const.Handler(self._call, const.Cardinality.UNARY_UNARY, bytes, bytes)}

        async def _call(self, stream: Any) -> None:
            await stream.send_message(await stream.recv_message())

    host, _, port = listen.rpartition(":")
    server = server_module.Server([Echo()], codec=Raw())
    await server.start(host, int(port))
    await _stopped()
    server.close()


async def _stopped() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()


FLAVOURS: Final[dict[str, Callable[[str], Awaitable[None]]]] = {
    "aio": _aio_unary, "aio-stream": _aio_stream, "sync": _sync, "grpclib": _grpclib,
}  # fmt: skip


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--listen", required=True)
    parser.add_argument("--flavour", choices=FLAVOURS, default="aio")
    parser.add_argument("--uvloop", action="store_true")
    options = parser.parse_args()
    if options.uvloop:
        import_module("uvloop").install()
    asyncio.run(FLAVOURS[options.flavour](options.listen))  # type: ignore[arg-type]  # they are coroutines


if __name__ == "__main__":
    main()
