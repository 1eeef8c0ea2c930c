"""PURE: the bodies of requests as encoded messages.

Follows apimachinery `pkg/runtime/serializer` (json/json.go, protobuf/protobuf.go: Decode) and apiserver
`pkg/endpoints/handlers` (create.go; rest.go: transformDecodeError, summarizeData). `vaina.objects` reads the
text.
"""

from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.message import DecodeError

from apiserver.rest.forms import Media, media_of_body
from vaina.api.runtime.v1 import runtime_pb2
from vaina.errors import BadRequest, TooLarge
from vaina.kinds import KINDS_BY_GVK, Kind
from vaina.objects.decode import Mistakes, dict_to_message
from vaina.objects.envelope import MAGIC
from vaina.objects.normalise import normalise
from vaina.objects.tree import MAX_BYTES, TextError, decode_text, parse_json
from vaina.objects.yaml_text import parse_yaml
from vaina.quoting import go_quote

_STRICT: Final = "Strict"
_IGNORE: Final = "Ignore"
#: Clients name it under any group (delete.go); what it has too much is not told.
_OPTIONS: Final = "DeleteOptions"
_TYPE_FIELDS: Final = frozenset(("apiVersion", "kind"))
#: bytes of a body that a refusal shows
_SHOWN: Final = 30
#: as upstream's scheme calls itself
_SCHEME: Final = "k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30"
#: how Go prints the struct in which it looks for a kind (json/meta.go, Interpret)
_FOUND_IN: Final = (
    r'struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }'
)
_EMPTY: Final = "unexpected end of JSON input"


@dataclass(frozen=True, slots=True)
class Body:
    """A body that was read."""

    #: the encoded message of the kind that was expected
    data: bytes
    #: what its sender should know
    warnings: tuple[str, ...] = ()


class _UnreadableError(Exception):
    """Nothing could be read of a body, not even of which kind it is."""


def read_object(shape: Kind[Any], content_type: str, data: bytes, validation: str = "") -> Body:
    """Read an object of a kind, which the body may name or leave out.

    `validation` is the fieldValidation of the request: Strict, Warn, Ignore; empty: Warn. Raises
    UnsupportedMediaType, BadRequest, TooLarge.
    """
    media = media_of_body(content_type)
    if len(data) > MAX_BYTES:
        raise TooLarge(f"Request entity too large: limit is {MAX_BYTES}")
    try:
        if media is Media.PROTOBUF:
            return Body(_from_envelope(shape, data))
        tree = _tree(data, yaml=media is Media.YAML)
        _check_type(shape, *_type_of(tree))
    except _UnreadableError as error:
        raise BadRequest(
            f"the object provided is unrecognized (must be of type {shape.kind}): {error} ({_summary(data)})"
        ) from error
    message, mistakes = dict_to_message(shape.message, tree or {}, known=_TYPE_FIELDS)
    _check(shape, mistakes, strict=validation == _STRICT)
    assert message is not None
    normalise(message)
    told = () if validation == _IGNORE or shape.kind == _OPTIONS else tuple(mistakes.warnings())
    return Body(message.SerializeToString(), told)


def _tree(data: bytes, *, yaml: bool) -> Any:
    """Return the plain values of a text; of several documents in YAML the first."""
    try:
        text = decode_text(data)
        values = parse_yaml(text) if yaml else parse_json(text)
    except TextError as error:
        raise _UnreadableError(str(error) if yaml else _not_parsed(str(error))) from error
    if yaml:
        return values[0][0] if values else None
    if len(values) != 1:
        raise _UnreadableError(_not_parsed("invalid character after top-level value" if values else _EMPTY))
    return values[0][0]


def _not_parsed(why: str) -> str:
    return f"couldn't get version/kind; json parse error: {why}"


def _type_of(tree: Any) -> tuple[str, str]:
    """Return apiVersion and kind as they are named; empty where they are not."""
    if tree is None:
        return "", ""
    if not isinstance(tree, dict):
        words = {list: "array", str: "string", bool: "bool"}.get(type(tree), "number")
        raise _UnreadableError(
            _not_parsed(f"json: cannot unmarshal {words} into Go value of type {_FOUND_IN}")
        )
    found: list[str] = []
    for name in ("apiVersion", "kind"):
        value = tree.get(name)
        if value is not None and not isinstance(value, str):
            words = {list: "array", dict: "object", bool: "bool"}.get(type(value), "number")
            raise _UnreadableError(
                _not_parsed(f"json: cannot unmarshal {words} into Go struct field .{name} of type string")
            )
        found.append(value or "")
    api_version, kind = found
    if api_version.count("/") > 1:
        raise _UnreadableError(f"unexpected GroupVersion string: {api_version}")
    return api_version, kind


def _check_type(shape: Kind[Any], api_version: str, kind: str) -> None:
    """Raise BadRequest where a body names another kind, or the kind under another group or version."""
    api_version, kind = api_version or shape.api_version, kind or shape.kind
    if kind == shape.kind and (api_version == shape.api_version or kind == _OPTIONS):
        return
    group, _, version = api_version.rpartition("/")
    begins = f"{kind} in version {go_quote(version)} cannot be handled as a {shape.kind}: "
    known = KINDS_BY_GVK.get((api_version, kind))
    if known is None:
        raise BadRequest(
            f"{begins}no kind {go_quote(kind)} is registered for version {go_quote(api_version)} "
            f"in scheme {go_quote(_SCHEME)}"
        )
    if kind == shape.kind and group == shape.group:
        raise BadRequest(
            f"the API version in the data ({api_version}) does not match the expected API version "
            f"({shape.api_version})"
        )
    raise BadRequest(
        f"{begins}converting ({known.version}.{kind}) to ({_package(shape)}.{shape.kind}): unknown conversion"
    )


def _package(shape: Kind[Any]) -> str:
    """Return the name of the Go package of a kind: core, apps, rbac."""
    return shape.group.partition(".")[0] or "core"


def _check(shape: Kind[Any], mistakes: Mistakes, *, strict: bool) -> None:
    """Raise BadRequest for values that cannot be read, and for fields that are unknown or come twice."""
    words = list(mistakes.fatal)
    if mistakes.strict and strict and not words:
        words.append(f"strict decoding error: {', '.join(mistakes.strict)}")
    if words:
        raise BadRequest(
            f"{shape.kind} in version {go_quote(shape.version)} cannot be handled as a {shape.kind}: "
            + ", ".join(words)
        )


def _from_envelope(shape: Kind[Any], data: bytes) -> bytes:
    """Return the encoded object of an envelope. Raises BadRequest."""
    if not data:
        raise _UnreadableError("empty data")
    if not data.startswith(MAGIC):
        raise _UnreadableError(
            "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"
        )
    if len(data) == len(MAGIC):
        raise _UnreadableError("empty body")
    try:
        unknown = runtime_pb2.Unknown.FromString(data[len(MAGIC) :])
    except (DecodeError, ValueError) as error:  # ValueError: bad UTF-8
        raise _UnreadableError("proto: the envelope cannot be read") from error
    _check_type(shape, unknown.type_meta.api_version, unknown.type_meta.kind)
    return unknown.raw


def _summary(data: bytes) -> str:
    """Return the beginning of a body: as text where it looks like JSON."""
    if not data:
        return "<empty>"
    more = " ..." if len(data) > _SHOWN else ""
    if data.startswith(b"{"):
        return data[:_SHOWN].decode(errors="replace") + more
    return data[:_SHOWN].hex() + more
