"""Puts an image's files into a directory: engines before API 1.48 mount no images, later ones only to try.
Blocking.

A container of the image is made and never started: of it the engine exports the merged layers.
"""

import os
import shutil
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from hashlib import sha256
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import Any, Final

from docker import APIClient
from docker.errors import NotFound

#: empty files that the engine adds to each container (moby, `daemon/initlayer/setup_unix.go`)
_ENGINES: Final = {
    ".dockerenv", "dev/console", "etc/hostname", "etc/hosts", "etc/mtab", "etc/resolv.conf",
}  # fmt: skip
_ENGINES_DIRECTORIES: Final = ("dev/pts", "dev/shm", "dev", "etc", "proc", "sys")


def unpack(client: APIClient, image_id: str, directory: Path) -> None:
    """Have an image's files in a directory, all or none; it may be there. Raises OSError, DockerException."""
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
        extract(client.export(made), begun)
        begun.rename(directory)
    finally:
        shutil.rmtree(begun, ignore_errors=True)
        client.remove_container(made, v=True, force=True)


def extract(pieces: Iterable[bytes], directory: Path) -> None:
    """Extract the export of a container, without devices and what is the engine's own. Raises OSError."""
    try:
        with tarfile.open(fileobj=BufferedReader(_Reader(pieces)), mode="r|") as archive:
            # Owners are kept as numbers; the filter keeps everything inside, and drops set-uid bits.
            archive.extractall(directory, _images_own(archive), numeric_owner=True, filter="tar")
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
