"""The engine's raw streams, against a small server on a real unix socket."""

import asyncio
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from kubelet.runtime.docker.runtime import DockerRuntime
from kubelet.runtime.docker.sessions import STDERR, STDOUT, DockerExec, upgrade
from kubelet.runtime.records import DnsConfig, ExecConfig
from kubelet.runtime.sessions import StreamRefused
from tests.support.signals import begin
from vaina.testing.clock import FakeClock

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def frame(stream: int, data: bytes) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(data).to_bytes(4, "big") + data


async def served(path: Path, answer: bytes) -> asyncio.Server:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    return await asyncio.start_unix_server(handle, path)


async def test_output_in_the_same_segment_as_the_answers_head_is_not_lost(tmp_path: Path) -> None:
    head = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\n\r\n"
    async with await served(tmp_path / "s", head + frame(1, b"out") + frame(2, b"err") + frame(1, b"")):
        stream = await upgrade(str(tmp_path / "s"), "/exec/1/start", {})
        assert [item async for item in stream.frames(tty=False)] == [(STDOUT, b"out"), (STDERR, b"err")]
        stream.close()


async def test_a_large_frame_comes_in_bounded_pieces_and_whole(tmp_path: Path) -> None:
    data = bytes(range(256)) * 1024
    async with await served(tmp_path / "s", b"HTTP/1.1 101 UPGRADED\r\n\r\n" + frame(1, data)):
        stream = await upgrade(str(tmp_path / "s"), "/x", {})
        pieces = [piece async for _, piece in stream.frames(tty=False)]
        assert max(map(len, pieces)) <= 32 * 1024
        assert b"".join(pieces) == data
        stream.close()


async def test_a_terminals_bytes_are_not_framed(tmp_path: Path) -> None:
    async with await served(tmp_path / "s", b"HTTP/1.1 101 UPGRADED\r\n\r\n\x01abc"):
        stream = await upgrade(str(tmp_path / "s"), "/x", {})
        assert b"".join([data async for _, data in stream.frames(tty=True)]) == b"\x01abc"
        stream.close()


async def test_a_refusal_carries_the_engines_words(tmp_path: Path) -> None:
    answer = b'HTTP/1.1 409 Conflict\r\nContent-Length: 24\r\n\r\n{"message":"not running"}'
    async with await served(tmp_path / "s", answer):
        with pytest.raises(StreamRefused, match="not running"):
            await upgrade(str(tmp_path / "s"), "/x", {})


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (b"", ConnectionResetError, "closed the connection"),
        (b"garbage\r\n\r\n", StreamRefused, "garbage"),
        (b"HTTP/1.1 101 UPGRADED\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", StreamRefused, "too long"),
    ],
)
async def test_what_is_no_answer_is_told(
    tmp_path: Path, answer: bytes, error: type[Exception], words: str
) -> None:
    async with await served(tmp_path / "s", answer):
        with pytest.raises(error, match=words):
            await upgrade(str(tmp_path / "s"), "/x", {})


async def test_an_engine_that_never_answers_is_given_up(tmp_path: Path) -> None:
    left = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()
        left.set()

    async with await asyncio.start_unix_server(handle, tmp_path / "s"):
        with pytest.raises(TimeoutError, match="no answer within"):
            await upgrade(str(tmp_path / "s"), "/x", {}, timeout_seconds=0.05)
        await left.wait()


class SlowEngine:
    """An engine whose command runs; it never answers when it is told the size of the command's terminal."""

    def __init__(self, socket_path: Path, pid: int) -> None:
        self.socket_path, self.pid = str(socket_path), pid
        self.resizing = asyncio.Event()

    async def ask(self, operation: Callable[[Any], Any], **_: Any) -> Any:
        answer = operation(self)
        if answer is not None:
            return answer
        self.resizing.set()
        return await asyncio.Event().wait()

    def exec_create(self, *_: Any, **__: Any) -> dict[str, str]:
        return {"Id": "e1"}

    def exec_inspect(self, exec_id: str) -> dict[str, Any]:
        return {"Running": True, "Pid": self.pid}

    def exec_resize(self, exec_id: str, **_: int) -> None:
        """Never answered: `ask` waits."""


async def test_a_caller_that_goes_while_the_terminal_is_given_its_size_leaves_no_command(
    tmp_path: Path,
) -> None:
    gone = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 UPGRADED\r\n\r\n")
        await reader.read()
        gone.set()
        writer.close()

    command = subprocess.Popen(["sleep", "479"], start_new_session=True)  # noqa: ASYNC220 - quick
    engine = SlowEngine(tmp_path / "s", command.pid)
    config = ExecConfig(("sh",), stdin=True, tty=True, size=(80, 24))
    try:
        async with await asyncio.start_unix_server(handle, tmp_path / "s"), asyncio.timeout(60):
            starting = asyncio.ensure_future(DockerExec.start(engine, FakeClock(), "c1", config))  # type: ignore[arg-type]  # noqa: TID251 - cancelled below
            await engine.resizing.wait()
            starting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await starting
            await gone.wait()
            assert await asyncio.to_thread(command.wait, 60) < 0
    finally:
        command.kill()
        command.wait()


