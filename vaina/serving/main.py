"""The life of a service's process: signals, a graceful end, an exit code. Called by every `__main__`.

`main` of `run_service` reads the configuration, builds the service and runs it until the event that it is
handed is set.
"""

import asyncio
import os
import resource
import signal
import sys
from collections.abc import Awaitable, Callable

import structlog

from vaina.clock import SystemClock
from vaina.config import ConfigError, HelpRequested
from vaina.garbage import Freezer

log = structlog.stdlib.get_logger(__name__)


def run_service(main: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run a service until it ends or SIGTERM or SIGINT comes, then leave the process with its exit code.

    `main` is handed an event that the first signal sets: it drains and returns. A second signal ends the
    process at once. As many files may be open as the machine allows, not only the 1,024 of a shell (Go's
    runtime does the same). The garbage collector does not look again and again at what is here to stay
    (`vaina.garbage`).
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
