"""Manifests: JSON and YAML text to messages and back.

Reading is strict: every unknown and duplicate field is named with its path, in one error, in upstream's
words. What is written is what upstream writes. It stands on `tree` and `yaml_text` (text to plain values),
`decode` and `encode` (plain values to messages and back), `schema` (what both know of the messages),
`normalise`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from google.protobuf.message import Message

from vaina.api.meta.v1 import meta_pb2
from vaina.errors import ApiError, BadRequest, TooLarge
from vaina.kinds import KINDS_BY_GVK, Kind
from vaina.objects.decode import Mistakes, dict_to_message
from vaina.objects.encode import message_to_dict
from vaina.objects.normalise import normalise
from vaina.objects.tree import (
    MAX_BYTES,
    MAX_DOCUMENTS,
    TextError,
    TooManyDocuments,
    compact_json,
    decode_text,
    is_too_large,
    parse_json,
    with_fields,
)
from vaina.objects.yaml_text import parse_yaml, write_yaml
from vaina.quoting import go_quote

_TYPE_FIELDS: Final = frozenset(("apiVersion", "kind"))


@dataclass(frozen=True, slots=True)
class Decoded:
    """An object that was read."""

    kind: Kind[Message]
    message: Message
    #: unknown and duplicate fields that were let through
    warnings: tuple[str, ...]
    #: where its document starts, from 1
    line: int
    #: the object as it was written, as plain values: what a three-way merge compares
    source: Mapping[str, Any]


def _read(text: str | bytes, *, yaml: bool) -> list[tuple[Any, int]]:
    if is_too_large(text):
        raise TooLarge(f"Request entity too large: limit is {MAX_BYTES}")
    try:
        decoded = decode_text(text)
        if not yaml:
            return parse_json(decoded)
        if decoded.lstrip()[:1] != "{":
            return parse_yaml(decoded)
        try:
            return parse_json(decoded)
        except TooManyDocuments:
            raise
        except TextError as json_error:
            try:
                return parse_yaml(decoded)
            except TextError:
                raise json_error from None
    except TooManyDocuments as error:
        raise TooLarge(str(error)) from error
    except TextError as error:
        prefix = "error converting YAML to JSON: " if yaml and str(error).startswith("yaml:") else ""
        raise BadRequest(f"{prefix}{error}") from error


def _check(kind: Kind[Message], name: str, mistakes: Mistakes, *, strict: bool) -> None:
    words = list(mistakes.fatal)
    if mistakes.strict and strict:
        words.append(f"strict decoding error: {', '.join(mistakes.strict)}")
    if words:
        raise BadRequest(
            f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: {", ".join(words)}',
            group=kind.group, kind=kind.kind, name=name,
        )  # fmt: skip


def _name_of(tree: Mapping[str, Any]) -> str:
    metadata = tree.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return name if isinstance(name, str) else ""


def _find_kind(tree: Any, expected: Kind[Message] | None) -> Kind[Message]:
    """Return the row of the object's kind. Raises BadRequest: there is none, or another one was expected."""
    if not isinstance(tree, dict):
        words = {list: "array", str: "string", bool: "bool"}.get(type(tree), "number")
        raise BadRequest(
            f"couldn't get version/kind; json parse error: json: cannot unmarshal {words} into an object"
        )
    api_version, kind = tree.get("apiVersion") or "", tree.get("kind") or ""
    if expected is not None:
        if kind not in ("", expected.kind):
            raise BadRequest(
                f"the kind in the data ({kind}) does not match the expected kind ({expected.kind})"
            )
        if api_version not in ("", expected.api_version):
            raise BadRequest(
                f"the API version in the data ({api_version}) does not match the expected API version ({expected.api_version})"
            )
        return expected
    for field, value in (("Kind", kind), ("apiVersion", api_version)):
        if not isinstance(value, str):
            raise BadRequest(f"couldn't get version/kind; json parse error: {field} must be a string")
        if not value:
            shown = compact_json(tree).decode()
            raise BadRequest(f"Object '{field}' is missing in '{shown[:512]}'", name=_name_of(tree))
    row = KINDS_BY_GVK.get((api_version, kind))
    if row is None:
        raise BadRequest(
            f"no matches for kind {go_quote(kind)} in version {go_quote(api_version)}",
            kind=kind,
            name=_name_of(tree),
        )
    return row


def _resets_owners(tree: Mapping[str, Any]) -> bool:
    """Say whether managedFields are an empty list, which resets them: a message has one empty entry for that.

    Follows isResetManagedFields (apimachinery `util/managedfields/internal/fieldmanager.go`).
    """
    metadata = tree.get("metadata")
    return isinstance(metadata, dict) and metadata.get("managedFields") == []


