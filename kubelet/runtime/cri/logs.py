"""Logs of containers, from the files that the runtime writes.

A reader that follows reads the old file of a rotation to its end and goes on with the new one. As upstream,
only the newest file is read from the beginning.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import BinaryIO

from kubelet.runtime.cri.log_format import LogFormat, ends_a_line
from kubelet.runtime.interface import NotFoundInRuntime
from kubelet.runtime.records import LogOptions
from vaina.clock import Clock

#: bytes read, and handed on, at once
_CHUNK = 64 * 1024
#: a line of the file that is longer is not one of a runtime's (16 KiB and what stands before it): it is dropped
_MAX_LINE = 256 * 1024
#: between two looks at a file that is followed
_LOOK_SECONDS = 0.1
#: between two questions whether its container still runs
_ASK_LOOKS = 5
#: a runtime may tell of the end a moment before it has written the last lines
_LAST_LINES_SECONDS = 0.3


def _files(path: Path) -> list[Path]:
    """Return a log and what it was rotated to (`0.log.20261122-130000`, `.gz`)."""
    return [path, *path.parent.glob(f"{path.name}.*")] if path.name else []


def log_bytes(path: Path) -> int:
    """Return what a container's log takes on disk, rotated files included."""
    total = 0
    for file in _files(path):
        try:
            total += file.stat().st_size
        except FileNotFoundError:
            continue
    return total


def remove_logs(path: Path) -> None:
    """Remove a container's log, and its directory with the last one."""
    for file in _files(path):
        file.unlink(missing_ok=True)
    try:
        path.parent.rmdir()
    except OSError:
        # Other attempts have logs there, or it is gone.
        return


def _open(path: Path) -> BinaryIO:
    """Open a log, or in a rotation the newest rotated file, still written to. Raises FileNotFoundError."""
    try:
        return path.open("rb")
    except FileNotFoundError:
        aside = sorted(file for file in _files(path)[1:] if file.suffix not in {".gz", ".tmp"})
        if not aside:
            raise
        return aside[-1].open("rb")


def tail_offset(file: BinaryIO, lines: int) -> int:
    """Return where the container's last `lines` lines begin; an unfinished line counts."""
    position = file.seek(0, os.SEEK_END)
    if lines <= 0:
        return position
    rest, found, after = b"", 0, position
    while position > 0:
        size = min(_CHUNK, position)
        position -= size
        file.seek(position)
        block = file.read(size) + rest
        parts = block.split(b"\n")
        # The first part may begin further to the front.
        rest = parts[0]
        offset = position + len(parts[0]) + 1
        starts = []
        for part in parts[1:]:
            starts.append((offset, part))
            offset += len(part) + 1
        for start, part in reversed(starts):
            if not part:
                continue
            if ends_a_line(part):
                if found == lines:
                    return after
                found += 1
            after = start
        if len(rest) > _MAX_LINE:
            return after
    if rest and ends_a_line(rest) and found == lines:
        return after
    return 0


class _Reader:
    """One file, read line by line. Its methods block."""

    def __init__(self, path: Path, options: LogOptions, form: LogFormat, *, from_tail: bool) -> None:
        self._file = _open(path)
        self.inode = os.fstat(self._file.fileno()).st_ino
        self._form, self._rest = form, b""
        start = (
            tail_offset(self._file, options.tail_lines) if from_tail and options.tail_lines is not None else 0
        )
        self._file.seek(start)

    def read(self) -> tuple[bytes, bool]:
        """Return what the next chunk shows, and whether there was one."""
        data = self._file.read(_CHUNK)
        if not data:
            return b"", False
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _MAX_LINE:
            self._rest = b""
        return b"".join([self._form.shown(line) for line in lines]), True

    def close(self) -> None:
        self._file.close()


def _moved(path: Path, inode: int) -> bool:
    try:
        return path.stat().st_ino != inode
    except FileNotFoundError:
        return False


async def container_logs(
    look: Callable[[], Awaitable[tuple[Path, float | None]]], options: LogOptions, clock: Clock
) -> AsyncIterator[bytes]:
    """Yield a container's log, and with `follow` what comes, until the container ends.

    `look` returns the log's path and when the container ended (None: it runs). Raises NotFoundInRuntime.
    """
    path, ended_at = await look()
    form = LogFormat(options)
    try:
        reader = await asyncio.to_thread(_Reader, path, options, form, from_tail=True)
    except FileNotFoundError:
        # The container was never started.
        return
    looks = 0
    try:
        while True:
            async for shown in _rest(reader):
                yield shown
            if await asyncio.to_thread(_moved, path, reader.inode):
                # The old file is whole now, and may have grown since it was read.
                async for shown in _rest(reader):
                    yield shown
                newer = await _next_reader(path, options, form, reader.inode)
                if newer is not None:
                    reader.close()
                    reader = newer
                    continue
            if _is_over(options, ended_at, clock.now()):
                return
            await clock.sleep(_LOOK_SECONDS)
            looks += 1
            if looks % _ASK_LOOKS == 0:
                # What it wrote last is read after it is known to have ended.
                path, ended_at = await look()
    except NotFoundInRuntime:
        # Removed while it was followed.
        return
    finally:
        reader.close()


async def _next_reader(path: Path, options: LogOptions, form: LogFormat, before: int) -> _Reader | None:
    try:
        newer = await asyncio.to_thread(_Reader, path, options, form, from_tail=False)
    except FileNotFoundError:
        return None
    if newer.inode == before:
        newer.close()
        return None
    return newer


async def _rest(reader: _Reader) -> AsyncIterator[bytes]:
    more = True
    while more:
        shown, more = await asyncio.to_thread(reader.read)
        if shown:
            yield shown


def _is_over(options: LogOptions, ended_at: float | None, now: float) -> bool:
    if ended_at is None:
        return not options.follow
    return now >= ended_at + _LAST_LINES_SECONDS
