"""Makes, undoes and finds mounts of this machine, and of parts of volumes (subPath). Blocking, for threads.

It uses the system calls directly: a source like /proc/self/fd/7 must reach the kernel as it is, and a process
for each mount is dear.
"""

import ctypes
import errno
import os
import re
import shutil
import stat
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

_MOUNTINFO: Final = Path("/proc/self/mountinfo")
_MS_BIND: Final = 4096
_OCTAL = re.compile(r"\\([0-7]{3})")
#: a path that was mounted over and over is undone so often
_MOST_LAYERS: Final = 16

#: of directories that hold Pods' data
_PRIVATE: Final = 0o750

_libc = ctypes.CDLL(None, use_errno=True)


def bind(source: str, target: str | Path) -> None:
    """Show `source` at `target`, which exists and is of the same kind. Raises OSError."""
    _mount(source, str(target), None, _MS_BIND, None)


def tmpfs(target: str | Path, *, size_bytes: int, mode: int) -> None:
    """Mount a file system in memory at a directory; 0 bytes: half of the machine's memory. Raises OSError.

    It is never swapped to a disk where the kernel can promise that (6.4), as upstream's (`pkg/volume/emptydir`,
    generateTmpfsMountOptions).
    """
    options = f"mode={mode:o}" + (f",size={size_bytes}" if size_bytes else "")
    try:
        _mount("tmpfs", str(target), "tmpfs", 0, f"{options},noswap")
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EPERM):
            raise
        _mount("tmpfs", str(target), "tmpfs", 0, options)


def make_private(root: Path, path: Path) -> None:
    """Make a directory and its parents from `root` on; only the kubelet may look into them. Raises OSError.

    Follows makePodDataDirs in `pkg/kubelet/kubelet_pods.go`.
    """
    root.parent.mkdir(parents=True, exist_ok=True)
    for directory in (*reversed([one for one in path.parents if one.is_relative_to(root)]), path):
        directory.mkdir(mode=_PRIVATE, exist_ok=True)
        if directory.stat().st_mode & 0o777 != _PRIVATE:
            directory.chmod(_PRIVATE)


def _mount(source: str, target: str, kind: str | None, flags: int, options: str | None) -> None:
    encoded = [None if text is None else text.encode() for text in (source, target, kind, options)]
    if _libc.mount(encoded[0], encoded[1], encoded[2], ctypes.c_ulong(flags), encoded[3]):
        number = ctypes.get_errno()
        raise OSError(number, f"mount: {os.strerror(number)}", target)


def unmount(target: str | Path) -> None:
    """Undo all mounts at a path; it is no error if there is none. Raises OSError."""
    path = str(target)
    for _ in range(_MOST_LAYERS):
        if path not in mounts():
            return
        if _libc.umount2(path.encode(), 8):  # UMOUNT_NOFOLLOW
            number = ctypes.get_errno()
            raise OSError(number, f"umount: {os.strerror(number)}", path)
    raise OSError(f"{path} is still mounted")


def mounts() -> list[str]:
    """Return where something is mounted, oldest first."""
    lines = _MOUNTINFO.read_text(errors="surrogateescape").splitlines()
    return [_OCTAL.sub(lambda match: chr(int(match[1], 8)), line.split(" ")[4]) for line in lines]


def is_mounted(path: str | Path) -> bool:
    """Say whether something is mounted at a path; bind mounts of one file system count, unlike in pathlib."""
    return str(path) in mounts()


def mounts_below(root: str | Path) -> list[str]:
    """Return what is mounted at a path and below, newest first: the order in which it can be undone."""
    prefix = f"{root}/"
    return [path for path in reversed(mounts()) if path == str(root) or path.startswith(prefix)]


def clear(root: Path) -> None:
    """Undo all mounts in a tree, then remove the tree without what they showed. Raises OSError."""
    real = Path(os.path.realpath(root))
    for path in dict.fromkeys(mounts_below(real)):
        unmount(path)
    if left := mounts_below(real):
        raise OSError(f"{left[0]} is still mounted")
    shutil.rmtree(real, ignore_errors=True)


