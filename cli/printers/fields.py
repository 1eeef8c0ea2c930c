"""What a field of a kind is for, in the form of kubectl's explain.

Follows kubectl `pkg/explain/v2/templates/plaintext.tmpl`: which lines come in which order, how wide, how far
in; that tests compare with the real one.
"""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from textwrap import wrap
from typing import Any

from google.protobuf.descriptor import Descriptor

from vaina.kinds import KINDS_BY_NAME, Kind
from vaina.objects.field_docs import FieldDoc, description, fields_of, find_field

_WIDTH = 76


def split_path(word: str) -> tuple[Kind[Any], list[str]] | None:
    """Read a kind's name and a path of fields behind it: pods.spec, deployments.apps.spec.

    None: the word begins with no kind.
    """
    first, *path = word.rstrip(".").split(".")
    kind = KINDS_BY_NAME.get(first.lower())
    if kind is None:
        return None
    group = kind.group.split(".") if kind.group else []
    if group and path[: len(group)] == group:
        path = path[len(group) :]
    return kind, path


def unknown_field(kind: Kind[Any], path: Sequence[str]) -> str:
    """Return what is wrong with a path that leads nowhere; empty: nothing is."""
    message: Descriptor = kind.message.DESCRIPTOR
    for number, name in enumerate(path):
        found = find_field(message, path[: number + 1])
        if found is not None:
            continue
        before = find_field(message, path[:number]) if number else None
        inside = message if number == 0 else before.message if before is not None else None
        names = [doc.name for doc in fields_of(inside)] if inside is not None else []
        near = get_close_matches(name, names, n=1)
        return f'field "{name}" does not exist' + (f'; did you mean "{near[0]}"?' if near else "")
    return ""


def render_fields(
    kind: Kind[Any], path: Sequence[str], *, recursive: bool = False, max_depth: int = 0
) -> str:
    """Write what a kind or one of its fields is for, and the fields in it; the path has to exist."""
    lines = [f"GROUP:      {kind.group}"] if kind.group else []
    lines += [f"KIND:       {kind.kind}", f"VERSION:    {kind.version}", ""]
    message: Descriptor | None = kind.message.DESCRIPTOR
    texts: list[str] = []
    if path:
        found = find_field(kind.message.DESCRIPTOR, path)
        assert found is not None, "asked of unknown_field"
        lines += [f"FIELD: {found.name} <{found.type}>{_need(found)}", "", ""]
        message, texts = found.message, [found.text]
    if message is not None:
        texts.append(description(message.full_name))
    lines.append("DESCRIPTION:")
    for text in [text for text in texts if text] or ["<empty>"]:
        lines += _wrapped(text, _WIDTH, 4)
    lines.append("")
    if message is not None:
        lines.append("FIELDS:")
        lines += _tree(message, 1, max_depth) if recursive else _list(message)
    return "\n".join((*lines, ""))


def _need(doc: FieldDoc) -> str:
    return " -required-" if doc.required else ""


def _list(message: Descriptor) -> Iterator[str]:
    for doc in fields_of(message):
        yield f"  {doc.name}\t<{doc.type}>{_need(doc)}"
        yield from _wrapped(doc.text or "<no description>", _WIDTH, 4)
        yield ""


def _tree(message: Descriptor, level: int, max_depth: int) -> Iterator[str]:
    """Give a line a field, with the fields in it below; 0 is no bound. No kind has a message inside itself."""
    for doc in fields_of(message):
        yield f"{'  ' * level}{doc.name}\t<{doc.type}>{_need(doc)}"
        if doc.message is not None and (max_depth == 0 or level < max_depth):
            yield from _tree(doc.message, level + 1, max_depth)


def _wrapped(text: str, width: int, indent: int) -> list[str]:
    lines = wrap(text, width, break_long_words=False, break_on_hyphens=False)
    return [f"{' ' * indent}{line}" for line in lines]
