"""What a caller who goes away while he is written to leaves behind: nothing."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, cast

import pytest

from kubelet.runtime.interface import ExecSession
from kubelet.runtime.records import Output, OutputStream
from kubelet.server.sessions import join_port, outputs
from tests.support.tasks import running
from vaina.testing.clock import settle


class Session:
    """Of a process that writes and goes on."""

    async def output(self) -> AsyncIterator[Output]:
        yield Output(OutputStream.STDOUT, b"a")
        await asyncio.Event().wait()


class Caller:
    """Sends nothing, and knows whether anybody waits for it."""

    def __init__(self) -> None:
        self.is_awaited = False

    async def inputs(self) -> AsyncIterator[Any]:
        self.is_awaited = True
        try:
            await asyncio.Event().wait()
            yield None
        finally:
            self.is_awaited = False


async def of_process(caller: Caller) -> AsyncGenerator[Any, None]:
    return outputs(cast(ExecSession, Session()), caller.inputs())


async def of_port(caller: Caller) -> AsyncGenerator[Any, None]:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"a")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    server.close()
    return join_port(reader, writer, caller.inputs())


@pytest.mark.parametrize(("made", "first"), [(of_process, 1), (of_port, 2)])
async def test_a_caller_that_is_being_written_to_goes_away(made: Any, first: int) -> None:
    caller, ended = Caller(), asyncio.Event()
    answers = await made(caller)

    async def serve() -> None:
        try:
            for _ in range(first):
                await anext(answers)
            # He takes no more, and then is gone.
            await asyncio.Event().wait()
        finally:
            await answers.aclose()
            # What is still to be cleaned up may take its time: nobody cancels it again.
            await settle()
            ended.set()

    async with running(serve()):
        await settle()
        while not caller.is_awaited:
            await settle()
    assert ended.is_set()
    assert not caller.is_awaited
