"""A real apiserver under attack: it stays up, its memory stays under its bound, and others are served.

Run with `-s` for the table of docs/performance-attacks.md. How fast the bystander is served is shown, not asserted: what is asserted is that
each of its calls was answered within its deadline.
"""

import asyncio
import sys
import threading
from collections.abc import Iterator

import pytest

from tests.support.apiserver_process import ApiserverProcess
from tests.support.attacks import ATTACKS
from tests.support.bystander import Bystander, Seen
from vaina.clock import SystemClock
from vaina.testing.builders import make_config_map

pytestmark = [pytest.mark.component, pytest.mark.timeout(90)]

#: MiB that the apiserver may have resident here, whatever comes (docs/limits.md): some 70 when it starts, up to 300 for connections and calls,
#: and thrice the 256 MiB of answers that were not read, of which one address has two thirds
MEMORY = 900
#: how long the bystander is looked at, at least
SECONDS = 2.0


class Watched:
    """The memory of a process at its worst, looked at every 20 ms."""

    def __init__(self, process: ApiserverProcess) -> None:
        self._process, self._stop = process, threading.Event()
        self.peak = 0
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> "Watched":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.wait(0.02):
            self.peak = max(self.peak, self._process.memory)


@pytest.fixture(scope="module")
def apiserver() -> Iterator[ApiserverProcess]:
    process = ApiserverProcess("")

    async def start() -> None:
        await process.start()
        async with process.client() as client:
            for number in range(40):
                await client.config_maps.create(make_config_map(f"large-{number}", data={"a": "x" * 100_000}))

    try:
        asyncio.run(start())
        yield process
    finally:
        process.close()


@pytest.fixture(scope="module")
def bystander(apiserver: ApiserverProcess) -> Iterator[Bystander]:
    with Bystander(apiserver.target) as bystander:
        yield bystander


def wait(seconds: float) -> None:
    threading.Event().wait(seconds)


def row(name: str, count: int, seconds: float, seen: Seen, memory: int) -> None:
    print(
        f"| {name} | {count:,} | {seconds:.1f} | {seen.calls} | {seen.median} | {seen.p99} | {seen.worst} | {memory} |"
    )


def test_a_calm_hour_for_comparison(apiserver: ApiserverProcess, bystander: Bystander) -> None:
    bystander.seen()
    with Watched(apiserver) as watched:
        wait(SECONDS)
    seen = bystander.seen()
    row("nothing", 0, SECONDS, seen, watched.peak)
    assert seen.failures == []
    assert seen.calls > 0


@pytest.mark.parametrize("name", ATTACKS)
def test_others_are_served_and_memory_stays_bounded_under(
    name: str, apiserver: ApiserverProcess, bystander: Bystander
) -> None:
    clock = SystemClock()
    bystander.seen()
    start = clock.monotonic()
    with Watched(apiserver) as watched:
        with ATTACKS[name](apiserver.port) as count:
            wait(max(0.5, SECONDS - (clock.monotonic() - start)))
            seen = bystander.seen()
        seconds = clock.monotonic() - start
    row(name, count, seconds, seen, watched.peak)
    assert count > 0
    assert seen.failures == []
    assert seen.calls > 0
    assert watched.peak < MEMORY
