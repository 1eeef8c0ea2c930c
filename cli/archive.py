"""Local files as a tar stream, and back: what `vaina cp` sends and gets. Blocking; runs in a thread.

What comes from a container is not trusted. The rules are kubectl's (`pkg/cmd/cp`): names must begin with what
was asked for, nothing is written outside the destination, links are not made. Nor is anything written through
links that are there already.
"""

import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import IO, Final

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

    `warn` is told what was left out.

    Raises:
        ArchiveError: the stream is no archive, or holds what was not asked for.
        OSError: a file cannot be written.
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
