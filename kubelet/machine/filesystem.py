"""What files take, and what a file system has left. Shell: blocking, so called in threads."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

#: of st_blocks (POSIX leaves it open; Linux has 512)
_BLOCK = 512


@dataclass(frozen=True, slots=True)
class FilesystemUse:
    """A file system, in bytes and inodes."""

    capacity: int
    available: int
    inodes: int
    inodes_free: int


@dataclass(frozen=True, slots=True)
class TreeUse:
    """What a tree of files takes."""

    bytes: int = 0
    inodes: int = 0


def filesystem_use(path: str | Path) -> FilesystemUse:
    """Return the state of the file system that a path is on. Raises OSError."""
    found = os.statvfs(path)
    return FilesystemUse(
        found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize, found.f_files, found.f_favail
    )


def tree_use(root: str | Path) -> TreeUse:
    """Return what is allocated below a path: hard links once, no other file systems, no file that vanishes."""
    seen: set[tuple[int, int]] = set()
    total = inodes = 0
    try:
        top = os.lstat(root)
    except OSError:
        return TreeUse()
    for found in _walk(str(root), top):
        if found.st_nlink > 1 and not _is_directory(found):
            if (found.st_dev, found.st_ino) in seen:
                continue
            seen.add((found.st_dev, found.st_ino))
        total += found.st_blocks * _BLOCK
        inodes += 1
    return TreeUse(total, inodes)


def _is_directory(found: os.stat_result) -> bool:
    return (found.st_mode & 0o170000) == 0o040000


def _walk(root: str, top: os.stat_result) -> Iterator[os.stat_result]:
    yield top
    pending = [root] if _is_directory(top) else []
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    try:
                        found = entry.stat(follow_symlinks=False)
                    except OSError:
                        continue
                    if found.st_dev != top.st_dev:
                        continue
                    yield found
                    if _is_directory(found):
                        pending.append(entry.path)
        except OSError:
            continue
