"""Makes, undoes and finds mounts of this machine. Shell: blocking, so called in threads.

It uses the system calls directly: a source like /proc/self/fd/7 must reach the kernel as it is, and a process
for each mount is dear.
"""

import ctypes
import os
import re
import shutil
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
    """Mount a file system in memory at a directory; 0 bytes: half of the machine's memory. Raises OSError."""
    options = f"mode={mode:o}" + (f",size={size_bytes}" if size_bytes else "")
    _mount("tmpfs", str(target), "tmpfs", 0, options)


def make_private(root: Path, path: Path) -> None:
    """Make a directory and its parents from `root` on; only the kubelet may look into them. Raises OSError.

    Follows makePodDataDirs in `pkg/kubelet/kubelet_pods.go`. Containers see what is mounted, wherever it
    lies.
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
    """Undo all mounts in a tree of the kubelet's, then remove the tree without what they showed. Raises
    OSError.
    """
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
