"""Files that change together, whoever is ended in the middle of it."""

import os
from pathlib import Path

import pytest

from kubelet.volumes.payload import File
from kubelet.volumes.plugins import object_files


def shown(directory: Path) -> dict[str, bytes]:
    """Return what a container sees."""
    return {path.name: path.read_bytes() for path in directory.iterdir() if not path.name.startswith("..")}


def files(**contents: bytes) -> dict[str, File]:
    return {name: File(data, 0o644) for name, data in contents.items()}


@pytest.mark.parametrize("step", ["mkdtemp", "symlink_to", "rename", "link_names"])
def test_a_writer_that_is_ended_leaves_nothing_that_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    object_files.write_files(tmp_path, files(a=b"old", b=b"old"))

    class Killed(BaseException):
        pass

    def killed(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        if step == "mkdtemp":
            patched.setattr(Path, "write_bytes", killed)
        elif step == "link_names":
            patched.setattr(object_files, "_link_names", killed)
        else:
            patched.setattr(Path, step, killed)
        with pytest.raises(Killed):
            object_files.write_files(tmp_path, files(a=b"new", c=b"new"))
    seen = {path.read_bytes() for path in (tmp_path / object_files.DATA_LINK).iterdir()}
    assert len(seen) == 1, "all of the old ones, or all of the new ones"

    object_files.write_files(tmp_path, files(a=b"new", c=b"new"))

    assert shown(tmp_path) == {"a": b"new", "c": b"new"}
    hidden = [name for name in os.listdir(tmp_path) if name.startswith("..")]
    assert len(hidden) == 2, "one directory and the link to it"


def test_a_mode_that_changes_is_a_change(tmp_path: Path) -> None:
    assert object_files.write_files(tmp_path, {"a": File(b"x", 0o644)})
    assert not object_files.write_files(tmp_path, {"a": File(b"x", 0o644)})
    assert object_files.write_files(tmp_path, {"a": File(b"x", 0o400)})
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o400
