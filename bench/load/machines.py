"""The machines that a load comes from beside that of the run.

Agents (`agent`) that commands of the user's start, each asked over pipes.

A command such as `ssh host vaina load agent` is who may ask what of whom: nothing listens. Called by `run`.
"""

import asyncio
import contextlib
import shlex
import tempfile
from collections.abc import Sequence
from concurrent.futures import TimeoutError as ReadTimeout
from dataclasses import dataclass, field
from typing import IO, TypeVar

import msgspec

from bench.load import facts, frames
from bench.load.report import LoadMachine
from bench.load.scheduler_command import ended
from bench.load.scrape import Meter, Usage
from bench.processes import END_SECONDS

#: a machine that says nothing for so long is away
ANSWER_SECONDS = 30.0
MAX_MACHINES = 64
_PING_SECONDS = 5.0
_LAST_BYTES = 3000
#: longer than an agent gives its kubelets
_END_SECONDS = END_SECONDS + 15.0
V = TypeVar("V")


class MachineError(Exception):
    """A machine that is away, is of another version, or cannot do what it is asked for; the text names it."""


class Remote:
    """One agent. Owned by the run."""

    def __init__(self, command: str) -> None:
        self.command, self.name = command, command
        #: of the run; meters are read in threads
        self.loop = asyncio.get_running_loop()
        self._process: asyncio.subprocess.Process | None = None
        self._said: IO[bytes] = tempfile.TemporaryFile(prefix="vaina-load-agent-")  # noqa: SIM115 - closed by `close`
        self._calls: dict[int, asyncio.Future[frames.Answer]] = {}
        self._number = 0
        self._reading: asyncio.Task[None] | None = None
        self.report: LoadMachine | None = None

    async def start(self, apiserver: str, group: asyncio.TaskGroup) -> None:
        """Start it and have it find the apiserver. Raises MachineError."""
        try:
            self._process = await asyncio.create_subprocess_exec(
                *shlex.split(self.command), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
                stderr=self._said, start_new_session=True, limit=1 << 20,
            )  # fmt: skip
        except OSError as error:
            raise MachineError(f"{self.command}: {error.strerror}") from None
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                hello = await frames.read(self._process.stdout, frames.Hello)
        except TimeoutError:
            raise MachineError(
                f"{self.command}: no agent has answered for {ANSWER_SECONDS:.0f} s\n{self._words()}"
            ) from None
        except EOFError:
            raise MachineError(await self._gone()) from None
        except frames.FrameError as error:
            raise MachineError(
                f"{self.command}: no agent speaks there ({error}): is anything written to its standard output before it?"
            ) from None
        self._check(hello)
        self.name = hello.name
        self.report = LoadMachine(hello.name, hello.machine)
        self._reading = group.create_task(self._read(self._process.stdout))
        await self.ask(frames.Connect(apiserver), None)

    def _check(self, hello: frames.Hello) -> None:
        if not frames.NAME.fullmatch(hello.name):
            # Shown nowhere: it may be anything.
            raise MachineError(
                f"{self.command}: its agent has a name that no report can show: {frames.NAME_WORDS}"
            )
        own = facts.commit()
        if hello.protocol != frames.PROTOCOL or (own and hello.commit and own != hello.commit):
            raise MachineError(
                f"{hello.name}: its agent is of commit {hello.commit or 'unknown'}, this run of {own or 'unknown'}: "
                f"one report needs one version on all machines"
            )

    async def _read(self, reader: asyncio.StreamReader) -> None:
        """Hand out answers until the agent ends, which is an error."""
        try:
            while True:
                answer = await frames.read(reader, frames.Answer)
                waiting = self._calls.pop(answer.number, None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(answer)
        except (EOFError, frames.FrameError) as error:
            raise MachineError(await self._gone(str(error))) from None

    async def ask(self, request: frames.Request, kind: type[V] | None, *, patient: bool = False) -> V:
        """Return the answer, of this kind.

        Args:
            request: what is asked.
            kind: of the answer; None: it has none.
            patient: whether it may take as long as it takes; that the agent lives is seen to by `watch`.

        Raises:
            MachineError: it says no, or nothing in time.
        """
        process = self._process
        assert process is not None
        assert process.stdin is not None
        self._number += 1
        number = self._number
        waiting = self._calls[number] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(None if patient else ANSWER_SECONDS):
                process.stdin.write(frames.encode(frames.Call(number, request)))
                await process.stdin.drain()
                answer = await waiting
        except TimeoutError:
            raise MachineError(f"{self.name} has not answered for {ANSWER_SECONDS:.0f} s") from None
        except ConnectionError:
            raise MachineError(await self._gone()) from None
        finally:
            self._calls.pop(number, None)
        if answer.error:
            raise MachineError(f"{self.name}: {answer.error}")
        return frames.decode(answer.value, kind) if kind is not None else None  # type: ignore[return-value]  # what has no kind has no value

    async def watch(self) -> None:
        """Go on as long as the agent answers. Raises MachineError."""
        while True:
            await self.usage()
            await asyncio.sleep(_PING_SECONDS)

    async def usage(self) -> frames.Uses:
        """Return what its processes use."""
        return await self.ask(frames.ReadUsage(), frames.Uses)

    def saw(self, *, pods: int = 0, kubelets: int = 0, lag: float = 0.0, clock: float = 0.0) -> None:
        """Note for the report what it did, and how well."""
        was = self.report
        assert was is not None
        self.report = msgspec.structs.replace(
            was, pods=was.pods + pods, kubelets=was.kubelets + kubelets, lag_seconds=max(was.lag_seconds, lag),
            clock_seconds=max(was.clock_seconds, clock),
        )  # fmt: skip

    async def _gone(self, why: str = "") -> str:
        """Say how it ended."""
        assert self._process is not None
        how = "is away"
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                how = ended(await self._process.wait())
        return f"{self.name}: the agent {how}{why and f' ({why})'}\n{self._words()}"

    def _words(self) -> str:
        size = self._said.seek(0, 2)
        self._said.seek(max(0, size - _LAST_BYTES))
        return self._said.read().decode(errors="replace").strip()

    def stop(self) -> None:
        """Ask nothing any more."""
        if self._reading is not None:
            self._reading.cancel()

    async def close(self) -> None:
        """End it; what it has started it ends itself."""
        self.stop()
        process = self._process
        if process is not None:
            if process.stdin is not None:
                process.stdin.close()
            try:
                async with asyncio.timeout(_END_SECONDS):
                    await process.wait()
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        self._said.close()


def distinct(names: Sequence[str]) -> list[str]:
    """Return names of which no two are the same.

    Of those that are, the second is NAME-2, or what is free behind it.
    """
    taken = set(names)
    found: list[str] = []
    for index, name in enumerate(names):
        own, number = name, 2
        if name in names[:index]:
            while (own := f"{name}-{number}") in taken:
                number += 1
        taken.add(own)
        found.append(own)
    return found


@dataclass(frozen=True, slots=True)
class RemoteMeter:
    """A process on another machine, read in a thread."""

    remote: Remote
    name: str

    def read(self) -> Usage:
        asked = asyncio.run_coroutine_threadsafe(self.remote.usage(), self.remote.loop)
        try:
            found = asked.result(ANSWER_SECONDS).by_name
        except (MachineError, ReadTimeout) as error:
            raise OSError(str(error)) from error
        if self.name not in found:
            raise OSError(f"{self.remote.name} has no {self.name}")
        return Usage(*found[self.name])


@dataclass(slots=True)
class Machines:
    """All of a run. Owned by it."""

    #: commands; one that is in both is one agent
    generate_on: Sequence[str] = ()
    hollow_on: Sequence[str] = ()
    #: those that create measured Pods, and those with kubelets
    generators: list[Remote] = field(default_factory=list)
    hosts: list[Remote] = field(default_factory=list)
    _all: dict[str, Remote] = field(default_factory=dict)

    async def start(self, apiserver: str, group: asyncio.TaskGroup) -> None:
        """Start all agents. Raises MachineError: one cannot be started, or cannot do its part."""
        self._all = {command: Remote(command) for command in (*self.generate_on, *self.hollow_on)}
        async with asyncio.TaskGroup() as starting:
            for one in self._all.values():
                starting.create_task(one.start(apiserver, group))
        names = distinct([one.name for one in self._all.values()])
        for one, name in zip(self._all.values(), names, strict=True):
            assert one.report is not None
            one.name, one.report = name, msgspec.structs.replace(one.report, name=name)
        self.generators = [self._all[command] for command in dict.fromkeys(self.generate_on)]
        self.hosts = [self._all[command] for command in dict.fromkeys(self.hollow_on)]

    async def watch(self) -> None:
        """Go on as long as all agents answer. Raises MachineError, in a group."""
        async with asyncio.TaskGroup() as group:
            for one in self._all.values():
                group.create_task(one.watch())

    def meters(self) -> dict[str, Meter]:
        """Return where the usage of each process is read: `load@MACHINE`, `kubelets-0@MACHINE`."""
        found: dict[str, Meter] = {}
        for one in self._all.values():
            assert one.report is not None
            names = ["load", *(f"kubelets-{number}" for number in range(one.report.kubelets))]
            found |= {f"{name}@{one.name}": RemoteMeter(one, name) for name in names}
        return found

    def reports(self) -> list[LoadMachine]:
        """Return what the report says of each."""
        return [one.report for one in self._all.values() if one.report is not None]

    def stop(self) -> None:
        """Ask nothing any more: what goes on beside the run is over."""
        for one in self._all.values():
            one.stop()

    async def close(self) -> None:
        """End all agents."""
        await asyncio.gather(*(one.close() for one in self._all.values()))