def _decode(tree: Any, line: int, *, kind: Kind[Message] | None, strict: bool) -> Decoded:
    row = _find_kind(tree, kind)
    message, mistakes = dict_to_message(row.message, tree, known=_TYPE_FIELDS)
    _check(row, _name_of(tree), mistakes, strict=strict)
    assert message is not None
    if _resets_owners(tree):
        message.metadata.managed_fields.add()  # type: ignore[attr-defined]  # every kind has metadata
    normalise(message)
    return Decoded(row, message, tuple(mistakes.warnings()), line, tree)


def decode_dict(
    tree: Mapping[str, Any], *, kind: Kind[Message] | None = None, strict: bool = True
) -> Decoded:
    """Make an object of plain values: a manifest that was merged or patched. Raises BadRequest."""
    return _decode(tree, 1, kind=kind, strict=strict)


def decode_json(text: str | bytes, *, kind: Kind[Message] | None = None, strict: bool = True) -> Decoded:
    """Read one object as JSON; where its kind is given, apiVersion and kind may be left out.

    Unknown and duplicate fields are errors when strict, and warnings otherwise. Raises BadRequest, which
    names every mistake with its path; TooLarge: more than 3 MiB.
    """
    values = _read(text, yaml=False)
    if len(values) != 1:
        raise BadRequest("there must be one JSON object" if values else "unexpected end of JSON input")
    tree, line = values[0]
    return _decode(tree, line, kind=kind, strict=strict)


def _expand(tree: Any, line: int) -> Iterable[tuple[Any, int]]:
    """Give the items of a List (or PodList, ...), or the object itself."""
    if not isinstance(tree, dict):
        return [(tree, line)]
    api_version, kind = tree.get("apiVersion"), tree.get("kind")
    items = tree.get("items")
    if not isinstance(kind, str) or not kind.endswith("List") or not isinstance(items, list):
        return [(tree, line)]
    item_kind = kind.removesuffix("List")
    if not item_kind:
        return [(item, line) for item in items]
    given = {"apiVersion": api_version, "kind": item_kind}
    return [(with_fields(item, given) if isinstance(item, dict) else item, line) for item in items]


def read_documents(text: str | bytes, *, strict: bool = True) -> list[Decoded | ApiError]:
    """Read YAML or JSON with any number of documents, Lists expanded; one that cannot be read is its error.

    Raises BadRequest: the text as a whole is neither YAML nor JSON; TooLarge: more than 3 MiB.
    """
    trees: list[tuple[Any, int]] = []
    for value, line in _read(text, yaml=True):
        if value is not None:
            trees.extend(_expand(value, line))
        if len(trees) > MAX_DOCUMENTS:
            raise TooLarge(str(TooManyDocuments()))
    results: list[Decoded | ApiError] = []
    for tree, line in trees:
        try:
            results.append(_decode(tree, line, kind=None, strict=strict))
        except ApiError as error:  # every document has its own outcome
            results.append(error)
    return results


def decode_documents(text: str | bytes, *, strict: bool = True) -> list[Decoded]:
    """Read YAML or JSON with any number of documents, Lists expanded. Raises BadRequest, TooLarge."""
    decoded: list[Decoded] = []
    for result in read_documents(text, strict=strict):
        if isinstance(result, ApiError):
            raise result
        decoded.append(result)
    return decoded


def to_dict(kind: Kind[Any], message: Message) -> dict[str, Any]:
    """Return an object as the plain values of its JSON, apiVersion and kind first."""
    return {"apiVersion": kind.api_version, "kind": kind.kind, **message_to_dict(message)}


def list_to_dict(
    kind: Kind[Any], items: Sequence[Message], resource_version: str = "", continue_token: str = ""
) -> dict[str, Any]:
    """Return a list of objects as the plain values of its JSON (PodList), its items with apiVersion and kind."""
    metadata = meta_pb2.ListMeta(resource_version=resource_version, continue_token=continue_token)
    return {
        "apiVersion": kind.api_version,
        "kind": f"{kind.kind}List",
        "metadata": message_to_dict(metadata),
        "items": [to_dict(kind, item) for item in items],
    }


def write_json(value: Any, *, indent: int | None = None) -> str:
    """Write plain values as JSON, keys sorted."""
    compact = compact_json(value, sort_keys=True)
    return (msgspec.json.format(compact, indent=indent) if indent else compact).decode()


def encode_json(kind: Kind[Any], message: Message, *, indent: int | None = None) -> str:
    """Write an object as JSON, keys sorted."""
    return write_json(to_dict(kind, message), indent=indent)


def encode_yaml(kind: Kind[Any], message: Message) -> str:
    """Write an object as YAML, keys sorted."""
    return write_yaml(to_dict(kind, message))
