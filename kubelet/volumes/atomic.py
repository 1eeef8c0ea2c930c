"""Writes a volume's files so that a container sees all of the old ones or all of the new ones. Blocking.

As upstream's AtomicWriter (`pkg/volume/util/atomic_writer.go`): the files lie in a directory `..<time>`, the
link `..data` is moved to it by renaming, and each top-level name is a link through `..data`.
"""

import os
import shutil
import tempfile
from pathlib import Path

from kubelet.volumes.payload import Files

DATA_LINK = "..data"
_NEW_LINK = "..data_tmp"


def write(directory: Path, files: Files, *, group: int | None = None) -> bool:
    """Make the directory show exactly these files; return whether anything changed.

    `files` maps relative paths without ".." to content and mode. `group` owns the files (fsGroup) and may
    then read them; None: root.
    """
    directory.mkdir(parents=True, exist_ok=True)
    link = directory / DATA_LINK
    names = {path.split("/")[0] for path in files}
    if link.is_symlink() and _current(directory / link.readlink()) == {
        path: (file.data, _mode(file.mode, group)) for path, file in files.items()
    }:
        # Their writer may have been killed before it had linked the new names and removed the old.
        _link_names(directory, names)
        _clear_unfinished(directory, link)
        return False
    _clear_unfinished(directory, link)
    new = Path(tempfile.mkdtemp(prefix="..", dir=directory))
    new.chmod(0o755)
    for path, file in files.items():
        target = new / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.data)
        if group is not None:
            os.chown(target, -1, group)
        target.chmod(_mode(file.mode, group))
    old = directory / link.readlink() if link.is_symlink() else None
    temporary = directory / _NEW_LINK
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(new.name)
    temporary.rename(link)
    _link_names(directory, names)
    if old is not None and old.is_dir():
        shutil.rmtree(old)
    return True


def _mode(mode: int, group: int | None) -> int:
    return mode if group is None else mode | 0o440


def _current(data: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(data)): (path.read_bytes(), path.stat().st_mode & 0o777)
        for path in data.rglob("*")
        if path.is_file()
    }


def _clear_unfinished(directory: Path, link: Path) -> None:
    """Remove what a writer left that was ended in the middle."""
    current = link.readlink().name if link.is_symlink() else ""
    for entry in directory.iterdir():
        if entry.name.startswith("..") and entry.name not in {DATA_LINK, _NEW_LINK, current}:
            shutil.rmtree(entry, ignore_errors=True)


def _link_names(directory: Path, names: set[str]) -> None:
    for name in names:
        link = directory / name
        if not link.is_symlink():
            link.symlink_to(f"{DATA_LINK}/{name}")
    for entry in directory.iterdir():
        if not entry.name.startswith("..") and entry.name not in names:
            entry.unlink()
