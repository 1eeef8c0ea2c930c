"""Plain values (of YAML) into frozen dataclasses: every violation is told, with its place and what is allowed.

A field `ignored_resources` is `ignoredResources` in the file. Known types: bool, int, str, Duration,
`tuple[T, ...]`, another dataclass, a message of the API, `Mapping` (left as it is), and any of these or None.
Used for the file itself and for the arguments of plugins, third-party ones included.
"""

import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Final, TypeVar

from google.protobuf.message import Message

from vaina.durations import DurationError, parse_duration
from vaina.errors import FieldError
from vaina.objects.decode import dict_to_message
from vaina.objects.field_path import DUPLICATE, INVALID, Path, invalid, required
from vaina.objects.normalise import normalise
from vaina.objects.tree import Number, duplicates_of

T = TypeVar("T")

_BAD: Final = object()


class Duration(float):
    """Seconds; in the file as Go writes them: 15s, 1m30s, 100ms."""


def camel(name: str) -> str:
    """Return a field's name as it stands in a file: pod_max_backoff_seconds -> podMaxBackoffSeconds."""
    first, *more = name.split("_")
    return first + "".join(word.capitalize() for word in more)


def decode(kind: type[T], value: object, path: Path, errors: list[FieldError]) -> T | None:
    """Make a dataclass of a mapping (None: an empty one), with all violations in `errors`; None: impossible."""
    found = _dataclass(kind, {} if value is None else value, path, errors)
    return None if found is _BAD else found


def _dataclass(kind: type[Any], value: object, path: Path, errors: list[FieldError]) -> Any:
    if not isinstance(value, Mapping):
        errors.append(invalid(path, value, "must be a mapping"))
        return _BAD
    hints = typing.get_type_hints(kind)
    known = {camel(field.name): field for field in fields(kind)}
    errors.extend(_unknown(path.child(str(name)), known) for name in value if name not in known)
    errors.extend(
        FieldError(DUPLICATE, str(path.child(name)), "duplicate field") for name in duplicates_of(value)
    )
    arguments: dict[str, Any] = {}
    for name, field in known.items():
        given = value.get(name)
        if given is None:
            if field.default is MISSING and field.default_factory is MISSING:
                errors.append(required(path.child(name)))
            continue
        arguments[field.name] = _value(hints[field.name], given, path.child(name), errors)
    for field in fields(kind):
        if arguments.get(field.name) is _BAD or (
            field.name not in arguments and field.default is MISSING and field.default_factory is MISSING
        ):
            return _BAD
    return kind(**arguments)


def _unknown(path: Path, known: Mapping[str, object]) -> FieldError:
    return FieldError(INVALID, str(path), f"unknown field (known: {', '.join(sorted(known)) or 'none'})")


def _value(hint: Any, value: object, path: Path, errors: list[FieldError]) -> Any:
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        hint = next(arm for arm in typing.get_args(hint) if arm is not type(None))
        origin = typing.get_origin(hint)
    if origin is tuple:
        return _tuple(typing.get_args(hint)[0], value, path, errors)
    if origin is not None and issubclass(origin, Mapping):
        hint = Mapping
    if isinstance(hint, type) and issubclass(hint, Message):
        return _message(hint, value, path, errors)
    if is_dataclass(hint) and isinstance(hint, type):
        return _dataclass(hint, value, path, errors)
    found = _scalar(hint, value)
    if found is _BAD:
        errors.append(invalid(path, _plain(value), _SCALARS[hint]))
    return found


def _tuple(hint: Any, value: object, path: Path, errors: list[FieldError]) -> Any:
    if not isinstance(value, list):
        errors.append(invalid(path, _plain(value), "must be a list"))
        return _BAD
    made = [_value(hint, item, path.index(index), errors) for index, item in enumerate(value)]
    return _BAD if any(item is _BAD for item in made) else tuple(made)


def _message(kind: type[Message], value: object, path: Path, errors: list[FieldError]) -> Any:
    if not isinstance(value, Mapping):
        errors.append(invalid(path, _plain(value), "must be a mapping"))
        return _BAD
    made, mistakes = dict_to_message(kind, value)
    words = [*mistakes.fatal, *mistakes.strict]
    errors.extend(FieldError(INVALID, str(path), text) for text in words)
    if made is None or words:
        return _BAD
    normalise(made)
    return made


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Number) else value


def _scalar(hint: Any, value: object) -> object:
    number = value if isinstance(value, int) and not isinstance(value, bool) else None
    if hint is int:
        return number if number is not None and -(2**31) <= number < 2**31 else _BAD
    if hint is float:
        return float(str(value)) if number is not None or isinstance(value, Number) else _BAD
    if hint is Duration:
        try:
            return Duration(parse_duration(value) / 1e9) if isinstance(value, str) else _BAD
        except DurationError:
            return _BAD
    return value if isinstance(value, hint) else _BAD


#: types of plain values, and what is said of others
_SCALARS: Final[Mapping[Any, str]] = {
    bool: "must be true or false",
    int: "must be an integer of 32 bits",
    float: "must be a number",
    str: "must be a string",
    Duration: "must be a duration such as 15s, 1m30s or 100ms",
    Mapping: "must be a mapping",
}
