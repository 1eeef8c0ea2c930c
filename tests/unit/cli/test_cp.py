"""`vaina cp`: archives that are safe to unpack, and the words around them."""

import asyncio
import io
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cli.commands.cp import ArchiveError, CopyOptions, Place, cp, pack, parse_place, prefix_of, unpack
from cli.failures import Exit, Failure
from tests.support.command import CommandLine, text_of
from vaina.api.core.v1 import pod_stream_pb2
from vaina.client.clientset import Clientset
from vaina.client.transport import InProcessTransport
from vaina.serving.handlers import Method, MethodKind, RequestContext
from vaina.testing.builders import make_pod


def archive(*members: tuple[tarfile.TarInfo, bytes]) -> io.BytesIO:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as made:
        for info, data in members:
            info.size = len(data)
            made.addfile(info, io.BytesIO(data))
    return io.BytesIO(out.getvalue())


def file(name: str, data: bytes = b"x") -> tuple[tarfile.TarInfo, bytes]:
    return tarfile.TarInfo(name), data


def special(name: str, kind: bytes, link: str = "") -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info, b""


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_packed_comes_out_again(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "one").write_bytes(b"1")
    (source / "deep" / "two").write_bytes(bytes(100_000))
    out = io.BytesIO()
    pack(source, "renamed", out)
    assert unpack(io.BytesIO(out.getvalue()), "renamed", tmp_path / "target", lambda _: None) == 4
    assert everything(tmp_path / "target") == everything(source)


@pytest.mark.parametrize(
    ("path", "prefix"),
    [("/var/log", "var/log"), ("log", "log"), ("./log/", "log"), ("../../log", "log"), ("/", ""), (".", ""), ("/a/../b", "b")],
)  # fmt: skip
def test_the_prefix_of_a_path(path: str, prefix: str) -> None:
    assert prefix_of(path) == prefix


@pytest.mark.parametrize(
    "evil",
    [
        file("data/../../escaped"), file("data/a/../../../escaped"), special("data/link", tarfile.SYMTYPE, "/etc"),
        special("data/hard", tarfile.LNKTYPE, "/etc/passwd"), special("data/device", tarfile.CHRTYPE), special("data/pipe", tarfile.FIFOTYPE),
    ],
    ids=lambda evil: evil[0].name,
)  # fmt: skip
def test_what_would_lead_elsewhere_is_left_out_and_told(
    tmp_path: Path, evil: tuple[tarfile.TarInfo, bytes]
) -> None:
    told: list[str] = []
    unpack(archive(file("data/good"), evil, file("data/last")), "data", tmp_path / "target", told.append)
    assert everything(tmp_path) == {"target/good": b"x", "target/last": b"x"}
    (warning,) = told
    assert warning.startswith("warning: ")
    assert "skipping" in warning


def test_a_link_that_was_skipped_cannot_be_written_through(tmp_path: Path) -> None:
    members = (special("data/link", tarfile.SYMTYPE, str(tmp_path / "outside")), file("data/link/file"))
    (tmp_path / "outside").mkdir()
    unpack(archive(*members), "data", tmp_path / "target", lambda _: None)
    assert everything(tmp_path) == {"target/link/file": b"x"}


def test_links_that_are_there_are_not_written_through(tmp_path: Path) -> None:
    target, outside = tmp_path / "target", tmp_path / "outside"
    target.mkdir()
    outside.mkdir()
    (target / "link").symlink_to(outside)
    told: list[str] = []
    unpack(archive(file("data/link/file"), file("data/good")), "data", target, told.append)
    assert everything(tmp_path) == {"target/good": b"x"}
    assert told == ['warning: file "data/link/file" is outside target destination, skipping']
    (target / "name").symlink_to(outside / "file")
    with pytest.raises(OSError, match="symbolic link"):
        unpack(archive(file("data/name")), "data", target, told.append)


@pytest.mark.parametrize("name", ["other/file", "database", "/etc/passwd", "../data/file"])
def test_what_was_not_asked_for_ends_the_copy(tmp_path: Path, name: str) -> None:
    with pytest.raises(ArchiveError, match=r"^tar contents corrupted$"):
        unpack(archive(file(name)), "data", tmp_path / "target", lambda _: None)
    assert everything(tmp_path) == {}


