"""What has to be at a path of the node."""

import os
import socket
from pathlib import Path

import pytest

from kubelet.volumes.payload import PayloadError
from kubelet.volumes.plugins import node_paths


def make(path: Path, kind: str) -> Path:
    match kind:
        case "directory":
            path.mkdir()
        case "file":
            path.write_text("x")
        case "pipe":
            os.mkfifo(path)
        case "link to a directory":
            path.with_name("d").mkdir()
            path.symlink_to(path.with_name("d"))
        case "character device":
            return Path("/dev/null")
        case "socket":
            # A short name: that of a socket is bounded.
            descriptor = os.open(path.parent, os.O_RDONLY)
            with socket.socket(socket.AF_UNIX) as made:
                made.bind(f"/proc/self/fd/{descriptor}/{path.name}")
            os.close(descriptor)
    return path


MISSING = "hostPath {0} doesn't exist"


@pytest.mark.parametrize(
    ("there", "kind", "problem"),
    [
        ("", "Directory", MISSING), ("", "File", MISSING), ("", "Socket", MISSING),
        ("", "CharDevice", MISSING), ("", "BlockDevice", MISSING),
        ("", "", ""), ("", "DirectoryOrCreate", ""), ("", "FileOrCreate", ""),
        ("directory", "", ""), ("file", "", ""), ("pipe", "", ""),
        ("directory", "Directory", ""), ("directory", "DirectoryOrCreate", ""),
        ("link to a directory", "Directory", ""), ("file", "File", ""), ("file", "FileOrCreate", ""),
        ("socket", "Socket", ""), ("character device", "CharDevice", ""),
        ("file", "Directory", "hostPath type check failed: {0} is not a directory, it's a File"),
        ("file", "DirectoryOrCreate", "hostPath type check failed: {0} is not a directory, it's a File"),
        ("directory", "File", "hostPath type check failed: {0} is not a file, it's a Directory"),
        ("directory", "FileOrCreate", "hostPath type check failed: {0} is not a file, it's a Directory"),
        ("file", "Socket", "hostPath type check failed: {0} is not a socket file, it's a File"),
        ("socket", "File", "hostPath type check failed: {0} is not a file, it's a Socket"),
        ("file", "CharDevice", "hostPath type check failed: {0} is not a character device, it's a File"),
        ("character device", "BlockDevice",
         "hostPath type check failed: {0} is not a block device, it's a CharDevice"),
        ("file", "Else", "Else is an invalid volume type"),
    ],
)  # fmt: skip
def test_types(tmp_path: Path, there: str, kind: str, problem: str) -> None:
    path = make(tmp_path / "host", there)
    if problem:
        with pytest.raises(PayloadError) as refused:
            node_paths.check(str(path), kind)
        assert str(refused.value) == problem.format(path)
        return

    node_paths.check(str(path), kind)

    made = {"": Path.is_dir, "DirectoryOrCreate": Path.is_dir, "FileOrCreate": Path.is_file}
    assert path.exists()
    if not there:
        assert made[kind](path)


def test_what_is_made_has_upstreams_modes(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        node_paths.check(str(tmp_path / "a/b"), "DirectoryOrCreate")
        node_paths.check(str(tmp_path / "f"), "FileOrCreate")
    finally:
        os.umask(before)
    assert (tmp_path / "a/b").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o644


def test_a_file_is_not_made_in_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        node_paths.check(str(tmp_path / "no/f"), "FileOrCreate")
