"""What takes long is told on a terminal, on a line that goes away; pipes and files have none of it."""

import asyncio
import io
import threading

import pytest

from cli.progress import Progress, patient
from tests.support.command import CommandLine
from vaina.client.clientset import Clientset
from vaina.client.transport import InProcessTransport, Metadata
from vaina.testing.clock import FakeClock

CLEAR = "\r\x1b[2K"


async def test_nothing_is_said_of_what_is_done_within_two_seconds() -> None:
    clock, out = FakeClock(), io.StringIO()
    progress = Progress(out, clock, lambda: 80)
    async with progress.told():
        with progress.busy("waiting for pods/web"):
            await clock.advance(1.9)
        await clock.advance(9.0)
    assert out.getvalue() == ""


async def test_the_line_says_for_how_long_and_goes_away() -> None:
    clock, out = FakeClock(), io.StringIO()
    progress = Progress(out, clock, lambda: 80)
    async with progress.told():
        with progress.busy("waiting for pods/web"):
            await clock.advance(2.0)
            assert out.getvalue() == f"{CLEAR}waiting for pods/web (2 s)"
            await clock.advance(1.0)
            assert out.getvalue().endswith(f"{CLEAR}waiting for pods/web (3 s)")
        await clock.advance(1.0)
        assert out.getvalue().endswith(f"(3 s){CLEAR}")
        with progress.busy("waiting for pods/other"):
            await clock.advance(2.5)
            assert out.getvalue().endswith(f"{CLEAR}waiting for pods/other (2 s)")
    assert out.getvalue().endswith(f"(2 s){CLEAR}")


async def test_what_is_written_is_news_and_two_seconds_begin_anew() -> None:
    clock, out = FakeClock(), io.StringIO()
    progress = Progress(out, clock, lambda: 80)
    async with progress.told():
        with progress.busy("waiting"):
            await clock.advance(3.0)
            progress.clear()
            progress.clear()
            assert out.getvalue().endswith(f"(3 s){CLEAR}")
            before = out.getvalue()
            await clock.advance(1.5)
            assert out.getvalue() == before
            await clock.advance(0.5)
            assert out.getvalue().endswith(f"{CLEAR}waiting (2 s)")


async def test_many_short_calls_are_one_wait() -> None:
    clock, out = FakeClock(), io.StringIO()
    progress = Progress(out, clock, lambda: 80)
    async with progress.told():
        for _ in range(6):
            with progress.busy("waiting for here:1 to answer", is_call=True):
                await clock.advance(0.4)
        assert out.getvalue().endswith(f"{CLEAR}waiting for here:1 to answer (2 s)")
        await clock.advance(2.0)
        assert out.getvalue().endswith(CLEAR)
        for _ in range(3):
            with progress.busy("waiting for here:1 to answer", is_call=True):
                await clock.advance(0.4)
        assert out.getvalue().endswith(CLEAR), "a wait of its own, and a short one"


async def test_the_newest_wait_is_told_what_a_call_is_part_of_and_errors_come_through() -> None:
    clock, out = FakeClock(), io.StringIO()
    progress = Progress(out, clock, lambda: 20)

    async def fail() -> None:
        async with progress.told():
            with progress.busy("outer"):
                with progress.busy("a name that is longer than the line\x1b[31m"):
                    await clock.advance(2.0)
                assert out.getvalue() == f"{CLEAR}a name that is long"
                with progress.busy("waiting for here:1", is_call=True):
                    await clock.advance(1.0)
                raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        await fail()
    assert out.getvalue().endswith(f"{CLEAR}outer (3 s){CLEAR}")


class Noticed(io.StringIO):
    """Says when something is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = threading.Event()

    def write(self, text: str) -> int:
        count = super().write(text)
        self.written.set()
        return count


class Still(FakeClock):
    """A clock that goes on when it is told to, by no loop."""

    at = 0.0

    def monotonic(self) -> float:
        return self.at


def test_what_computes_and_has_no_loop_is_told_by_a_thread() -> None:
    clock, out = Still(), Noticed()
    progress = Progress(out, clock, lambda: 80)
    with progress.blocking("reading export.json"):
        clock.at = 5.0
        assert out.written.wait(30)
    assert out.getvalue() == f"{CLEAR}reading export.json (5 s){CLEAR}"


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
    progress = Progress(out, clock, lambda: 80)
    clients = Clientset(patient(held, "here:1", progress))
    async with progress.told(), asyncio.TaskGroup() as group:
        group.create_task(clients.pods.list("default"))
        await clock.advance(2.0)
        assert out.getvalue() == f"{CLEAR}waiting for here:1 to answer (2 s)"
        held.let_go.set()
    assert out.getvalue().endswith(CLEAR)


def test_where_nobody_is_told_calls_are_as_they_were() -> None:
    held = Held()
    assert patient(held, "here:1", None) is held
