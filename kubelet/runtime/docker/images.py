"""Images over Docker's Engine API. Called by the kubelet's image manager through the ImageService interface."""

import os
import shutil
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from hashlib import sha256
from io import BufferedReader, RawIOBase
from pathlib import Path
from threading import Event
from typing import Any, Final

from docker import APIClient
from docker.errors import APIError, DockerException, NotFound
from docker.utils import parse_repository_tag
from requests.exceptions import RequestException

from kubelet.runtime.docker.convert import image_state
from kubelet.runtime.docker.engine import NOT_FOUND, ClosableIterator, Engine
from kubelet.runtime.interface import ImagePullError, RuntimeFailure
from kubelet.runtime.records import ImageState, RegistryAuth
from vaina.quoting import go_quote

#: empty files that the engine adds to each container (moby, `daemon/initlayer/setup_unix.go`)
_ENGINES: Final = {
    ".dockerenv", "dev/console", "etc/hostname", "etc/hosts", "etc/mtab", "etc/resolv.conf",
}  # fmt: skip
_ENGINES_DIRECTORIES: Final = ("dev/pts", "dev/shm", "dev", "etc", "proc", "sys")


def unpack(client: APIClient, image_id: str, directory: Path, given_up: Event) -> None:
    """Have an image's files in a directory, all or none; it may be there. Raises OSError, DockerException.

    Engines before API 1.48 mount no images. A container of the image is made and never started: the engine
    exports its merged layers. Blocking; when it is given up it raises OSError between two pieces.
    """
    if directory.exists():
        return
    # One that a killed kubelet left behind has the same name.
    name = f"vaina-unpack-{sha256(str(directory).encode()).hexdigest()[:16]}"
    with suppress(NotFound):
        client.remove_container(name, v=True, force=True)
    made = client.create_container(image_id, command=["none"], name=name)["Id"]
    begun = directory.with_name(f"..{directory.name}")
    shutil.rmtree(begun, ignore_errors=True)
    begun.mkdir(parents=True)
    try:
        extract(_until(given_up, client.export(made)), begun)
        begun.rename(directory)
    finally:
        shutil.rmtree(begun, ignore_errors=True)
        client.remove_container(made, v=True, force=True)


def _until(given_up: Event, pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        if given_up.is_set():
            raise OSError("the image is not unpacked any more: its Pod ends")
        yield piece


def extract(pieces: Iterable[bytes], directory: Path) -> None:
    """Extract the export of a container, without devices and what is the engine's own. Raises OSError."""
    try:
        with tarfile.open(fileobj=BufferedReader(_Reader(pieces)), mode="r|") as archive:
            # Owners are kept as numbers.
            archive.extractall(directory, _images_own(archive), numeric_owner=True, filter=_inside)  # noqa: S202 - filtered
    except tarfile.TarError as error:
        raise OSError(f"files of the image cannot be extracted: {error}") from error
    for name in _ENGINES_DIRECTORIES:
        # Of those that the image has itself only empty ones go.
        with suppress(OSError):
            os.rmdir(directory / name)


def _images_own(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    for member in archive:
        name = os.path.normpath(member.name).lstrip("/")
        if not member.isdev() and not (name in _ENGINES and member.size == 0):
            yield member


def _inside(member: tarfile.TarInfo, directory: str) -> tarfile.TarInfo:
    """Keep everything inside the directory, and drop set-uid bits. Raises TarError.

    Python's filter `tar` looks where names lead, and not of which file a hard link is one more name.
    """
    if member.islnk():
        target = os.path.realpath(os.path.join(directory, member.linkname))
        if os.path.commonpath((target, os.path.realpath(directory))) != os.path.realpath(directory):
            raise tarfile.LinkOutsideDestinationError(member, target)
    return tarfile.tar_filter(member, directory)


class _Reader(RawIOBase):
    """Pieces, to be read as a file."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces, self._rest = iter(pieces), memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._rest = self._rest or memoryview(next(self._pieces, b""))
        taken, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(taken)] = taken
        return len(taken)


class DockerImages:
    """The engine's images. Stateless; safe to be used by any task."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def image_status(self, reference: str) -> ImageState | None:
        def inspect(client: APIClient) -> ImageState | None:
            try:
                return image_state(client.inspect_image(reference))  # type: ignore[no-untyped-call]
            except APIError as error:
                if error.status_code == NOT_FOUND:
                    return None
                raise

        return await self._engine.ask(inspect)

    async def pull_image(self, reference: str, *, auth: RegistryAuth | None = None) -> ImageState:
        repository, tag = parse_repository_tag(reference)
        login = None if auth is None else _login(auth)

        def open_pull(client: APIClient) -> ClosableIterator:
            pull: ClosableIterator = client.pull(
                repository, tag or "latest", stream=True, decode=True, auth_config=login
            )
            return _Pull(pull)

        try:
            async for line in self._engine.stream(open_pull):
                if "error" in line:
                    raise ImagePullError(str(line["error"]))
        except APIError as error:
            text = error.explanation or str(error)
            reason = "InvalidImageName" if "invalid reference format" in text else "ErrImagePull"
            raise ImagePullError(text, reason=reason) from error
        except (DockerException, RequestException) as error:
            raise ImagePullError(f"the Docker engine does not answer: {error}") from error
        image = await self.image_status(reference)
        if image is None:
            raise ImagePullError(
                f"image {go_quote(reference)} was not found: it was removed right after the pull"
            )
        return image

    async def unpack_image(self, image_id: str, directory: Path) -> bool:
        given_up = Event()
        await self._engine.ask(
            lambda client: unpack(client, image_id, directory, given_up), give_up=given_up.set
        )
        return True

    async def list_images(self) -> Sequence[ImageState]:
        listed = await self._engine.ask(lambda client: client.images())
        return [image_state(item) for item in listed]

    async def remove_image(self, image_id: str) -> None:
        def remove(client: APIClient) -> None:
            try:
                found = image_state(client.inspect_image(image_id))  # type: ignore[no-untyped-call]
            except APIError as error:
                if error.status_code == NOT_FOUND:
                    return
                raise
            # By its id an image with several names is not removed; the last name takes it along. The engine
            # refuses only the last name of a used image, so the use is checked before the others go.
            if len(found.tags) > 1 and client.containers(all=True, filters={"ancestor": found.id}):
                raise RuntimeFailure(f"image {found.id} is being used by a container")
            for name in found.tags or (found.id,):
                client.remove_image(name)

        await self._engine.ask(remove)

    async def image_filesystem(self) -> str:
        info = await self._engine.ask(lambda client: client.info())
        return str(info["DockerRootDir"])


class _Pull:
    """A pull's lines. Closing the SDK's bare generator from another thread is an error, so it is left to end."""

    def __init__(self, lines: Any) -> None:
        self._lines = lines

    def __iter__(self) -> Any:
        return iter(self._lines)

    def close(self) -> None:
        """Do nothing: the reader drops its connection at the next line, which ends the pull."""


def _login(auth: RegistryAuth) -> dict[str, str]:
    if auth.identity_token:
        return {"identitytoken": auth.identity_token}
    return {"username": auth.username, "password": auth.password}
