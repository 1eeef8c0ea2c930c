"""A process's streams and a caller's, joined: what exec and attach share.

Nothing gathers here: the next piece is read when the one before has been taken, and the process waits where
its reader does. Pieces are small, because the servers on the way count larger ones until they are read
(`vaina.serving.unsent`): a pager that is stopped for an hour takes no room from others.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from typing import Final, TypeAlias

from kubelet.runtime.interface import ExecSession, RuntimeFailure
from kubelet.runtime.records import Output
from vaina.api.core.v1 import pod_stream_pb2
from vaina.errors import ApiError
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