def test_what_is_no_archive_is_told(tmp_path: Path) -> None:
    whole = archive(file("data/one", bytes(10_000))).getvalue()
    for data in (b"garbage" * 200, whole[:5000]):
        with pytest.raises(ArchiveError, match="tar contents corrupted"):
            unpack(io.BytesIO(data), "data", tmp_path / "target", lambda _: None)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("web:/tmp/x", Place("/tmp/x", "web")), ("team/web:x", Place("x", "web", "team")), ("./a:b", Place("./a:b")), ("/a:b", Place("/a:b")),
        ("a/b/c:d", Place("a/b/c:d")), ("here", Place("here")), ("web:a:b", Place("a:b", "web")),
    ],
)  # fmt: skip
def test_places(text: str, place: Place) -> None:
    assert parse_place(text) == place


class World:
    """A Pod whose container has a folder of the test's, and the tar of this machine."""

    def __init__(self, root: Path) -> None:
        self.root = root
        plain = CommandLine()
        handlers = {
            **plain.handlers,
            "/vaina.api.core.v1.PodService/Exec": Method(MethodKind.BIDI, self._exec),
        }
        self.vaina = CommandLine(handlers, plain.clock)
        self.clients = Clientset(InProcessTransport(handlers, clock=plain.clock))

    async def _exec(self, requests: AsyncIterator[bytes], _: RequestContext) -> AsyncIterator[bytes]:
        parse, pipe = pod_stream_pb2.PodExecRequest.FromString, asyncio.subprocess.PIPE
        first = parse(await anext(requests))
        process = await asyncio.create_subprocess_exec(
            *first.start.options.command, stdin=pipe, stdout=pipe, stderr=pipe, cwd=self.root
        )
        typed = b""
        if first.start.options.stdin:
            while not (request := parse(await anext(requests))).close_stdin:
                typed += request.stdin
        out, err = await process.communicate(typed)
        for start in range(0, len(out), 8_000):
            yield pod_stream_pb2.PodExecResponse(stdout=out[start : start + 8_000]).SerializeToString()
        if err:
            yield pod_stream_pb2.PodExecResponse(stderr=err).SerializeToString()
        yield pod_stream_pb2.PodExecResponse(exit_code=process.returncode or 0).SerializeToString()

    async def cp(self, source: str, target: str) -> str:
        shell = self.vaina.shell()
        await cp(shell, self.clients, CopyOptions(source, target))
        return text_of(shell.stderr)


@pytest.fixture
async def world(tmp_path: Path) -> World:
    (tmp_path / "inside").mkdir()
    made = World(tmp_path / "inside")
    await made.clients.pods.create(make_pod("web"))
    return made


async def test_a_folder_goes_in_and_comes_out_under_another_name(world: World, tmp_path: Path) -> None:
    source = tmp_path / "site"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "page").write_bytes(bytes(300_000))
    assert await world.cp(str(source), "web:renamed") == ""
    assert everything(world.root) == {"renamed/deep/page": bytes(300_000)}
    await world.cp(str(source), "web:.")
    assert sorted(everything(world.root)) == ["renamed/deep/page", "site/deep/page"]
    await world.cp("web:renamed", str(tmp_path / "back"))
    assert everything(tmp_path / "back") == everything(source)
    await world.cp("web:renamed/deep/page", str(tmp_path / "back"))
    assert (tmp_path / "back" / "page").read_bytes() == bytes(300_000)


async def test_what_tar_complains_of_is_told_and_its_code_is_ours(world: World, tmp_path: Path) -> None:
    with pytest.raises(Exit) as ended:
        await world.cp("web:none", str(tmp_path / "x"))
    assert ended.value.code == 2
    (tmp_path / "a").write_bytes(bytes(1_000_000))
    with pytest.raises(Exit):
        await world.cp(str(tmp_path / "a"), "web:none/x")


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        ("a", "b", "one of src or dest must be a remote file specification"),
        ("web:a", "web:b", "one of src or dest must be a local file specification"),
        ("web:", "b", "filepath can not be empty"),
        ("/nowhere/at/all", "web:x", "/nowhere/at/all doesn't exist in local filesystem"),
    ],
)  # fmt: skip
async def test_what_makes_no_sense_is_refused(world: World, source: str, target: str, words: str) -> None:
    with pytest.raises(Failure) as refused:
        await world.cp(source, target)
    assert str(refused.value) == words
