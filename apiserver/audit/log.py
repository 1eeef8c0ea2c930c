"""Writes the lines of the audit log to a file that is rotated, from a bounded buffer, beside the event loop.

Calls wait while the buffer is full, and are never answered before their line is in it: who floods the log waits
for the disk as everybody does, and nothing of others is lost. Only a disk that is full, or takes nothing for a
second, loses lines, which are counted: a cluster does not stand still because its audit log does. With the mode
`blocking-strict` it does: what would not be audited is refused, and lines wait until the disk takes them. The
modes are upstream's (apiserver `pkg/server/options/audit.go`).
"""

import asyncio
import os
import stat
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Counter

from vaina.clock import Clock
from vaina.errors import InternalError

log = structlog.stdlib.get_logger(__name__)

#: lines that wait to be written
MAX_BYTES: Final = 16 * 1024 * 1024
#: calls wait for so long while the buffer is full
WAIT_SECONDS: Final = 1.0
#: lines that come within this time are written together
_GATHER_SECONDS: Final = 0.025
#: between two tries to write what must not be lost
_RETRY_SECONDS: Final = 1.0
_STDOUT: Final = "-"
_MEGABYTE: Final = 1024 * 1024
_TIME: Final = "%Y-%m-%dT%H-%M-%S.%f"
#: a value of the configuration: what would not be written is refused
BLOCKING_STRICT: Final = "blocking-strict"


class LogFile:
    """A file that grows to a size and is then put aside under a name with the time, as upstream's.

    `audit.log` becomes `audit-2026-11-24T23-48-15.123.log`. Any thread may write; one at a time does.
    """

    def __init__(
        self,
        path: str,
        clock: Clock,
        *,
        max_megabytes: int = 100,
        max_backups: int = 100,
        max_days: int = 366,
    ) -> None:
        """Open the file, for its owner alone. Raises OSError. 0 for a limit: there is none."""
        self._path, self._clock = Path(path), clock
        self._most, self._backups, self._days = max_megabytes * _MEGABYTE, max_backups, max_days
        self._lock = threading.Lock()
        self._is_broken = False
        self._fd = 1 if path == _STDOUT else self._open()

    def write(self, data: bytes) -> None:
        """Write whole lines. Raises OSError: some of them are not written."""
        with self._lock:
            if self._fd != 1:
                self._prepare(len(data))
            if self._is_broken:
                # What an earlier write left unfinished must not spoil the first of these lines.
                data = b"\n" + data
            view = memoryview(data)
            self._is_broken = True
            while view:
                view = view[os.write(self._fd, view) :]
            self._is_broken = False

    def close(self) -> None:
        if self._fd != 1:
            os.close(self._fd)

    def _open(self) -> int:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if stat.S_ISREG(os.fstat(fd).st_mode):
            os.fchmod(fd, 0o600)
        return fd

    def _prepare(self, size: int) -> None:
        """See that the file is there, and has room."""
        state = os.fstat(self._fd)
        if state.st_nlink and self._most and state.st_size and state.st_size + size > self._most:
            self._rotate()
        elif not state.st_nlink:
            # Somebody removed it: the lines of before are gone, those to come need not be.
            self._open_anew()

    def _open_anew(self) -> None:
        """Write to the file of the path from now on. Raises OSError: to the file of before, as it was."""
        before, self._fd = self._fd, self._open()
        os.close(before)

    def _rotate(self) -> None:
        now = datetime.fromtimestamp(self._clock.now(), UTC)
        aside = self._path.with_name(f"{self._path.stem}-{now.strftime(_TIME)[:-3]}{self._path.suffix}")
        # Somebody may have put it aside already, or an earlier rotation found no room for a new one.
        with suppress(FileNotFoundError):
            self._path.rename(aside)
        self._open_anew()
        backups = sorted(self._aside(), reverse=True)
        oldest = now - timedelta(days=self._days)
        for number, (time, path) in enumerate(backups):
            if (self._backups and number >= self._backups) or (self._days and time < oldest):
                path.unlink(missing_ok=True)

    def _aside(self) -> list[tuple[datetime, Path]]:
        """Return the files that were put aside, with their times."""
        found: list[tuple[datetime, Path]] = []
        for path in self._path.parent.glob(f"{self._path.stem}-*{self._path.suffix}"):
            text = path.name.removeprefix(f"{self._path.stem}-").removesuffix(self._path.suffix)
            try:
                found.append((datetime.strptime(text, _TIME).replace(tzinfo=UTC), path))
            except ValueError:
                continue
        return found


