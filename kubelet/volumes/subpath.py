"""A part of a volume as a mount of its own, safe against processes that write in the volume. Shell: blocking.

The path is resolved once, with links, to check that it stays in the volume; then it is opened component by
component without following links, so a link made in between is an error, not a way out. That open file is
bound, by its descriptor, to a place of the kubelet's own, and a container gets that place. Follows
`pkg/volume/util/subpath/subpath_linux.go`; places are <pod>/volume-subpaths/<volume>/<container>/<number of
the mount>.
"""

import os
import stat
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

from kubelet.volumes import mounting

DIRECTORY: Final = "volume-subpaths"
_OPEN: Final = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


class SubPathError(Exception):
    """The part cannot be shown; the message may name paths of the node, so it is for logs."""


def place(pod: Path, volume: str, container: str, index: int) -> Path:
    """Return where a part is shown."""
    return pod / DIRECTORY / volume / container / str(index)


def make_directory(volume: Path, part: str) -> None:
    """Make the part a directory where nothing is there, with the volume's permissions (SafeMakeDir).

    Raises SubPathError: it would be outside of the volume; OSError.
    """
    root = os.path.realpath(volume)
    if os.path.lexists(os.path.join(root, part)):
        return
    mode = stat.S_IMODE(os.stat(root).st_mode) & 0o777
    resolved = _inside(root, os.path.realpath(os.path.join(root, part)))
    with ExitStack() as opened:
        current = _open(opened, root, None)
        for name in resolved:
            with suppress(FileExistsError):
                os.mkdir(name, 0o750, dir_fd=current)
                made = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY, dir_fd=current)
                try:
                    os.fchmod(made, mode)
                finally:
                    os.close(made)
            current = _open(opened, name, current)


def bind(volume: Path, part: str, target: Path) -> Path:
    """Show a part of a volume at `target`, and return that (PrepareSafeSubpath); one that is shown already
    stays.

    Raises SubPathError: it is outside of the volume, or changed meanwhile; OSError.
    """
    with ExitStack() as opened:
        current = _reach(opened, volume, part)
        found = os.fstat(current)
        if stat.S_ISLNK(found.st_mode):
            raise SubPathError(f"{part} has become a link")
        target = Path(os.path.realpath(target.parent)) / target.name
        if mounting.is_mounted(target):
            if os.path.samestat(os.stat(target), found):
                return target
            mounting.unmount(target)
        _make_place(target, directory=stat.S_ISDIR(found.st_mode))
        mounting.bind(f"/proc/self/fd/{current}", target)
        if not os.path.samestat(os.stat(target), found):
            mounting.unmount(target)
            raise SubPathError(f"{part} was mounted over")
    return target


def read(volume: Path, part: str, limit: int) -> bytes:
    """Return at most `limit` + 1 bytes of a file of a volume; links inside of the volume are followed.

    Raises SubPathError: it is outside of the volume, or changed meanwhile; OSError: it is not there, or no
    file.
    """
    with ExitStack() as opened:
        current = _reach(opened, volume, part)
        if not stat.S_ISREG(os.fstat(current).st_mode):
            raise SubPathError(f"{part} is no file")
        with open(f"/proc/self/fd/{current}", "rb") as file:
            return file.read(limit + 1)


def _reach(opened: ExitStack, volume: Path, part: str) -> int:
    """Return an open part of a volume, reached from its root without a link. Raises SubPathError, OSError."""
    root = os.path.realpath(volume)
    resolved = _inside(root, os.path.realpath(os.path.join(root, part), strict=True))
    current = _open(opened, root, None)
    for name in resolved:
        current = _open(opened, name, current)
    return current


def _inside(root: str, path: str) -> list[str]:
    if path == root:
        return []
    if not path.startswith(f"{root.rstrip('/')}/"):
        raise SubPathError(f"{path} is not within the volume {root}")
    return os.path.relpath(path, root).split("/")


def _open(opened: ExitStack, name: str, parent: int | None) -> int:
    descriptor = os.open(name, _OPEN, dir_fd=parent)
    opened.callback(os.close, descriptor)
    if stat.S_ISLNK(os.fstat(descriptor).st_mode):
        raise SubPathError(f"{name} has become a link")
    return descriptor


def _make_place(target: Path, *, directory: bool) -> None:
    target.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    if target.is_dir() is not directory:
        with suppress(FileNotFoundError):
            target.rmdir() if target.is_dir() else target.unlink()
    if directory:
        target.mkdir(mode=0o750, exist_ok=True)
    else:
        target.touch(mode=0o640)


def clean(pod: Path) -> None:
    """Undo all parts of a Pod; only empty places are removed, never what is still mounted. Raises OSError."""
    root = pod / DIRECTORY
    if not root.is_dir():
        return
    for path in dict.fromkeys(mounting.mounts_below(os.path.realpath(root))):
        mounting.unmount(path)
    for found in sorted(root.glob("*/*/*"), reverse=True):
        found.rmdir() if found.is_dir() else found.unlink()
    for folder in (*root.glob("*/*"), *root.glob("*"), root):
        folder.rmdir()
