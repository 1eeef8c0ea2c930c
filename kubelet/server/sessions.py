"""A process's streams and a caller's, joined: what exec and attach share. Called by the service.

Nothing gathers here: the next piece is read when the one before has been taken, and the process waits where its reader does. Pieces are
small, because the servers on the way wait without end for those alone (`SEND_SECONDS` of `vaina.serving.server`): who
stops a pager for an hour keeps the stream.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from typing import Final, TypeAlias

from kubelet.runtime.interface import ExecSession, RuntimeFailure
from kubelet.runtime.records import Output
from vaina.api.core.v1 import pod_stream_pb2
from vaina.errors import ApiError

#: bytes of one message; with what is around them less than what the servers count (`vaina.serving.unsent.MIN_BYTES`)
PIECE: Final = 8_000

Input: TypeAlias = pod_stream_pb2.PodExecRequest | pod_stream_pb2.PodAttachRequest


@asynccontextmanager
async def closing(session: ExecSession) -> AsyncIterator[ExecSession]:
    """Close a session in any case, and to the end: to end a command takes calls of the engine, and a caller who goes away while he is written to may cancel the task twice."""
    try:
        yield session
    finally:
        closed = asyncio.ensure_future(session.close())  # noqa: TID251 - a group would end it with the task it must outlive
        again = False
        while not closed.done():
            try:
                await asyncio.shield(closed)
            except asyncio.CancelledError:
                again = True
        closed.result()
        if again:
            raise asyncio.CancelledError


def pieces(data: bytes) -> Iterator[bytes]:
    """Cut bytes into what fits one message each."""
    for start in range(0, len(data), PIECE):
        yield data[start : start + PIECE]


async def outputs(session: ExecSession, inputs: AsyncIterator[Input]) -> AsyncGenerator[Output, None]:
    """Give what the process writes until it ends, while its input goes in beside."""
    async with asyncio.TaskGroup() as group:
        pump = group.create_task(_pump(session, inputs))
        try:
            async with aclosing(session.output()) as written:  # type: ignore[type-var]  # a generator, whose type only says iterator
                async for output in written:
                    for data in pieces(output.data):
                        yield Output(output.stream, data)
        finally:
            pump.cancel()


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
