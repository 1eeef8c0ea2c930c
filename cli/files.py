"""Manifests that are named on a command line: files, folders, standard input."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cli.shell import Failure, Shell
from vaina.errors import ApiError, BadRequest
from vaina.objects.manifest import Decoded, read_documents
from vaina.objects.tree import MAX_BYTES

_SUFFIXES = (".json", ".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Source:
    """A text and where it is from: a path as it was given, or STDIN."""

    name: str
    text: bytes


def _in_folder(folder: Path, *, recursive: bool) -> list[Path]:
    found = folder.rglob("*") if recursive else folder.glob("*")
    return sorted(path for path in found if path.suffix in _SUFFIXES and path.is_file())


def _read_file(path: Path) -> Source:
    try:
        with path.open("rb") as file:
            return Source(str(path), file.read(MAX_BYTES + 1))
    except OSError as error:
        raise Failure(f"cannot read {path}: {error.strerror}") from error


def read_sources(shell: Shell, names: Sequence[str], *, recursive: bool = False) -> list[Source]:
    """Read all files that are named, those of folders in the order of their names; `-` is standard input.

    Raises:
        Failure: nothing is named, or a name leads nowhere.
    """
    if not names:
        raise Failure("must specify -f (a file, a folder, or - for standard input)")
    sources: list[Source] = []
    for name in names:
        path = Path(name)
        if name == "-":
            sources.append(Source("STDIN", shell.stdin.read(MAX_BYTES + 1)))
        elif path.is_dir():
            inside = _in_folder(path, recursive=recursive)
            if not inside:
                raise Failure(f"error reading [{name}]: recognized file extensions are [.json .yaml .yml]")
            sources.extend(_read_file(file) for file in inside)
        elif path.exists():
            sources.append(_read_file(path))
        else:
            raise Failure(f'the path "{name}" does not exist')
    return sources


def read_objects(sources: Sequence[Source]) -> list[tuple[Source, Decoded | ApiError]]:
    """Read the objects of all sources, in their order; one that cannot be read stands as its error."""
    found: list[tuple[Source, Decoded | ApiError]] = []
    for source in sources:
        try:
            found.extend((source, result) for result in read_documents(source.text))
        except ApiError as error:
            found.append((source, BadRequest(f"error parsing {source.name}: {error.message}")))
    return found
