"""The file of the audit log and the buffer before it: rotation, rights, and a disk that takes nothing."""

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from apiserver.audit.log import AuditLog, LogFile
from tests.support.tasks import running
from vaina.clock import SystemClock
from vaina.errors import InternalError
from vaina.testing.clock import FakeClock, settle

MEGABYTE = 1024 * 1024
LINE = b"x" * 1023 + b"\n"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def sizes(folder: Path, pattern: str) -> set[int]:
    return {path.stat().st_size for path in folder.glob(pattern)}


def test_a_log_is_for_its_owner_alone_and_goes_on_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "log" / "audit.log"
    for text in (b"a\n", b"b\n"):
        file = LogFile(str(path), FakeClock())
        file.write(text)
        file.close()
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"a\nb\n", 0o600)


async def test_a_log_that_is_full_is_put_aside_with_the_time_and_the_oldest_go(tmp_path: Path) -> None:
    clock = FakeClock(1_780_000_000.25)
    file = LogFile(str(tmp_path / "audit.log"), clock, max_megabytes=1, max_backups=2, max_days=0)
    (tmp_path / "audit-of-last-year.log").touch()
    for _ in range(4):
        file.write(b"x" * (MEGABYTE - 1) + b"\n")
        await clock.advance(1)
    assert names(tmp_path) == [
        "audit-2026-05-28T20-26-42.250.log", "audit-2026-05-28T20-26-43.250.log", "audit-of-last-year.log", "audit.log",
    ]  # fmt: skip
    assert sizes(tmp_path, "audit-2*") == {MEGABYTE}


async def test_logs_that_are_too_old_go(tmp_path: Path) -> None:
    clock = FakeClock(1_780_000_000)
    file = LogFile(str(tmp_path / "audit.log"), clock, max_megabytes=1, max_backups=0, max_days=2)
    for _ in range(6):
        file.write(b"x" * MEGABYTE)
        await clock.advance(86_400)
    assert len(names(tmp_path)) == 4


def test_a_line_longer_than_a_log_is_written_all_the_same(tmp_path: Path) -> None:
    file = LogFile(str(tmp_path / "audit.log"), FakeClock(), max_megabytes=1)
    file.write(b"x" * (2 * MEGABYTE))
    assert names(tmp_path) == ["audit.log"]


def test_a_log_that_was_removed_is_there_again(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    file = LogFile(str(path), FakeClock())
    file.write(b"a\n")
    path.unlink()
    file.write(b"b\n")
    assert path.read_bytes() == b"b\n"


def test_a_log_that_somebody_put_aside_is_rotated_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    file = LogFile(str(path), FakeClock(), max_megabytes=1)
    file.write(b"x" * MEGABYTE)
    path.rename(tmp_path / "aside")
    file.write(b"a\n")
    assert path.read_bytes() == b"a\n"


@pytest.mark.parametrize("is_removed", [True, False])
def test_a_log_that_cannot_be_opened_anew_goes_on_when_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_removed: bool
) -> None:
    """Nor does it write to what has the number of its closed file by then."""
    path = tmp_path / "audit.log"
    file = LogFile(str(path), FakeClock(), max_megabytes=1)
    file.write(b"x" * MEGABYTE)
    if is_removed:
        path.unlink()

    def full(*_: object) -> int:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", full)
        with pytest.raises(OSError, match="Too many"):
            file.write(b"a\n")
    other = os.open(tmp_path / "other", os.O_CREAT | os.O_WRONLY)
    try:
        file.write(b"b\n")
    finally:
        os.close(other)
    assert (path.read_bytes(), (tmp_path / "other").read_bytes()) == (b"b\n", b"")


def test_what_a_failed_write_left_does_not_spoil_the_next_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "audit.log"
    file = LogFile(str(path), FakeClock())
    write = os.write
    answers: Iterator[int] = iter((3, -1))

    def some(fd: int, data: bytes) -> int:
        size = next(answers)
        if size < 0:
            raise OSError(28, "No space left on device")
        return write(fd, bytes(data)[:size])

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", some)
        with pytest.raises(OSError, match="No space"):
            file.write(b"first line\n")
    file.write(b"second\n")
    assert path.read_bytes() == b"fir\nsecond\n"


