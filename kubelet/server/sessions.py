"""A caller's streams, joined to a process's (exec, attach) or to a port of a Pod's own loopback.

Nothing gathers here: the next piece is read when the one before has been taken, and the process waits where
its reader does. Pieces are small, because the servers on the way count larger ones until they are read
(`vaina.serving.unsent`): a pager that is stopped for an hour takes no room from others.
"""

import asyncio
import ctypes
import os
import socket
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from concurrent.futures import Future
from contextlib import aclosing, suppress
from typing import Final, TypeAlias

from kubelet.runtime.interface import ExecSession, NotFoundInRuntime, Runtime, RuntimeFailure
from kubelet.runtime.records import Output
from vaina.api.core.v1 import pod_stream_pb2
from vaina.errors import ApiError, InternalError
from vaina.tasks import beside

#: bytes of one message: so few that the servers do not count them (`vaina.serving.unsent.MIN_BYTES`)
PIECE: Final = 8_000

Input: TypeAlias = pod_stream_pb2.PodExecRequest | pod_stream_pb2.PodAttachRequest


def pieces(data: bytes) -> Iterator[bytes]:
    """Cut bytes into what fits one message each."""
    for start in range(0, len(data), PIECE):
        yield data[start : start + PIECE]


async def outputs(session: ExecSession, inputs: AsyncIterator[Input]) -> AsyncGenerator[Output, None]:
    """Give what the process writes until it ends, while its input goes in beside."""
    async with (
        beside(_pump(session, inputs)),
        aclosing(session.output()) as written,  # type: ignore[type-var]  # a generator, whose type only says iterator
    ):
        async for output in written:
            for data in pieces(output.data):
                yield Output(output.stream, data)


async def _pump(session: ExecSession, inputs: AsyncIterator[Input]) -> None:
    try:
        async for item in inputs:
            match item.WhichOneof("input"):
                case "stdin":
                    await session.write(item.stdin)
                case "resize":
                    await session.resize(item.resize.width, item.resize.height)
                case "close_stdin":
                    await session.close_stdin()
                case _:
                    pass
        # The caller's side has ended: so has the input.
        await session.close_stdin()
    except (RuntimeFailure, ApiError, OSError):
        # A process that is gone takes no more input; its output still goes out.
        return


#: of setns(2): a network namespace
_CLONE_NEWNET: Final = 0x40000000
_OWN: Final = "/proc/thread-self/ns/net"
#: loopback answers at once or is not listening; a queue that is full makes the kernel try for minutes
_CONNECT_SECONDS: Final = 10.0
_LOOPBACK: Final = ((socket.AF_INET, "127.0.0.1", "IPv4"), (socket.AF_INET6, "::1", "IPv6"))


# A socket belongs to the namespace in which it was made. So a thread of its own enters the namespace, makes the
# socket and ends: no other thread ever leaves the node's namespace. Follows containerd
# (internal/cri/server/sandbox_portforward_linux.go), which connects to localhost there, over IPv4 first.


class DialFailed(Exception):
    """Nothing listens, or the namespace is gone; the message says which."""


def _enter(descriptor: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, _CLONE_NEWNET) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _socket_inside(namespace: str, family: int, made: "Future[socket.socket]") -> None:
    try:
        descriptor = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
        try:
            # Pods of the host's network are where we are, and need no right to enter.
            if os.fstat(descriptor).st_ino != os.stat(_OWN).st_ino:
                _enter(descriptor)
        finally:
            os.close(descriptor)
        made.set_result(socket.socket(family, socket.SOCK_STREAM))
    except OSError as error:
        made.set_exception(error)


async def _make_socket(namespace: str, family: int) -> socket.socket:
    made: Future[socket.socket] = Future()
    threading.Thread(target=_socket_inside, args=(namespace, family, made), name="dial", daemon=True).start()
    try:
        found = await asyncio.shield(asyncio.wrap_future(made))
    except asyncio.CancelledError:
        made.add_done_callback(lambda done: None if done.exception() else done.result().close())
        raise
    found.setblocking(False)
    return found


async def _connect(namespace: str, family: int, address: str, port: int) -> socket.socket:
    connection = await _make_socket(namespace, family)
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            await asyncio.get_running_loop().sock_connect(connection, (address, port))
    except BaseException:
        connection.close()
        raise
    return connection


def _words_of(error: OSError) -> str:
    # asyncio puts words of its own in the place of the system's.
    return os.strerror(error.errno).lower() if error.errno else str(error)


async def dial(namespace: str, port: int) -> socket.socket:
    """Connect to a TCP port of a network namespace's own loopback. Raises DialFailed: nothing answers there."""
    said: list[str] = []
    for family, address, name in _LOOPBACK:
        where = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        try:
            return await _connect(namespace, family, address, port)
        except TimeoutError:
            said.append(f"{name}: dial tcp {where}: i/o timeout")
        except OSError as error:
            said.append(f"{name}: dial tcp {where}: {_words_of(error)}")
    raise DialFailed(
        f'failed to connect to localhost:{port} inside namespace "{namespace}", {", ".join(said)}'
    )


#: bytes read ahead of a slow caller; then the Pod's socket fills, and its writer waits
_READ_AHEAD = 64 * 1024


async def connect_port(
    runtime: Runtime, sandbox_id: str, port: int, where: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to a TCP port of a sandbox; `where` names the Pod in the error.

    Raises RuntimeFailure: there is no such sandbox, or it has no network; InternalError: nothing listens.
    """
    namespace = await runtime.network_namespace(sandbox_id)
    try:
        connection = await dial(namespace, port)
    except DialFailed as error:
        raise InternalError(f"error forwarding port {port} to pod {where}: {error}") from error
    try:
        await _check_namespace(runtime, sandbox_id, namespace)
        return await asyncio.open_connection(sock=connection, limit=_READ_AHEAD)
    except BaseException:
        connection.close()
        raise


async def _check_namespace(runtime: Runtime, sandbox_id: str, namespace: str) -> None:
    """Look again: a namespace's path names a process, whose number may be another's by now."""
    if await runtime.network_namespace(sandbox_id) != namespace:
        raise NotFoundInRuntime(f"sandbox {sandbox_id} was replaced")


async def join_port(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    inputs: AsyncIterator[pod_stream_pb2.PodPortForwardRequest],
) -> AsyncGenerator[pod_stream_pb2.PodPortForwardResponse, None]:
    """Give what the port sends until it ends, and send it the caller's data; the connection is closed then."""
    try:
        yield pod_stream_pb2.PodPortForwardResponse(connected=True)
        async with beside(_pump_data(writer, inputs)):
            with suppress(OSError):
                while data := await reader.read(PIECE):
                    yield pod_stream_pb2.PodPortForwardResponse(data=data)
    finally:
        # What the port has not taken is dropped.
        writer.transport.abort()


async def _pump_data(
    writer: asyncio.StreamWriter, inputs: AsyncIterator[pod_stream_pb2.PodPortForwardRequest]
) -> None:
    try:
        async for item in inputs:
            if item.data:
                writer.write(item.data)
                await writer.drain()
        writer.write_eof()
    except (ApiError, OSError):
        # The port takes no more; what it still says goes out.
        return