def keep_in_memory(path: Path, *, size_bytes: int, mode: int) -> None:
    """Put a directory into memory, with a limit in bytes; one that lies there already stays as it is."""
    real = os.path.realpath(path)
    if not is_mounted(real):
        tmpfs(real, size_bytes=size_bytes, mode=mode)


#: below a Pod's directory: <volume>/<container>/<number of the mount> is a place where a part is shown
PARTS: Final = "volume-subpaths"
_OPEN: Final = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


class SubPathError(Exception):
    """The part of a volume cannot be shown; the message may name paths of the node, so it is for logs.

    Containers that write in the volume cannot lead out of it (`pkg/volume/util/subpath/subpath_linux.go`): the
    path is resolved once, to check that it stays in the volume, then opened component by component without
    following links, and what is open is bound by its descriptor.
    """


def place_of_part(pod: Path, volume: str, container: str, index: int) -> Path:
    """Return where a part is shown."""
    return pod / PARTS / volume / container / str(index)


def make_part(volume: Path, part: str) -> None:
    """Make the part a directory if nothing is there, with the volume's mode. Raises SubPathError, OSError."""
    root = os.path.realpath(volume)
    if os.path.lexists(os.path.join(root, part)):
        return
    mode = stat.S_IMODE(os.stat(root).st_mode) & 0o777
    resolved = _inside(root, os.path.realpath(os.path.join(root, part)))
    with ExitStack() as opened:
        current = _open_inside(opened, root, None)
        for name in resolved:
            with suppress(FileExistsError):
                os.mkdir(name, 0o750, dir_fd=current)
                made = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY, dir_fd=current)
                try:
                    os.fchmod(made, mode)
                finally:
                    os.close(made)
            current = _open_inside(opened, name, current)


def bind_part(volume: Path, part: str, target: Path) -> Path:
    """Show a part of a volume at `target`, return that (PrepareSafeSubpath). Raises SubPathError, OSError."""
    with ExitStack() as opened:
        current = _reach(opened, volume, part)
        found = os.fstat(current)
        if stat.S_ISLNK(found.st_mode):
            raise SubPathError(f"{part} has become a link")
        target = Path(os.path.realpath(target.parent)) / target.name
        if is_mounted(target):
            if os.path.samestat(os.stat(target), found):
                return target
            unmount(target)
        _make_place(target, directory=stat.S_ISDIR(found.st_mode))
        bind(f"/proc/self/fd/{current}", target)
        if not os.path.samestat(os.stat(target), found):
            unmount(target)
            raise SubPathError(f"{part} was mounted over")
    return target


def read_part(volume: Path, part: str, limit: int) -> bytes:
    """Return at most `limit` + 1 bytes of a volume's file. Raises SubPathError, OSError."""
    with ExitStack() as opened:
        current = _reach(opened, volume, part)
        if not stat.S_ISREG(os.fstat(current).st_mode):
            raise SubPathError(f"{part} is no file")
        with open(f"/proc/self/fd/{current}", "rb") as file:
            return file.read(limit + 1)


def _reach(opened: ExitStack, volume: Path, part: str) -> int:
    """Return an open part of a volume, reached from its root without a link."""
    root = os.path.realpath(volume)
    resolved = _inside(root, os.path.realpath(os.path.join(root, part), strict=True))
    current = _open_inside(opened, root, None)
    for name in resolved:
        current = _open_inside(opened, name, current)
    return current


def _inside(root: str, path: str) -> list[str]:
    if path == root:
        return []
    if not path.startswith(f"{root.rstrip('/')}/"):
        raise SubPathError(f"{path} is not within the volume {root}")
    return os.path.relpath(path, root).split("/")


def _open_inside(opened: ExitStack, name: str, parent: int | None) -> int:
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


def clear_parts(pod: Path) -> None:
    """Undo all parts of a Pod; only empty places are removed, never what is still mounted. Raises OSError."""
    root = pod / PARTS
    if not root.is_dir():
        return
    for path in dict.fromkeys(mounts_below(os.path.realpath(root))):
        unmount(path)
    for found in sorted(root.glob("*/*/*"), reverse=True):
        found.rmdir() if found.is_dir() else found.unlink()
    for folder in (*root.glob("*/*"), *root.glob("*"), root):
        folder.rmdir()