class AuditLog:
    """The buffer before a file, and the task that empties it. Owned by one event loop."""

    def __init__(
        self,
        file: LogFile,
        clock: Clock,
        registry: CollectorRegistry | None = None,
        *,
        strict: bool = False,
        max_bytes: int = MAX_BYTES,
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        """Begin; `run` must be running. `strict` refuses what could not be written."""
        self._file, self._clock, self._strict = file, clock, strict
        self._max_bytes, self._wait_seconds = max_bytes, wait_seconds
        self._lines: list[bytes] = []
        #: those that the disk did not take
        self._kept: list[bytes] = []
        #: of lines that wait, and of those that are being written
        self._bytes = 0
        self._work, self._room = asyncio.Event(), asyncio.Event()
        self._room.set()
        #: nobody waits any more, until something is written
        self._is_stuck = False
        self._events = Counter(
            "apiserver_audit_event", "Counter of audit events generated and sent to the audit backend.",
            registry=registry,
        )  # fmt: skip
        self._errors = Counter(
            "apiserver_audit_error",
            "Counter of audit events that failed to be audited properly. Plugin identifies the plugin affected by the error.",
            ("plugin",), registry=registry,
        )  # fmt: skip
        self._rejected = Counter(
            "apiserver_audit_requests_rejected",
            "Counter of apiserver requests rejected due to an error in audit logging backend.",
            registry=registry,
        )

    @property
    def has_room(self) -> bool:
        return self._room.is_set()

    async def wait_for_room(self) -> None:
        """Return when a line would be written. Raises InternalError when that is not sure, and must be."""
        if self.has_room:
            return
        if not self._is_stuck:
            try:
                async with asyncio.timeout(self._wait_seconds):
                    await self._room.wait()
                return
            except TimeoutError:
                self._is_stuck = True
                log.warning("the audit log is not written: its disk takes nothing", bytes=self._bytes)
        if self._strict:
            self._rejected.inc()
            raise InternalError("failed to store audit event")

    def append(self, line: bytes) -> None:
        """Write a line, or count it as lost when the buffer is full."""
        if self._bytes >= 2 * self._max_bytes or (self._is_stuck and not self.has_room):
            self.lose()
            return
        self._events.inc()
        self._lines.append(line)
        self._bytes += len(line)
        self._work.set()
        if self._bytes >= self._max_bytes:
            self._room.clear()

    def lose(self) -> None:
        """Count a line that is not written."""
        self._events.inc()
        self._errors.labels("buffered").inc()

    async def run(self) -> None:
        """Write until cancelled; then what is left."""
        try:
            while True:
                await self._work.wait()
                await self._clock.sleep(_GATHER_SECONDS)
                lines = self._take()
                while not await self._write(lines):
                    self._kept = lines
                    await self._clock.sleep(_RETRY_SECONDS)
                self._kept = []
                self._written(lines)
        finally:
            self._write_rest()

    async def _write(self, lines: list[bytes]) -> bool:
        """Write lines, or lose them; False: they have to be tried again, and nothing is served meanwhile."""
        try:
            await asyncio.to_thread(self._file.write, b"".join(lines))
        except OSError as error:
            if self._strict:
                self._room.clear()
                self._is_stuck = True
                log.warning("the audit log is not written, so requests are refused", error=str(error))
                return False
            self._lost(lines, error)
        return True

    def _take(self) -> list[bytes]:
        lines, self._lines = self._lines, []
        self._work.clear()
        return lines

    def _written(self, lines: list[bytes]) -> None:
        self._bytes -= sum(map(len, lines))
        self._is_stuck = False
        if self._bytes < self._max_bytes:
            self._room.set()

    def _write_rest(self) -> None:
        lines = self._kept + self._take()
        try:
            self._file.write(b"".join(lines))
        except OSError as error:
            self._lost(lines, error)
        self._file.close()

    def _lost(self, lines: list[bytes], error: OSError) -> None:
        self._errors.labels("log").inc(len(lines))
        log.error("audit events are lost", events=len(lines), error=str(error))
