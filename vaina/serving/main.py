"""The life of a service's process: signals, a graceful end, an exit code. Called by every `__main__`.

`main` of `run_service` reads the configuration, builds the service and runs it until the event that it is
handed is set.
"""

import asyncio
import gc
import os
import resource
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final

import structlog

from vaina.clock import SystemClock
from vaina.config import ConfigError, HelpRequested

log = structlog.stdlib.get_logger(__name__)

#: collections of the middle generation to one of the oldest (Python's own is 10): each is shorter, all
#: together are the same
OLDEST_EVERY: Final = 3
#: everything is looked at when the process has grown by so much since, and by a half of itself
GROWTH_BYTES: Final = 128 * 1024 * 1024
#: or when so much time has passed since
FULL_SECONDS: Final = 600.0

_STATM: Final = Path("/proc/self/statm")
_OLDEST: Final = 2


def run_service(main: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run a service until it ends or SIGTERM or SIGINT comes, then leave the process with its exit code.

    `main` is handed an event that the first signal sets: it drains and returns. A second signal ends the
    process at once. As many files may be open as the machine allows, not only the 1,024 of a shell (Go's
    runtime does the same). The garbage collector does not look again and again at what is here to stay
    (`Freezer`).
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    Freezer(SystemClock().monotonic).install()
    try:
        asyncio.run(_run(main))
    except HelpRequested as text:
        sys.stdout.write(str(text))
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
    except Exception as error:
        log.critical("service failed", exc_info=error)
        sys.exit(1)


def open_files() -> int:
    """Return how many files and connections this process may have open."""
    now, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if now == resource.RLIM_INFINITY else now


async def _run(main: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal(number: signal.Signals) -> None:
        if stop.is_set():
            os._exit(128 + number)
        log.info("stopping", signal=number.name)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    try:
        await main(stop)
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


def is_full_due(passed_seconds: float, before_bytes: int, now_bytes: int) -> bool:
    """Say whether it is time to look at everything.

    Args:
        passed_seconds: since that was done.
        before_bytes: resident memory then.
        now_bytes: resident memory now.
    """
    grown = now_bytes - before_bytes
    return passed_seconds >= FULL_SECONDS or grown >= max(GROWTH_BYTES, before_bytes // 2)


def resident_bytes() -> int:
    """Return the resident memory of this process; 0 where the system does not tell."""
    try:
        return int(_STATM.read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


class Freezer:
    """Keeps what has survived a collection out of later ones. One a process; the collector itself calls it.

    A collection of the oldest generation looks at every container there is, and everybody waits: with 10,000
    Pods in a watch cache 90 ms, and one comes each time that a quarter has been added. A cache makes no circles,
    and goes by itself when it is dropped. So what has survived such a collection is frozen: the next looks at
    what came since, and takes a few milliseconds (decision 166).

    A circle among frozen objects is not found that way. So when the process has grown by half, or after ten
    minutes, everything is looked at. Both are asked when a collection of the oldest generation begins, so that a
    process that does nothing does nothing.
    """

    def __init__(self, now: Callable[[], float], memory: Callable[[], int] = resident_bytes) -> None:
        """Make it; `install` lets it begin.

        Args:
            now: monotonic seconds.
            memory: resident bytes of this process.
        """
        self._now, self._memory = now, memory
        self._at, self._bytes = now(), memory()
        self._is_full = False

    def install(self) -> None:
        """Begin: what there is now, modules above all, is not looked at before the first full look."""
        gc.freeze()
        youngest, middle, _ = gc.get_threshold()
        gc.set_threshold(youngest, middle, OLDEST_EVERY)
        gc.callbacks.append(self._on_collection)

    def remove(self) -> None:
        """End; nothing is frozen any more."""
        gc.callbacks.remove(self._on_collection)
        gc.unfreeze()

    def _on_collection(self, phase: str, info: Mapping[str, int]) -> None:
        if info["generation"] != _OLDEST:
            return
        if phase == "start":
            self._is_full = is_full_due(self._now() - self._at, self._bytes, self._memory())
            if self._is_full:
                gc.unfreeze()
            return
        gc.freeze()
        if self._is_full:
            self._at, self._bytes, self._is_full = self._now(), self._memory(), False