class Disk(LogFile):
    """A file on a disk that can hang, or be full."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), SystemClock())
        self.goes, self.is_full = threading.Event(), False
        self.goes.set()

    def write(self, data: bytes) -> None:
        self.goes.wait(30)
        if self.is_full:
            raise OSError(28, "No space left on device")
        super().write(data)

    @contextmanager
    def hanging(self) -> Iterator[None]:
        self.goes.clear()
        try:
            yield
        finally:
            self.goes.set()


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path / "audit.log")


def lines(tmp_path: Path) -> int:
    return (tmp_path / "audit.log").read_bytes().count(b"\n")


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():
            await SystemClock().sleep(0.001)


async def test_lines_are_written_soon_and_all_of_them_at_the_end(tmp_path: Path, disk: Disk) -> None:
    log = AuditLog(disk, SystemClock())
    async with running(log.run()):
        log.append(LINE)
        await until(lambda: lines(tmp_path) == 1)
        for _ in range(100):
            log.append(LINE)
    assert lines(tmp_path) == 101


async def test_calls_wait_while_the_buffer_is_full_and_nothing_is_lost(tmp_path: Path, disk: Disk) -> None:
    registry = CollectorRegistry()
    log = AuditLog(disk, SystemClock(), registry, max_bytes=10 * len(LINE))
    async with running(log.run()), asyncio.TaskGroup() as group:
        with disk.hanging():
            for _ in range(10):
                await log.wait_for_room()
                log.append(LINE)
            waiting = group.create_task(log.wait_for_room())
            await settle()
            assert not waiting.done()
    assert lines(tmp_path) == 10
    assert registry.get_sample_value("apiserver_audit_event_total") == 10
    assert registry.get_sample_value("apiserver_audit_error_total", {"plugin": "buffered"}) is None


@pytest.mark.parametrize("strict", [False, True])
async def test_a_disk_that_hangs_loses_counted_lines_or_refuses_calls(
    tmp_path: Path, disk: Disk, strict: bool
) -> None:
    registry = CollectorRegistry()
    log = AuditLog(disk, SystemClock(), registry, strict=strict, max_bytes=10 * len(LINE), wait_seconds=0.05)

    async def call() -> None:
        await log.wait_for_room()
        log.append(LINE)

    async with running(log.run()):
        with disk.hanging():
            for _ in range(10):
                await call()
            for _ in range(5):
                if strict:
                    with pytest.raises(InternalError, match="failed to store audit event"):
                        await call()
                else:
                    await call()
        await until(lambda: log.has_room)
        # The disk is there again.
        await call()
    assert lines(tmp_path) == 11
    lost = registry.get_sample_value("apiserver_audit_error_total", {"plugin": "buffered"})
    rejected = registry.get_sample_value("apiserver_audit_requests_rejected_total")
    assert (lost, rejected) == ((None, 5) if strict else (5, 0))


async def test_a_full_disk_loses_counted_lines(tmp_path: Path, disk: Disk) -> None:
    registry = CollectorRegistry()
    log = AuditLog(disk, SystemClock(), registry)

    def lost() -> float | None:
        return registry.get_sample_value("apiserver_audit_error_total", {"plugin": "log"})

    async with running(log.run()):
        disk.is_full = True
        log.append(LINE)
        log.append(LINE)
        await until(lambda: lost() == 2)
        disk.is_full = False
        log.append(LINE)
    assert (lines(tmp_path), lost()) == (1, 2)


async def test_what_must_not_be_lost_waits_for_a_full_disk_and_calls_are_refused(
    tmp_path: Path, disk: Disk
) -> None:
    registry = CollectorRegistry()
    log = AuditLog(disk, SystemClock(), registry, strict=True)
    async with running(log.run()):
        disk.is_full = True
        await log.wait_for_room()
        log.append(LINE)
        await until(lambda: not log.has_room)
        with pytest.raises(InternalError, match="failed to store audit event"):
            await log.wait_for_room()
        disk.is_full = False
        await until(lambda: log.has_room)
        await log.wait_for_room()
        log.append(LINE)
    assert lines(tmp_path) == 2
    assert registry.get_sample_value("apiserver_audit_error_total", {"plugin": "log"}) is None
