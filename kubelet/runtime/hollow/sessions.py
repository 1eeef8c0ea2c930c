"""Commands run in hollow containers: what the program would write, and its code."""

import asyncio
from collections.abc import AsyncIterator

from kubelet.runtime.hollow.program import FOREVER, Program
from kubelet.runtime.records import ExecConfig, Output, OutputStream
from vaina.clock import Clock

#: pieces of standard input that wait for being copied; a writer beyond that waits
_INPUTS = 64


class HollowExec:
    """An `ExecSession` of a program."""

    def __init__(self, program: Program, config: ExecConfig, clock: Clock) -> None:
        self._program, self._config, self._clock = program, config, clock
        self._input: asyncio.Queue[bytes | None] = asyncio.Queue(_INPUTS)
        self._closed = asyncio.Event()

    async def write(self, data: bytes) -> None:
        if self._config.stdin:
            await self._input.put(data)

    async def close_stdin(self) -> None:
        await self._input.put(None)

    async def resize(self, width: int, height: int) -> None:
        return

    async def output(self) -> AsyncIterator[Output]:
        at = 0.0
        for due, data in self._program.writes:
            await self._clock.sleep(due - at)
            at = due
            yield Output(OutputStream.STDOUT, data)
        if self._program.copies_input:
            while self._config.stdin and (piece := await self._input.get()) is not None:
                yield Output(OutputStream.STDOUT, piece)
        elif self._program.runs_seconds == FOREVER:
            await self._closed.wait()
        else:
            await self._clock.sleep(self._program.runs_seconds - at)

    async def exit_code(self) -> int:
        return self._program.exit_code

    async def close(self) -> None:
        self._closed.set()
