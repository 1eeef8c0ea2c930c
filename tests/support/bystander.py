"""A client that does its work while others misbehave, in a process of its own.

What it was answered, and how fast.

    python -m tests.support.bystander HOST:PORT

Every 10 ms it creates an object, reads it and deletes it. For each line on its standard input it writes one
with what happened since the last, as JSON: calls, failures (texts), and milliseconds at the median, the 99th
percentile and at worst. When no call has ended since, it waits for the next end: at most as long as a call
may take.
"""

import asyncio
import json
import subprocess
import sys
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from vaina.client.clientset import Clientset
from vaina.client.transport import GrpcTransport
from vaina.clock import SystemClock
from vaina.errors import ApiError
from vaina.testing.builders import make_config_map

ROOT = Path(__file__).resolve().parents[2]
#: of each call
DEADLINE_SECONDS = 10.0
PAUSE_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Seen:
    """What a bystander saw."""

    calls: int
    failures: list[str]
    median: float
    p99: float
    worst: float


class Bystander:
    """The process, from outside. Use as a context manager."""

    def __init__(self, target: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.bystander", target],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def __enter__(self) -> "Bystander":
        self.seen()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        self._process.wait()

    def seen(self) -> Seen:
        """Return what happened since the last time: a call at least."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return Seen(**json.loads(self._process.stdout.readline()))


class _Work:
    def __init__(self) -> None:
        self.milliseconds: list[float] = []
        self.failures: list[str] = []
        self._has_called = asyncio.Event()

    async def run(self, client: Clientset, clock: SystemClock) -> None:
        for number in count():
            name = f"bystander-{number}"
            await self._timed(clock, client.config_maps.create(make_config_map(name)))
            await self._timed(clock, client.config_maps.get(name, "default"))
            await self._timed(clock, client.config_maps.delete(name, "default"))
            await clock.sleep(PAUSE_SECONDS)

    async def _timed(self, clock: SystemClock, call: Any) -> None:
        start = clock.monotonic()
        try:
            await call
        except ApiError as error:
            self.failures.append(f"{error.reason}: {error.message}")
        self.milliseconds.append((clock.monotonic() - start) * 1000)
        self._has_called.set()

    async def take(self) -> dict[str, Any]:
        await self._has_called.wait()
        self._has_called.clear()
        times, failures = sorted(self.milliseconds), self.failures
        self.milliseconds, self.failures = [], []

        def at(part: float) -> float:
            return round(times[min(int(len(times) * part), len(times) - 1)], 1)

        return {
            "calls": len(times),
            "failures": failures[:20],
            "median": at(0.5),
            "p99": at(0.99),
            "worst": at(1),
        }


async def main(target: str) -> None:
    """Work until standard input ends."""
    work = _Work()
    async with (
        Clientset(GrpcTransport(target), timeout=DEADLINE_SECONDS) as client,
        asyncio.TaskGroup() as group,
    ):
        task = group.create_task(work.run(client, SystemClock()))
        while await asyncio.to_thread(sys.stdin.readline):
            sys.stdout.write(json.dumps(await work.take()) + "\n")
            sys.stdout.flush()
        task.cancel()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
