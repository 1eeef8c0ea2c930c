"""Manifests that are named on a command line: files, folders, standard input."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.failures import Failure
from cli.shell import Shell
from vaina.errors import ApiError, BadRequest
from vaina.objects.manifest import Decoded, read_documents, write_json
from vaina.objects.tree import MAX_BYTES
from vaina.quoting import go_quote

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

    Raises Failure: nothing is named, or a name leads nowhere.
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
            raise Failure(f"the path {go_quote(name)} does not exist")
    return sources


def into_namespace(shell: Shell, found: Decoded) -> None:
    """Put an object into the namespace of the command line, unless it names its own.

    As RequireNamespace and SetNamespace in `cli-runtime/pkg/resource/visitor.go`. Raises Failure: it names
    another one than a flag does.
    """
    if not found.kind.namespaced:
        return
    meta: Any = found.message.metadata  # type: ignore[attr-defined]  # every kind has metadata
    wanted = shell.given_namespace
    if wanted and meta.namespace and meta.namespace != wanted:
        raise Failure(
            f"the namespace from the provided object {go_quote(meta.namespace)} does not match the namespace "
            f"{go_quote(wanted)}. You must pass '--namespace={meta.namespace}' to perform this operation."
        )
    meta.namespace = meta.namespace or shell.namespace


def checked_text(shell: Shell, source: Source, *, strict: bool = True) -> str:
    """Return a text that is to be applied, without the objects that name another namespace than a flag does.

    Those are told. Raises Failure: it is no UTF-8.
    """
    try:
        text = source.text.decode()
    except UnicodeDecodeError as error:
        raise Failure(f"error parsing {source.name}: invalid UTF-8 at byte {error.start}") from error
    if not shell.given_namespace:
        return text
    try:
        objects = read_documents(text, strict=strict)
    except ApiError:
        # The apiserver says what is wrong with it.
        return text
    kept, refused = _within(shell, objects)
    if not refused:
        return text
    for words in refused:
        shell.complain(words)
    for found in objects:
        if isinstance(found, ApiError):
            shell.report(found, f'applying "{source.name}"')
    return "\n".join(kept)


def _within(shell: Shell, objects: Sequence[Decoded | ApiError]) -> tuple[list[str], list[str]]:
    """Return the objects that may be in the namespace as JSON, and why the others may not."""
    kept: list[str] = []
    refused: list[str] = []
    for found in objects:
        if isinstance(found, Decoded):
            try:
                into_namespace(shell, found)
            except Failure as error:
                refused.append(str(error))
            else:
                kept.append(write_json(found.source))
    return kept, refused


def read_objects(
    sources: Sequence[Source], *, strict: bool = True
) -> list[tuple[Source, Decoded | ApiError]]:
    """Read the objects of all sources, in their order; one that cannot be read stands as its error."""
    found: list[tuple[Source, Decoded | ApiError]] = []
    for source in sources:
        try:
            found.extend((source, result) for result in read_documents(source.text, strict=strict))
        except ApiError as error:
            found.append((source, BadRequest(f"error parsing {source.name}: {error.message}")))
    return found


async def each_object(
    shell: Shell,
    sources: Sequence[Source],
    act: Callable[[Decoded], Awaitable[None]],
    doing: str = "",
    *,
    strict: bool = True,
) -> int:
    """Do something with each object of the sources, in its namespace; return how many there are.

    What is wrong with one is told, as of `doing` its file, and does not hold up the others.
    """
    objects = read_objects(sources, strict=strict)
    for source, found in objects:
        with shell.reporting(f'{doing} "{source.name}"' if doing else ""):
            if isinstance(found, ApiError):
                raise found
            try:
                into_namespace(shell, found)
            except Failure as error:
                shell.complain(str(error))
            else:
                await act(found)
    return len(objects)
