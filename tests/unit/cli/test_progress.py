"""What takes long is told on a terminal, on a line that goes away; pipes and files have none of it."""

import asyncio
import io

import pytest

from cli.progress import Patient, Progress
from tests.support.command import CommandLine
from vaina.client.clientset import Clientset
from vaina.client.transport import InProcessTransport, Metadata
from vaina.testing.clock import FakeClock

CLEAR = "\r\x1b[2K"


async def test_nothing_is_said_of_what_is_done_within_two_seconds() -> None:
    clock, out = FakeClock(), io.StringIO()
    async with Progress(out, clock, lambda: 80).busy("waiting for pods/web"):
        await clock.advance(1.9)
    assert out.getvalue() == ""


async def test_the_line_says_for_how_long_and_goes_away() -> None:
    clock, out = FakeClock(), io.StringIO()
    progress = Progress(out, clock, lambda: 80)
    async with progress.busy("waiting for pods/web"):
        await clock.advance(2.0)
        assert out.getvalue() == f"{CLEAR}waiting for pods/web (2 s)"
        await clock.advance(1.0)
        assert out.getvalue().endswith(f"{CLEAR}waiting for pods/web (3 s)")
        progress.clear()
        progress.clear()
        assert out.getvalue().endswith(f"(3 s){CLEAR}")
        await clock.advance(1.0)
        assert out.getvalue().endswith("(4 s)")
    assert out.getvalue().endswith(f"(4 s){CLEAR}")


async def test_the_newest_wait_is_told_and_errors_come_through() -> None:
    clock, out = FakeClock(), io.StringIO()
    progress = Progress(out, clock, lambda: 20)

    async def fail() -> None:
        async with progress.busy("outer"):
            async with progress.busy("a name that is longer than the line\x1b[31m"):
                await clock.advance(2.0)
            assert out.getvalue() == f"{CLEAR}a name that is long{CLEAR}"
            await clock.advance(1.0)
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        await fail()
    assert out.getvalue().endswith(f"{CLEAR}outer (3 s){CLEAR}")


class Held(InProcessTransport):
    """A transport whose server takes its time."""

    def __init__(self) -> None:
        super().__init__(CommandLine().handlers, clock=FakeClock())
        self.let_go = asyncio.Event()

    async def unary(
        self, method: str, request: bytes, *, timeout: float = 10.0, metadata: Metadata = ()
    ) -> bytes:
        await self.let_go.wait()
        return await super().unary(method, request, timeout=timeout, metadata=metadata)


async def test_a_server_that_is_slow_is_told_of() -> None:
    clock, out, held = FakeClock(), io.StringIO(), Held()
    clients = Clientset(Patient(held, "here:1", Progress(out, clock, lambda: 80)))
    async with asyncio.TaskGroup() as group:
        group.create_task(clients.pods.list("default"))
        await clock.advance(2.0)
        assert out.getvalue() == f"{CLEAR}waiting for here:1 to answer (2 s)"
        held.let_go.set()
    assert out.getvalue().endswith(CLEAR)
