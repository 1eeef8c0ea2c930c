"""One forwarded connection: a caller's stream joined to a port of a Pod's own loopback."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress

from kubelet.network.dial import DialFailed, dial
from kubelet.runtime.interface import NotFoundInRuntime, Runtime
from kubelet.server.sessions import PIECE
from vaina.api.core.v1 import pod_stream_pb2
from vaina.errors import ApiError, InternalError
from vaina.tasks import beside

#: bytes read ahead of a slow caller; then the Pod's socket fills, and its writer waits
_READ_AHEAD = 64 * 1024


async def connect(
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


async def join(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    inputs: AsyncIterator[pod_stream_pb2.PodPortForwardRequest],
) -> AsyncGenerator[pod_stream_pb2.PodPortForwardResponse, None]:
    """Give what the port sends until it ends, and send it the caller's data; the connection is closed then."""
    try:
        yield pod_stream_pb2.PodPortForwardResponse(connected=True)
        async with beside(_pump(writer, inputs)):
            with suppress(OSError):
                while data := await reader.read(PIECE):
                    yield pod_stream_pb2.PodPortForwardResponse(data=data)
    finally:
        # What the port has not taken is dropped.
        writer.transport.abort()


async def _pump(
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
