"""A command that is cut off is ended by its words.

Never another's with the same ones, and also when it is there a moment later only.
"""

import asyncio
import json
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import pytest

from kubelet.runtime.cri import cri_pb2 as cri
from kubelet.runtime.cri import cri_service_pb2_grpc
from kubelet.runtime.cri.connection import Connection
from kubelet.runtime.cri.stopping import Commands
from tests.support.signals import begin
from vaina.testing.clock import FakeClock

WORDS = ("sleep", "481")


class Containerd(cri_service_pb2_grpc.RuntimeServiceServicer):
    """Knows one container, whose first process is given."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    async def ContainerStatus(self, request: Any, context: Any) -> Any:
        return cri.ContainerStatusResponse(info={"info": json.dumps({"pid": self.pid})})


@pytest.fixture
def first() -> Iterator["subprocess.Popen[bytes]"]:
    process = begin(["sleep", "480"])
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def commands(first: "subprocess.Popen[bytes]", clock: FakeClock) -> AsyncIterator[Commands]:
    # A socket's path is short.
    with tempfile.TemporaryDirectory() as folder:
        server = grpc.aio.server()
        cri_service_pb2_grpc.add_RuntimeServiceServicer_to_server(Containerd(first.pid), server)  # type: ignore[no-untyped-call]
        server.add_insecure_port(f"unix:{folder}/s")
        await server.start()
        connection = Connection(f"{folder}/s")
        yield Commands(connection, clock)
        await connection.close()
        await server.stop(None)


async def test_what_may_be_somebody_elses_is_left_alone(commands: Commands) -> None:
    command = begin(WORDS)
    try:
        commands.begin("c1", WORDS)
        commands.begin("c1", WORDS)
        await commands.end("c1", WORDS, cut_off=True)
        assert command.poll() is None
        await commands.end("c1", WORDS, cut_off=True)
        assert await asyncio.to_thread(command.wait, 60) != 0
    finally:
        command.kill()
        command.wait()


@pytest.mark.parametrize("again", [False, True], ids=["", "though the call is cancelled once more"])
async def test_one_that_was_just_being_started_is_ended_when_it_is_there(
    commands: Commands, clock: FakeClock, again: bool
) -> None:
    commands.begin("c1", WORDS)
    async with asyncio.TaskGroup() as group:
        ending = group.create_task(commands.end("c1", WORDS, cut_off=True))
        async with asyncio.timeout(60):
            while not clock.sleeping:  # noqa: ASYNC110 - the look is a thread's
                await asyncio.sleep(0)  # noqa: TID251 - both sides are on this loop
        if again:
            ending.cancel()
        command = begin(WORDS)
        try:
            await clock.advance(0.1)
            await asyncio.wait((ending,))
            assert ending.cancelled() is again
            assert await asyncio.to_thread(command.wait, 60) != 0
        finally:
            command.kill()
            command.wait()
