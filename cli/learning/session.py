"""One bash into which a lesson's commands are typed, one by one: variables last from one to the next."""

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from vaina.clock import Clock
from vaina.lessons.matching import matches
from vaina.lessons.model import Command

#: bytes of a command's output that are kept; the rest is read and forgotten
KEPT = 256 * 1024
#: seconds that a command may take, its repetitions included
PATIENCE = 300.0
#: seconds between two looks at whether it is as expected
_EVERY = 0.5
#: what runs each step: the exit code is that of the first command in it that failed
_STEP = """trap 'code=$?; [[ -n $failed ]] || failed=$code' ERR
failed=; . {file} </dev/null 2>&1; code=$?; code=${{failed:-$code}}; trap - ERR; printf '%s %d\\n' {mark} "$code"
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command left: its exit code, and what it printed (errors with it)."""

    code: int
    output: str


@dataclass(frozen=True, slots=True)
class Done:
    """How a step of a lesson went; `as_expected`: exit code and output are what the lesson says."""

    outcome: Outcome
    as_expected: bool


class SessionEnded(Exception):
    """The shell has ended, or did not answer in time; the message is what it said last."""


class Session:
    """The bash of one lesson. Owned by who opened it; one command at a time."""

    def __init__(self, process: asyncio.subprocess.Process, place: Path, clock: Clock) -> None:
        self._process, self._place, self._clock = process, place, clock
        self._mark = f"--- step {os.urandom(8).hex()}"

    async def run(self, script: str, patience: float = PATIENCE) -> Outcome:
        """Type a script, and return what it left.

        Raises:
            SessionEnded: The script ended the shell, or took longer than `patience` seconds.
        """
        step = self._place / "step"
        step.write_text(f"{script}\n", encoding="utf-8")
        assert self._process.stdin is not None
        self._process.stdin.write(_STEP.format(file=f"'{step}'", mark=f"'{self._mark}'").encode())
        try:
            async with asyncio.timeout(patience):
                await self._process.stdin.drain()
                return await self._answer()
        except TimeoutError:
            raise SessionEnded(f"not within {patience:g} s") from None
        except ConnectionError:
            raise SessionEnded("the shell has ended") from None

    async def _answer(self) -> Outcome:
        assert self._process.stdout is not None
        mark, kept, tail = self._mark.encode(), b"", b""
        while part := await self._process.stdout.read(64 * 1024):
            tail += part
            before, found, after = tail.partition(mark)
            if found and b"\n" in after:
                return Outcome(int(after.split()[0]), (kept + before)[:KEPT].decode(errors="replace"))
            if not found:
                # All but what may be the beginning of the mark.
                kept = (kept + tail[: -len(mark)])[:KEPT]
                tail = tail[-len(mark) :]
        raise SessionEnded((kept + tail).decode(errors="replace")[-2000:])

    async def do(
        self, command: Command, patience: float = PATIENCE, on_wait: Callable[[], None] | None = None
    ) -> Done:
        """Do a step of a lesson as it says; one that waits for a state is typed until that is seen.

        Nothing is typed again after `patience` seconds; `on_wait` is called when it is not seen at once.

        Raises:
            SessionEnded: As above.
        """
        deadline, waits = self._clock.monotonic() + patience, False
        while True:
            outcome = await self.run(command.script, patience)
            done = Done(outcome, as_expected(command, outcome))
            if done.as_expected or not command.until or self._clock.monotonic() > deadline:
                return done
            if on_wait is not None and not waits:
                on_wait()
            waits = True
            await self._clock.sleep(_EVERY)


def as_expected(command: Command, outcome: Outcome) -> bool:
    """Say whether a command did what its lesson says.

    Of one that is repeated only the output counts: what it asks for may not be there yet.
    """
    if command.output is not None and not matches(outcome.output, command.output):
        return False
    return command.until or (outcome.code != 0) == command.fails


@asynccontextmanager
async def opened(
    environment: Mapping[str, str], clock: Clock, where: Path | None = None
) -> AsyncIterator[Session]:
    """Start a bash for a lesson; all that it started ends with it.

    Args:
        environment: its variables.
        clock: for waiting.
        where: the folder in which it stands; that of this process when there is none.
    """
    with tempfile.TemporaryDirectory(prefix="vaina-lesson-") as folder:
        process = await asyncio.create_subprocess_exec(
            "bash", "--noprofile", "--norc",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            env=dict(environment), cwd=where, start_new_session=True,
        )  # fmt: skip
        try:
            yield Session(process, Path(folder), clock)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
