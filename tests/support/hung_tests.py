"""A test that hangs ends, and says so. A plugin of pytest, loaded by tests/conftest.py, beside pytest-timeout.

pytest-timeout raises a failure wherever its signal finds the main thread. In a task or a callback of an event
loop asyncio keeps it for itself (`asyncio/tasks.py`, Task.__step; `asyncio/events.py`, Handle._run), and the
test waits on, without a second signal. So a loop that runs is stopped, between two callbacks, and what its
tasks waited for is in what the test said. Where it does not stop, because one callback does not end, the
failure is raised after all: as a KeyboardInterrupt, which asyncio lets through.

Nor has a second try a timer: the first one's failure took it away. It gets one of its own. What does not end
then either (a teardown that waits, code in C) ends its process, with the stacks of all threads.
"""

import asyncio
import faulthandler
import os
import signal
import sys
from collections.abc import Generator
from typing import Any, Final

import pytest
from _pytest.faulthandler import fault_handler_stderr_fd_key

#: after a failure until the process ends: the last test of a run takes a cluster down
END_SECONDS: Final = float(os.environ.get("VAINA_TEST_END_SECONDS", "180"))  # noqa: TID251 (where tests begin)
#: for the loop to stop
_STOP_SECONDS: Final = END_SECONDS / 20
#: tasks that are told of
_MOST_TASKS: Final = 50

_SETTINGS: Final = pytest.StashKey[Any]()
#: what is wrong with a test that hangs
_HANGS: Final = pytest.StashKey[str]()


class _Hangs(KeyboardInterrupt):
    """A callback of a loop does not end."""


def _loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _end_later(node: pytest.Item) -> None:
    stderr = node.config.stash[fault_handler_stderr_fd_key]
    faulthandler.dump_traceback_later(END_SECONDS, exit=True, file=stderr)


@pytest.hookimpl(wrapper=True)
def pytest_timeout_set_timer(item: pytest.Item, settings: Any) -> Generator[None, Any, Any]:
    """Put this before what pytest-timeout does at its signal."""
    item.stash[_SETTINGS] = settings
    done = yield
    fail = signal.getsignal(signal.SIGALRM)
    if settings.method != "signal" or not callable(fail) or item.config.getoption("usepdb"):
        return done

    def hangs(number: int, frame: Any) -> None:
        __tracebackhide__ = True
        loop = _loop()
        if _HANGS not in item.stash:
            item.stash[_HANGS] = f"Timeout (>{settings.timeout}s): the test hangs"
            says = f"\n{item.nodeid} hangs: its process ends in {END_SECONDS:g} s\n"
            os.write(item.config.stash[fault_handler_stderr_fd_key], says.encode())
            _end_later(item)
            if loop is not None:
                for task in [*asyncio.all_tasks(loop)][:_MOST_TASKS]:
                    task.print_stack(file=sys.stderr)
                loop.call_soon_threadsafe(loop.stop)
                signal.setitimer(signal.ITIMER_REAL, _STOP_SECONDS)
                return
        try:
            fail(number, frame)
        except pytest.fail.Exception:
            if loop is not None:
                raise _Hangs from None
            raise

    signal.signal(signal.SIGALRM, hangs)
    return done


@pytest.hookimpl(trylast=True)
def pytest_exception_interact(node: pytest.Item | pytest.Collector) -> None:
    """Bound what comes after a failure: the timers of pytest and of pytest-timeout are taken away by now."""
    if isinstance(node, pytest.Item) and not node.config.getoption("usepdb"):
        _end_later(node)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Generator[None, Any, Any]:
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


def _told(item: pytest.Item) -> Generator[None, Any, Any]:
    """Let a loop that was stopped fail the test."""
    try:
        return (yield)
    except (RuntimeError, _Hangs) as error:
        if _HANGS not in item.stash:
            raise
        # Where the runner was says nothing; where a callback was does.
        found = pytest.fail.Exception(item.stash[_HANGS], pytrace=isinstance(error, _Hangs))
        raise found.with_traceback(error.__traceback__) from None
    finally:
        if _HANGS in item.stash:
            signal.setitimer(signal.ITIMER_REAL, 0)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, Any, Any]:
    if getattr(item, "execution_count", 1) > 1 and _SETTINGS in item.stash:
        faulthandler.cancel_dump_traceback_later()
        if _HANGS in item.stash:
            del item.stash[_HANGS]
        item.ihook.pytest_timeout_set_timer(item=item, settings=item.stash[_SETTINGS])
    return (yield from _told(item))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    return (yield from _told(item))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, Any, Any]:
    return (yield from _told(item))
