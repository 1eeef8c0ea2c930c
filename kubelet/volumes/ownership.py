"""fsGroup: gives a volume's files to a group, which may read and write them. Shell: blocking.

Follows SetVolumeOwnership in `pkg/volume/volume_linux.go`.
"""

import os
import stat
from pathlib import Path
from typing import Final

_READ_WRITE: Final = 0o660
_READ_ONLY: Final = 0o440
_EXECUTE: Final = 0o110


def give_to_group(root: Path, group: int, policy: str, *, read_only: bool = False) -> None:
    """Give a volume to a group, or only reading with `read_only`. Raises OSError.

    The policy is Always (or empty) or OnRootMismatch: nothing is done when the root is right already.
    """
    if policy == "OnRootMismatch" and _is_right(os.stat(root), group, read_only=read_only):
        return
    # Bottom up: the root is right only when everything is, so that one which was interrupted is done again.
    for folder, names, files, descriptor in os.fwalk(root, topdown=False):
        for name in (*files, *names):
            found = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            if not stat.S_ISDIR(found.st_mode):
                _give(name, found, group, descriptor, read_only=read_only)
        if Path(folder) != root:
            _give(".", os.fstat(descriptor), group, descriptor, read_only=read_only)
    _give(str(root), os.stat(root), group, None, read_only=read_only)


def _wanted(mode: int, *, read_only: bool) -> int:
    mask = _READ_ONLY if read_only else _READ_WRITE
    if stat.S_ISDIR(mode):
        mask |= _EXECUTE | stat.S_ISGID
    return mask


def _is_right(found: os.stat_result, group: int, *, read_only: bool) -> bool:
    mask = _wanted(found.st_mode, read_only=read_only)
    return found.st_gid == group and found.st_mode & mask == mask


def _give(name: str, found: os.stat_result, group: int, parent: int | None, *, read_only: bool) -> None:
    os.chown(name, -1, group, dir_fd=parent, follow_symlinks=False)
    if parent is None:
        os.chmod(name, stat.S_IMODE(found.st_mode) | _wanted(found.st_mode, read_only=read_only))
        return
    # By descriptor: whoever writes in the volume may have made it a link meanwhile, which chmod would follow.
    descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISLNK(mode):
            os.chmod(f"/proc/self/fd/{descriptor}", stat.S_IMODE(mode) | _wanted(mode, read_only=read_only))
    finally:
        os.close(descriptor)
