"""Field paths and the violations that name them, in the words of Kubernetes' API machinery.

Called by validation, defaulting's checks and the manifest codec. The texts follow
`apimachinery/pkg/util/validation/field`: `spec.containers[0].image: Required value`, `spec.replicas: Invalid
value: -1: must be ...`. Required, Forbidden and Too long leave the value out; strings are quoted as Go quotes
them; maps and lists are shown as JSON.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec
from google.protobuf.message import Message

from vaina.errors import FieldError
from vaina.objects.encode import message_to_dict
from vaina.quoting import go_quote

NOT_FOUND: Final = "FieldValueNotFound"
REQUIRED: Final = "FieldValueRequired"
DUPLICATE: Final = "FieldValueDuplicate"
INVALID: Final = "FieldValueInvalid"
NOT_SUPPORTED: Final = "FieldValueNotSupported"
FORBIDDEN: Final = "FieldValueForbidden"
TOO_LONG: Final = "FieldValueTooLong"
TOO_MANY: Final = "FieldValueTooMany"
TOO_FEW: Final = "FieldValueTooFew"
INTERNAL: Final = "InternalError"

_WORDS: Final[Mapping[str, str]] = {
    NOT_FOUND: "Not found",
    REQUIRED: "Required value",
    DUPLICATE: "Duplicate value",
    INVALID: "Invalid value",
    NOT_SUPPORTED: "Unsupported value",
    FORBIDDEN: "Forbidden",
    TOO_LONG: "Too long",
    TOO_MANY: "Too many",
    TOO_FEW: "Too few",
    INTERNAL: "Internal error",
}

_HTML: Final[Mapping[int, str]] = {
    ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026", 0x2028: "\\u2028", 0x2029: "\\u2029",
}  # fmt: skip


class Path:
    """Where a value stands in an object. Immutable; every method returns a longer path."""

    __slots__ = ("_text",)

    def __init__(self, name: str = "", *more: str) -> None:
        """Make a path of names: Path("spec", "containers"); an empty one is the object itself."""
        self._text = ".".join((name, *more)) if more else name

    def child(self, *names: str) -> "Path":
        """Go down to a field, or through several: spec -> spec.containers."""
        return Path(self._text, *names) if self._text else Path(*names)

    def index(self, index: int) -> "Path":
        """Go to an item of a list: spec.containers -> spec.containers[0]."""
        return Path(f"{self._text}[{index}]")

    def key(self, key: str) -> "Path":
        """Go to an entry of a map: requests -> requests[cpu]."""
        return Path(f"{self._text}[{key}]")

    def __str__(self) -> str:
        return self._text or "<nil>"

    def __repr__(self) -> str:
        return f"Path({self._text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Path) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


#: what the functions below take as a place
AnyPath = Path | str


def show_value(value: object) -> str:
    """Write a bad value as upstream does: numbers and booleans bare, strings quoted, the rest as JSON."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case str():
            return go_quote(value)
        case Message():
            value = message_to_dict(value)
        case Mapping():
            value = {str(key): value[key] for key in sorted(value)}
        case bytes():
            pass
        case Iterable():
            value = [message_to_dict(item) if isinstance(item, Message) else item for item in value]
        case _:
            pass
    return msgspec.json.encode(value).decode().translate(_HTML)


def _error(kind: str, path: AnyPath, value: str, detail: str) -> FieldError:
    text = _WORDS[kind]
    if value:
        text = f"{text}: {value}"
    if detail:
        text = f"{text}: {detail}"
    return FieldError(type=kind, field=str(path), detail=text)


def required(path: AnyPath, detail: str = "") -> FieldError:
    """A field that must be there is not: `Required value`."""
    return _error(REQUIRED, path, "", detail)


def invalid(path: AnyPath, value: object, detail: str) -> FieldError:
    """A value breaks a rule: `Invalid value: -1: must be greater than or equal to 0`."""
    return _error(INVALID, path, show_value(value), detail)


def wrong(path: AnyPath, detail: str) -> FieldError:
    """Several values break a rule together, and none of them is shown: `Invalid value: specifying both ...`."""
    return _error(INVALID, path, "", detail)


def duplicate(path: AnyPath, value: object) -> FieldError:
    """A value that must be unique is there twice: `Duplicate value: "a"`."""
    return _error(DUPLICATE, path, show_value(value), "")


def not_found(path: AnyPath, value: object) -> FieldError:
    """A value names something that is not there: `Not found: "x"`."""
    return _error(NOT_FOUND, path, show_value(value), "")


def not_supported(path: AnyPath, value: object, allowed: Sequence[str] | Iterable[str]) -> FieldError:
    """A value is none of those allowed: `Unsupported value: "x": supported values: "A", "B"`, in their order."""
    names = ", ".join(go_quote(name) for name in allowed)
    return _error(NOT_SUPPORTED, path, show_value(value), f"supported values: {names}" if names else "")


def forbidden(path: AnyPath, detail: str) -> FieldError:
    """A value may not be given, or not now: `Forbidden: may not be ...`."""
    return _error(FORBIDDEN, path, "", detail)


def too_long(path: AnyPath, max_bytes: int) -> FieldError:
    """A value has too many bytes: `Too long: may not be more than 63 bytes`."""
    return _error(
        TOO_LONG,
        path,
        "",
        f"may not be more than {max_bytes} {'byte' if max_bytes == 1 else 'bytes'}"
        if max_bytes >= 0
        else "value is too long",
    )


def too_many(path: AnyPath, actual: int, maximum: int) -> FieldError:
    """A list has too many items: `Too many: 33: must have at most 32 items`; `actual` is shown from 0 on."""
    detail = "has too many items"
    if maximum >= 0:
        detail = f"must have at most {maximum} {'item' if maximum == 1 else 'items'}"
    return _error(TOO_MANY, path, str(actual) if actual >= 0 else "", detail)


def internal(path: AnyPath, detail: str) -> FieldError:
    """Something of ours is broken: `Internal error: ...`."""
    return _error(INTERNAL, path, "", detail)
