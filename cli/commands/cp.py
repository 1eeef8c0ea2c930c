"""`vaina cp`: files and folders to and from containers, by the container's own tar, as kubectl cp.

What comes from a container is not trusted. The rules are kubectl's (`pkg/cmd/cp`): names must begin with what
was asked for, nothing is written outside the destination, links are not made. Nor is anything written through
links that are there already.
"""

import asyncio
import os
import shutil
import tarfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final

import click

from cli import flags
from cli.app import cli
from cli.commands.logs import choose_container
from cli.failures import Exit, Failure
from cli.shell import Shell
from vaina.api.core.v1 import pod_pb2, pod_stream_pb2
from vaina.client.clientset import Clientset

_COPY: Final = 64 * 1024


class ArchiveError(Exception):
    """What came is no archive of what was asked for."""


def pack(source: Path, name: str, out: IO[bytes]) -> None:
    """Write a file or folder as a tar stream in which it is called `name`; links stay links. Raises OSError."""
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        archive.add(source, arcname=name)


def prefix_of(path: str) -> str:
    """Return how the names of an archive of a path begin: without a slash, and without what leads out of it."""
    cleaned = os.path.normpath(path).lstrip("/")
    parts = list(PurePosixPath(cleaned).parts)
    while parts and parts[0] in ("..", "."):
        parts.pop(0)
    return "/".join(parts)


def unpack(archive: IO[bytes], prefix: str, target: Path, warn: Callable[[str], None]) -> int:
    """Write the files of a tar stream, named `target` instead of `prefix`; return how many there were.

    `warn` is told what was left out. Raises ArchiveError when it is none or holds what was not asked for,
    OSError.
    """
    count = 0
    try:
        with tarfile.open(fileobj=archive, mode="r|") as opened:
            for member in opened:
                place = _place(member.name, prefix, target)
                if place is None:
                    warn(f'warning: file "{member.name}" is outside target destination, skipping')
                elif member.issym() or member.islnk():
                    warn(f'warning: skipping symlink: "{place}" -> "{member.linkname}"')
                elif member.isdir():
                    place.mkdir(parents=True, exist_ok=True)
                    count += 1
                elif member.isreg():
                    content = opened.extractfile(member)
                    assert content is not None, "a regular file has content"
                    _write(place, content)
                    count += 1
                else:
                    warn(f'warning: skipping special file: "{place}"')
    except tarfile.TarError as error:
        raise ArchiveError(f"tar contents corrupted: {error}") from error
    return count


def _place(name: str, prefix: str, target: Path) -> Path | None:
    """Return where a member goes; None: outside. Raises ArchiveError."""
    cleaned = "/".join(part for part in name.split("/") if part not in ("", "."))
    if prefix and cleaned != prefix and not cleaned.startswith(f"{prefix}/"):
        raise ArchiveError("tar contents corrupted")
    rest = cleaned[len(prefix) :].lstrip("/")
    place = Path(os.path.normpath(target / rest))
    if not place.is_relative_to(os.path.normpath(target)):
        return None
    # Folders that are there may be links to anywhere.
    above = Path(os.path.realpath(place.parent if rest else place))
    inside = Path(os.path.realpath(target))
    return place if above.is_relative_to(inside) or not rest else None


def _write(place: Path, content: IO[bytes]) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0)
    with os.fdopen(os.open(place, flags, 0o666), "wb") as file:
        shutil.copyfileobj(content, file, _COPY)


_PIECE: Final = 8_000
#: bytes of what the container's tar complains of
_STDERR: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class Place:
    """One end of a copy. Without a Pod it is here."""

    path: str
    pod: str = ""
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class CopyOptions:
    """What `cp` was asked for."""

    source: str
    target: str
    container: str = ""
    no_preserve: bool = False


def parse_place(text: str) -> Place:
    """Read PATH, POD:PATH or NAMESPACE/POD:PATH; a colon behind the first slash of a path does not count.

    Raises Failure: a Pod is named and no path.
    """
    pod, colon, path = text.partition(":")
    if not colon or pod.startswith((".", "/")) or not pod:
        return Place(text)
    namespace, slash, name = pod.partition("/")
    if "/" in name:
        return Place(text)
    if not path:
        raise Failure("filepath can not be empty")
    return Place(path, name if slash else namespace, namespace if slash else "")


@flags.verb(cli, "cp", CopyOptions)
@click.argument("source", metavar="<file-spec-src>")
@click.argument("target", metavar="<file-spec-dest>")
@flags.namespace
@flags.container
@flags.flag("--no-preserve", "Do not keep owner and permissions in the container.")
async def cp(shell: Shell, clients: Clientset, options: CopyOptions) -> None:
    """Copy files and folders to and from containers; one side is POD:PATH, and the container needs tar.

    \b
      vaina cp ./site web:/www           a file or folder into a container
      vaina cp web:/var/log ./log        and out of one
    """  # noqa: D301  # click reads the backspace as "leave the lines as they are"
    source, target = parse_place(options.source), parse_place(options.target)
    if not options.source or not options.target:
        raise Failure("filepath can not be empty")
    if source.pod and target.pod:
        raise Failure("one of src or dest must be a local file specification")
    if not source.pod and not target.pod:
        raise Failure("one of src or dest must be a remote file specification")
    remote = source if source.pod else target
    namespace = remote.namespace or shell.namespace
    pod = await clients.pods.get(remote.pod, namespace)
    session = _Container(shell, clients, pod, choose_container(shell, pod, options.container))
    with shell.busy(f"copying {options.source} to {options.target}"):
        if source.pod:
            await _download(session, source.path, Path(target.path))
        else:
            await _upload(session, Path(source.path), target.path, keep=not options.no_preserve)


