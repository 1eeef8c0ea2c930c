"""A no-op server: answers each unary call with the bytes of its request. The peer of the apiserver's unary calls.

    python -m bench.echo --listen 127.0.0.1:7000

The same library, flavour and options as `vaina.serving.server`, and nothing around the method.
"""

import argparse
import asyncio
import signal
from typing import Any

import grpc

from vaina.serving.options import server_options

#: any method of this service
PATH = "/bench.Echo/Echo"


async def _echo(request: bytes, _context: Any) -> bytes:
    return request


async def serve(listen: str) -> None:
    """Serve until SIGTERM."""
    server = grpc.aio.server(options=server_options())
    _, service, name = PATH.split("/")
    handlers = {name: grpc.unary_unary_rpc_method_handler(_echo)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    server.add_insecure_port(listen)
    await server.start()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await server.stop(1.0)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--listen", required=True)
    asyncio.run(serve(parser.parse_args().listen))


if __name__ == "__main__":
    main()
