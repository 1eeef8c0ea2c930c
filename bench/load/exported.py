"""What `kubectl get ... -o json` wrote, as objects one by one. PURE: text comes in, nothing is read.

The list is walked without being made into values as a whole: each item is read when its turn comes, and most
of it is thrown away.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec

T = TypeVar("T")

#: bytes of all files together, unless told otherwise; a Pod is some 10 kB as kubectl writes it
MAX_BYTES: Final = 512 * 1024 * 1024
#: objects of all files together
MAX_ITEMS: Final = 1_000_000


class ImportFailed(Exception):
    """An export that cannot be taken over; the text names the file, the item and the field."""


@dataclass(frozen=True, slots=True)
class Item:
    """One object of an export."""

    #: how errors call it
    place: str
    api_version: str
    kind: str
    tree: Mapping[str, Any]


class _List(msgspec.Struct, rename="camel"):
    kind: str = ""
    api_version: str = ""
    items: list[msgspec.Raw] | None = None


def read_items(source: str, data: bytes) -> Iterator[Item]:
    """Read the objects of a file.

    Args:
        source: how errors call it.
        data: a List as JSON: of mixed kinds, or (PodList) of one.

    Raises:
        ImportFailed: it is none.
    """
    found = _decoded(data, _List, source)
    if not found.kind.endswith("List") or found.items is None:
        what = f'"{found.kind}"' if found.kind else "no kind"
        raise ImportFailed(
            f"{source}: kind: {what}; a List is expected, as kubectl get nodes,pods,... -A -o json writes it"
        )
    if len(found.items) > MAX_ITEMS:
        raise ImportFailed(f"{source}: items: {len(found.items):,} are more than {MAX_ITEMS:,}")
    for number, raw in enumerate(found.items):
        place = f"{source}: items[{number}]"
        tree = _decoded(bytes(raw), dict[str, Any], place)
        kind = _text(tree, "kind", place) or found.kind.removesuffix("List")
        version = _text(tree, "apiVersion", place) or found.api_version
        if not kind:
            raise ImportFailed(f"{place}: kind: missing")
        metadata = tree.get("metadata")
        name = metadata.get("name") if isinstance(metadata, dict) else None
        if not isinstance(name, str) or not name:
            raise ImportFailed(f"{place}: {kind}: metadata.name: a name is expected")
        yield Item(f"{place}: {kind} {name}", version, kind, {**tree, "kind": kind, "apiVersion": version})


def read_all(files: Sequence[tuple[str, bytes]]) -> Iterator[Item]:
    """Read the objects of several files. What stands in two of them is taken from the first.

    Raises:
        ImportFailed: one is no List.
    """
    seen: set[tuple[str, str, str]] = set()
    for source, data in files:
        for item in read_items(source, data):
            metadata = item.tree["metadata"]
            key = (item.kind, str(metadata.get("namespace", "")), metadata["name"])
            if key not in seen:
                seen.add(key)
                yield item


def _text(tree: Mapping[str, Any], name: str, place: str) -> str:
    value = tree.get(name, "")
    if not isinstance(value, str):
        raise ImportFailed(f"{place}: {name}: a string is expected")
    return value


def _decoded(data: bytes, kind: type[T], place: str) -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ImportFailed(f"{place}: no JSON that can be read: {error}") from error
    except RecursionError as error:
        raise ImportFailed(f"{place}: nested too deeply") from error