class Starting:
    """An engine that is starting a command: what it tells of it, look after look, the last for ever."""

    def __init__(self, socket_path: Path, *told: dict[str, Any]) -> None:
        self.socket_path, self.told = str(socket_path), list(told)
        self.inspected = asyncio.Event()

    async def ask(self, operation: Callable[[Any], Any], **_: Any) -> Any:
        return operation(self)

    def exec_create(self, *_: Any, **__: Any) -> dict[str, str]:
        return {"Id": "e1"}

    def exec_inspect(self, exec_id: str) -> dict[str, Any]:
        self.inspected.set()
        return self.told.pop(0) if len(self.told) > 1 else self.told[0]


@pytest.mark.parametrize("agrees", [False, True], ids=["before the engine agrees", "when it has agreed"])
@pytest.mark.parametrize("again", [False, True], ids=["", "and its call is cancelled once more"])
async def test_a_caller_that_goes_while_its_command_is_being_started_leaves_none(
    tmp_path: Path, again: bool, agrees: bool
) -> None:
    asked = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if agrees:
            writer.write(b"HTTP/1.1 101 UPGRADED\r\n\r\n")
        asked.set()
        await reader.read()
        writer.close()

    command = subprocess.Popen(["sleep", "480"], start_new_session=True)  # noqa: ASYNC220 - quick
    waits, starts = {"Running": False, "Pid": 0}, {"Running": True, "Pid": 0}
    runs = {"Running": True, "Pid": command.pid}
    engine: Any = Starting(tmp_path / "s", waits, waits, *[starts] * 8, runs)
    clock = FakeClock()

    async def begin_and_leave() -> None:
        starting = DockerExec.start(engine, clock, "c1", ExecConfig(("sh",)))
        going = asyncio.ensure_future((await starting).close() if agrees else starting)  # noqa: TID251 - waited for
        if not agrees:
            await asked.wait()
            going.cancel()
        if again:
            await engine.inspected.wait()
            going.cancel()
        await asyncio.wait((going,))
        assert going.cancelled() is (again or not agrees)

    try:
        async with await asyncio.start_unix_server(handle, tmp_path / "s"), asyncio.timeout(60):
            async with asyncio.TaskGroup() as group:
                left = group.create_task(begin_and_leave())
                while not left.done():
                    await clock.advance(1)
            assert await asyncio.to_thread(command.wait, 60) < 0
    finally:
        command.kill()
        command.wait()


@pytest.mark.parametrize(
    "told",
    [{"Running": False, "Pid": 0}, {"Running": False, "Pid": 0, "ExitCode": 127}],
    ids=["never begun", "could not be started"],
)
async def test_a_command_that_never_runs_is_waited_for_some_seconds_at_most(
    tmp_path: Path, told: dict[str, Any]
) -> None:
    engine: Any = Starting(tmp_path / "s", told)
    clock = FakeClock()
    async with await served(tmp_path / "s", b"HTTP/1.1 101 UPGRADED\r\n\r\n"), asyncio.timeout(60):
        session = await DockerExec.start(engine, clock, "c1", ExecConfig(("sh",)))
        async with asyncio.TaskGroup() as group:
            closing = group.create_task(session.close())
            await clock.advance(7)
            assert closing.done()


class Inspected:
    """An engine that knows the first process of its only container."""

    def __init__(self, pid: int) -> None:
        self.pid, self.socket_path = pid, ""

    async def ask(self, operation: Callable[[Any], Any], **_: Any) -> Any:
        return operation(self)

    def inspect_container(self, container_id: str) -> dict[str, Any]:
        return {"State": {"Pid": self.pid}}


async def test_a_command_that_another_kubelet_left_is_ended_by_its_words() -> None:
    first, left, other = (begin(["sleep", seconds]) for seconds in ("476", "477", "478"))
    try:
        engine: Any = Inspected(first.pid)
        network: Any = None
        runtime = DockerRuntime(engine, network, FakeClock(), node_dns=DnsConfig(), least_oom_score_adj=0)
        await runtime.end_command("c1", ["sleep", "477"])
        assert await asyncio.to_thread(left.wait, 60) < 0
        assert other.poll() is None
        assert first.poll() is None
        engine.pid = 0
        await runtime.end_command("c1", ["sleep", "478"])
        assert other.poll() is None
    finally:
        for process in (first, left, other):
            process.kill()
            process.wait()
