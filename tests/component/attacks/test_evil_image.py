"""Threat: an evil image or registry. What the kubelet does itself: engines check digests and certificates.

An image may be a volume of a Pod: its files are unpacked on the node by the kubelet, as root. A registry that is
not the one that credentials are for would like to have them.
"""

import io
import json
import os
import stat
import tarfile
from contextlib import suppress
from pathlib import Path

import pytest

from kubelet.images.keyring import find_credentials, is_valid
from kubelet.runtime.docker.images import extract
from vaina.api.core.v1 import config_pb2

pytestmark = pytest.mark.component

Member = tuple[str, bytes, str, int]
FILE, LINK, HARD = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE


def archive(*members: Member) -> list[bytes]:
    """Make a tar of (name, type, content or target, mode)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as made:
        for name, kind, what, mode in members:
            member = tarfile.TarInfo(name)
            member.type, member.mode, member.uid = kind, mode, 0
            data = what.encode() if kind == FILE else b""
            member.size, member.linkname = len(data), "" if kind == FILE else what
            made.addfile(member, io.BytesIO(data))
    return [out.getvalue()]


#: what an image has; OUTSIDE is a folder of the node
EVIL: dict[str, list[Member]] = {
    "a path that goes up": [("../evil", FILE, "x", 0o644)],
    "a path that goes up inside": [("a/../../evil", FILE, "x", 0o644)],
    "a path of the node": [("OUTSIDE/evil", FILE, "x", 0o644)],
    "through a link of its own": [("out", LINK, "OUTSIDE", 0o777), ("out/evil", FILE, "x", 0o644)],
    "through a link that goes up": [("out", LINK, "../outside", 0o777), ("out/evil", FILE, "x", 0o644)],
    "through two links": [
        ("a", LINK, ".", 0o777), ("a/out", LINK, "../outside", 0o777), ("out/evil", FILE, "x", 0o644),
    ],
    "over a link to a file of the node": [("f", LINK, "OUTSIDE/secret", 0o777), ("f", FILE, "x", 0o644)],
    "a second name of a file of the node": [("f", HARD, "OUTSIDE/secret", 0o644)],
    "a second name that goes up": [("f", HARD, "../outside/secret", 0o644)],
    "a second name through a link": [("out", LINK, "OUTSIDE", 0o777), ("f", HARD, "out/secret", 0o644)],
}  # fmt: skip


@pytest.mark.parametrize("name", EVIL)
def test_an_image_writes_nothing_outside_of_its_volume(name: str, tmp_path: Path) -> None:
    outside, volume = tmp_path / "outside", tmp_path / "volume"
    outside.mkdir()
    volume.mkdir()
    (outside / "secret").write_text("the node's")
    members = [
        (path.replace("OUTSIDE", str(outside)), kind, what.replace("OUTSIDE", str(outside)), mode)
        for path, kind, what, mode in EVIL[name]
    ]
    with suppress(OSError):
        extract(archive(*members), volume)
    assert os.listdir(outside) == ["secret"]
    assert (outside / "secret").read_text() == "the node's"
    assert (outside / "secret").stat().st_nlink == 1
    assert sorted(os.listdir(tmp_path)) == ["outside", "volume"]
    # Nor is a file of the node's inside. (A symbolic link is a name; a container sees its own files by it.)
    for path in volume.rglob("*"):
        if not path.is_symlink() and path.is_file():
            assert path.read_text() != "the node's"


@pytest.mark.parametrize(
    "kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE], ids=["char", "block", "fifo"]
)
def test_an_image_brings_no_devices(kind: bytes, tmp_path: Path) -> None:
    with suppress(OSError):
        extract(archive(("sda", kind, "", 0o666)), tmp_path)
    for path in tmp_path.rglob("*"):
        mode = path.lstat().st_mode
        assert stat.S_ISREG(mode) or stat.S_ISDIR(mode)


@pytest.mark.parametrize("mode", [0o4755, 0o2755, 0o6777])
def test_a_program_of_an_image_gives_nobodys_rights(mode: int, tmp_path: Path) -> None:
    extract(archive(("su", FILE, "x", mode)), tmp_path)
    assert (tmp_path / "su").stat().st_mode & (stat.S_ISUID | stat.S_ISGID) == 0


OURS = "registry.example"
LOOKALIKES = (
    "registry.example.evil.org/app", "evil.org/registry.example/app", "registry-example/app", "registry.example:5001/app",
    "xregistry.example/app", "registry.exampl/app", "registry.example@evil.org/app", "registry.example%2eevil.org/app",
    "sub.registry.example/app", "registry.example./app", "registryXexample/app", "app", "library/registry.example",
)  # fmt: skip


@pytest.mark.parametrize("image", LOOKALIKES)
def test_another_registry_gets_no_credentials(image: str) -> None:
    auths = {"auths": {OURS: {"username": "me", "password": "word"}}}
    secret = config_pb2.Secret(
        type="kubernetes.io/dockerconfigjson", data={".dockerconfigjson": json.dumps(auths).encode()}
    )
    assert find_credentials(f"{OURS}/app", [secret])
    assert find_credentials(image, [secret]) == ()


@pytest.mark.parametrize(
    "image",
    [
        "--privileged", "-v /:/host busybox", "busybox; rm -rf /", "$(id)", "busybox\nevil", "../../etc/passwd", "http://evil.org/app",
        "file:///etc/passwd", "busybox@sha256:short", "busybox@sha256:" + "z" * 64, "BUSYBOX", "", " busybox", "busybox:" + "x" * 200,
    ],
)  # fmt: skip
def test_what_is_no_image_reaches_no_engine(image: str) -> None:
    assert not is_valid(image)