@dataclass(frozen=True, slots=True)
class _Container:
    shell: Shell
    clients: Clientset
    pod: pod_pb2.Pod
    name: str

    async def run(
        self,
        command: Sequence[str],
        *,
        stdin: AsyncIterator[bytes] | None = None,
        take: Callable[[bytes], Any] | None = None,
    ) -> tuple[int, str]:
        """Run a command, `take` each piece of its output; return its exit code and what it complained of."""
        start = pod_stream_pb2.PodExecStart(
            namespace=self.pod.metadata.namespace, name=self.pod.metadata.name, uid=self.pod.metadata.uid,
            options=pod_pb2.PodExecOptions(
                stdin=stdin is not None, stdout=True, stderr=True, container=self.name, command=command
            ),
        )  # fmt: skip
        finished = asyncio.Event()

        async def inputs() -> AsyncIterator[pod_stream_pb2.PodExecRequest]:
            if stdin is not None:
                async for data in stdin:
                    yield pod_stream_pb2.PodExecRequest(stdin=data)
                yield pod_stream_pb2.PodExecRequest(close_stdin=True)
            await finished.wait()

        said = b""
        try:
            async with aclosing(self.clients.pods.exec(start, inputs())) as answers:
                async for answer in answers:
                    match answer.WhichOneof("output"):
                        case "stdout" if take is not None:
                            await take(answer.stdout)
                        case "stderr":
                            said = (said + answer.stderr)[-_STDERR:]
                        case "exit_code":
                            return answer.exit_code, said.decode(errors="replace")
                        case _:
                            pass
        finally:
            finished.set()
        raise Failure("the connection ended before the command did")


async def _upload(session: _Container, source: Path, target: str, *, keep: bool) -> None:
    name = _local_name(source)
    wanted = PurePosixPath(target)
    code, _ = await session.run(["test", "-d", target])
    if code == 0:
        wanted = wanted / name
    elif target.endswith("/"):
        raise Failure(f"{target} is not a directory")
    reading, writing = os.pipe()
    reader = asyncio.StreamReader(limit=_PIECE)
    loop = asyncio.get_running_loop()
    pipe, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(reading, "rb")
    )

    def packing() -> None:
        with os.fdopen(writing, "wb") as out:
            pack(source, wanted.name or name, out)

    async def archive() -> AsyncIterator[bytes]:
        while data := await reader.read(_PIECE):
            yield data

    owner = [] if keep else ["--no-same-permissions", "--no-same-owner"]
    command = ["tar", *owner, "-xmf", "-", "-C", str(wanted.parent)]
    packed = loop.run_in_executor(None, packing)
    try:
        code, said = await session.run(command, stdin=archive())
    finally:
        # A tar that ended early leaves the rest: whoever packs it is told by the broken pipe.
        pipe.close()
        with suppress(BrokenPipeError):
            await packed
    _end(session, code, said)


async def _download(session: _Container, source: str, target: Path) -> None:
    target = _local_target(target, PurePosixPath(source).name)
    reading, writing = os.pipe()
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_write_pipe(
        asyncio.streams.FlowControlMixin, os.fdopen(writing, "wb", buffering=0)
    )
    writer = asyncio.StreamWriter(transport, protocol, None, loop)
    warnings: list[str] = []

    def unpacking() -> int:
        with os.fdopen(reading, "rb") as archive:
            count = unpack(archive, prefix_of(source), target, warnings.append)
            # The padding behind the end of the archive.
            while archive.read(_PIECE):
                pass
            return count

    async def take(data: bytes) -> None:
        with suppress(OSError):  # told by whoever reads the other end
            writer.write(data)
            await writer.drain()

    unpacked = loop.run_in_executor(None, unpacking)
    try:
        code, said = await session.run(["tar", "cf", "-", source], take=take)
    finally:
        writer.close()
        results = await asyncio.gather(unpacked, return_exceptions=True)
    for warning in warnings:
        session.shell.err(warning)
    _end(session, code, said)
    (result,) = results
    if isinstance(result, ArchiveError | OSError):
        raise Failure(str(result))
    if isinstance(result, BaseException):
        raise result


def _local_name(source: Path) -> str:
    if not os.path.lexists(source):
        raise Failure(f"{source} doesn't exist in local filesystem")
    return source.name or source.resolve().name


def _local_target(target: Path, name: str) -> Path:
    """What goes into a folder that is there keeps its name."""
    return target / name if name and target.is_dir() else target


def _end(session: _Container, code: int, said: str) -> None:
    if said.strip():
        session.shell.err(said.rstrip())
    if code:
        raise Exit(code, f"command terminated with exit code {code}")
