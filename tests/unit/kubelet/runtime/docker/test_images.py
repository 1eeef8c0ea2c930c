"""Images over Docker's Engine API, and their files in a directory."""

import asyncio
import io
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from docker.errors import NotFound

from kubelet.runtime.docker.engine import API_VERSION, Engine
from kubelet.runtime.docker.images import DockerImages, extract
from kubelet.runtime.interface import RuntimeFailure


class Names(Engine):
    """An engine with one image, which has these names and may be used; takes names away as Docker does."""

    def __init__(self, *names: str, used: bool) -> None:
        super().__init__("/nowhere")
        self.names, self.used = [*names], used

    async def call(self, operation: Callable[[Any], Any], **_: Any) -> Any:
        return operation(self)

    def inspect_image(self, image_id: str) -> dict[str, Any]:
        return {"Id": "sha256:1", "RepoTags": [*self.names], "RepoDigests": [], "Size": 1, "Config": {}}

    def containers(self, **_: Any) -> list[dict[str, Any]]:
        return [{"Id": "c"}] if self.used else []

    def remove_image(self, name: str) -> None:
        self.names.remove(name)


class Exporting(Engine):
    """An engine that exports a large file, without end until a test has let it."""

    api_version = API_VERSION

    def __init__(self) -> None:
        super().__init__("/nowhere")
        self.exports, self.may_go_on = threading.Event(), threading.Event()
        self.containers: list[str] = []

    def _new_client(self, version: str = "") -> Any:
        return self

    def create_container(self, image_id: str, *, name: str, command: list[str]) -> dict[str, str]:
        self.containers.append(name)
        return {"Id": name}

    def remove_container(self, name: str, **_: bool) -> None:
        if name not in self.containers:
            raise NotFound("no such container")
        self.containers.remove(name)

    def export(self, name: str) -> Iterator[bytes]:
        yield from export(("weights", tarfile.REGTYPE, b"w" * 200_000))[:100]
        self.exports.set()
        self.may_go_on.wait(60.0)
        while True:
            yield b"w" * 700


async def test_who_gives_up_an_image_that_is_unpacked_goes_when_nothing_of_it_is_left(tmp_path: Path) -> None:
    engine = Exporting()
    async with asyncio.TaskGroup() as group:
        unpacking = group.create_task(DockerImages(engine).unpack_image("sha256:1", tmp_path / "model"))
        await asyncio.to_thread(engine.exports.wait, 60.0)
        assert files_below(tmp_path) != []
        unpacking.cancel()
        # It is heard, and the thread waited for.
        await asyncio.wait([unpacking], timeout=0.05)
        assert not unpacking.done()
        engine.may_go_on.set()
    assert unpacking.cancelled()
    assert files_below(tmp_path) == []
    assert engine.containers == []


async def test_an_image_that_is_used_keeps_all_its_names() -> None:
    engine = Names("busybox:1.37", "busybox:latest", used=True)
    with pytest.raises(RuntimeFailure, match="sha256:1 is being used by a container"):
        await DockerImages(engine).remove_image("sha256:1")
    assert engine.names == ["busybox:1.37", "busybox:latest"]


async def test_one_that_nobody_uses_goes_with_all_its_names() -> None:
    engine = Names("busybox:1.37", "busybox:latest", used=False)
    await DockerImages(engine).remove_image("sha256:1")
    assert engine.names == []


def export(*members: tuple[str, bytes, bytes | str]) -> list[bytes]:
    """Make a tar of (name, type, content or target), in small pieces."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, kind, what in members:
            member = tarfile.TarInfo(name)
            member.type, member.mode = kind, 0o6755
            data = what if isinstance(what, bytes) else b""
            member.size, member.linkname = len(data), what if isinstance(what, str) else ""
            archive.addfile(member, io.BytesIO(data))
    data = out.getvalue()
    return [data[at : at + 700] for at in range(0, len(data), 700)]


def files_below(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


def test_the_images_own_files_are_there_and_the_engines_are_not(tmp_path: Path) -> None:
    pieces = export(
        (".dockerenv", tarfile.REGTYPE, b""), ("dev", tarfile.DIRTYPE, b""), ("dev/console", tarfile.REGTYPE, b""),
        ("dev/sda", tarfile.BLKTYPE, b""), ("etc", tarfile.DIRTYPE, b""), ("etc/hosts", tarfile.REGTYPE, b""),
        ("etc/mtab", tarfile.SYMTYPE, "/proc/mounts"), ("proc", tarfile.DIRTYPE, b""),
        ("weights", tarfile.DIRTYPE, b""), ("weights/w", tarfile.REGTYPE, b"w" * 3000),
        ("weights/same", tarfile.LNKTYPE, "weights/w"), ("out", tarfile.SYMTYPE, "/etc/passwd"),
    )  # fmt: skip
    extract(pieces, tmp_path)

    assert files_below(tmp_path) == ["out", "weights", "weights/same", "weights/w"]
    assert (tmp_path / "weights" / "same").read_bytes() == b"w" * 3000
    assert (tmp_path / "weights" / "w").stat().st_mode & 0o7777 == 0o755
    assert (tmp_path / "out").readlink() == Path("/etc/passwd")


def test_what_an_image_has_at_the_engines_places_stays(tmp_path: Path) -> None:
    extract(export(("etc", tarfile.DIRTYPE, b""), ("etc/hosts", tarfile.REGTYPE, b"127.0.0.1 me")), tmp_path)
    assert (tmp_path / "etc" / "hosts").read_text() == "127.0.0.1 me"


@pytest.mark.parametrize("name", ["../escaped", "weights/../../escaped"])
def test_nothing_is_written_outside_of_the_volume(name: str, tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    with pytest.raises(OSError, match="files of the image cannot be extracted"):
        extract(export((name, tarfile.REGTYPE, b"x")), inside)
    assert files_below(tmp_path) == ["inside"]


def test_an_export_that_is_cut_off_is_told(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="files of the image cannot be extracted"):
        extract(export(("w", tarfile.REGTYPE, b"w" * 3000))[:2], tmp_path)
