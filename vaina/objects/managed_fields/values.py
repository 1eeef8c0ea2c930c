"""Values of a type: whether they are of it, the step to an item of a list, and which fields are set.

Follows structured-merge-diff `typed` (validate.go, helpers.go, tofieldset.go).
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum, auto
from typing import Any, Final, TypeAlias

from vaina.objects.managed_fields import field_set
from vaina.objects.managed_fields.field_set import FieldSet, Path, Step, path_text
from vaina.objects.managed_fields.types import STRING, Form, Type
from vaina.quoting import go_quote


class Absent(Enum):
    """Stands for a value that is not there: null is one that is."""

    ABSENT = auto()


ABSENT: Final = Absent.ABSENT
#: plain values of JSON, or ABSENT
Value: TypeAlias = Any


class TypedError(Exception):
    """Values that are not of their type; says of each where it is."""

    def __init__(self, errors: Sequence[str]) -> None:
        super().__init__(
            errors[0] if len(errors) == 1 else "\n".join(["errors:", *(f"  {e}" for e in errors)])
        )


class _StepError(Exception):
    """An item of a list that no step leads to."""


def item_step(of: Type, item: Value) -> Step:
    """Return the step to an item of a list that is not one value. Raises TypedError."""
    try:
        return _keyed_step(of, item) if of.keys else _set_step(item)
    except _StepError as error:
        raise TypedError([str(error)]) from error


def _keyed_step(of: Type, item: Value) -> Step:
    if item is None:
        raise _StepError("associative list with keys may not have a null element")
    if not isinstance(item, dict):
        raise _StepError("associative list with keys may not have non-map elements")
    keys = {**of.key_defaults, **{name: item[name] for name in of.keys if name in item}}
    if not keys:
        names = " ".join(map(go_quote, of.keys))
        raise _StepError(
            f"associative list with keys has an element that omits all key fields [{names}] "
            "(and doesn't have default values for any key fields)"
        )
    return field_set.key(keys)


def _set_step(item: Value) -> Step:
    if isinstance(item, dict):
        raise _StepError("associative list without keys has an element that's a map type")
    if isinstance(item, list):
        raise _StepError("not supported: associative list with lists as elements")
    if item is None:
        raise _StepError("associative list without keys has an element that's an explicit null")
    return field_set.value(item)


def check(of: Type, item: Value, *, duplicates: bool = False) -> None:
    """Check that a value is of its type; `duplicates`: items of a list may be the same. Raises TypedError."""
    errors = list(_errors(of, item, (), duplicates=duplicates))
    if errors:
        raise TypedError([f"{path_text(path)}: {text}" if path else text for path, text in errors])


def _errors(of: Type, item: Value, path: Path, *, duplicates: bool) -> Iterator[tuple[Path, str]]:
    if item is None or of.form is Form.ANY:
        return
    if of.form is Form.SCALAR:
        if text := _scalar_error(of.scalar, item):
            yield path, text
    elif of.form is Form.LIST:
        if isinstance(item, list):
            yield from _list_errors(of, item, path, duplicates=duplicates)
        else:
            yield path, f"expected list, got &{{{_go_value(item)}}}"
    elif isinstance(item, dict):
        fields, element = of.fields, of.element
        for name, inner in item.items():
            below = fields.get(name) or element
            if below is STRING and type(inner) is str:
                continue
            step = (*path, field_set.field(name))
            if below is None:
                yield step, "field not declared in schema"
                return
            yield from _errors(below, inner, step, duplicates=duplicates)
    else:
        yield path, f"expected map, got &{{{_go_value(item)}}}"


def _list_errors(of: Type, items: list[Value], path: Path, *, duplicates: bool) -> Iterator[tuple[Path, str]]:
    assert of.element is not None
    seen: set[Step] = set()
    for index, item in enumerate(items):
        if of.atomic:
            step = f"{field_set.INDEX}{index}"
        else:
            try:
                step = item_step(of, item)
            except TypedError as error:
                yield path, f"element {index}: {error}"
                return
            if step in seen and not duplicates:
                yield path, f"duplicate entries for key {path_text([step])}"
            seen.add(step)
        yield from _errors(of.element, item, (*path, step), duplicates=duplicates)


def _scalar_error(scalar: str, item: Value) -> str:
    """Say what is wrong with a scalar that is not null; the words show values as Go prints them."""
    is_text, is_bool = isinstance(item, str), isinstance(item, bool)
    is_number = isinstance(item, int | float) and not is_bool
    if scalar == "numeric" and not is_number:
        return f"expected numeric (int or float), got {_go_type(item)}"
    if scalar == "string" and not is_text:
        shown = f"&value.valueUnstructured{{Value:{_go_value(item, syntax=True)}}}"
        return f"expected string, got {shown}"
    if scalar == "boolean" and not is_bool:
        return f"expected boolean, got &{{{_go_value(item)}}}"
    if not (is_text or is_bool or is_number):
        return f"expected any scalar, got &{{{_go_value(item)}}}"
    return ""


def _go_type(item: Value) -> str:
    match item:
        case bool():
            return "bool"
        case int():
            return "int64"
        case float():
            return "float64"
        case str():
            return "string"
        case list():
            return "[]interface {}"
        case _:
            return "map[string]interface {}"


def _go_value(item: Value, *, syntax: bool = False) -> str:
    """Write a value as Go prints it (%v), or in Go's syntax (%#v)."""
    match item:
        case None:
            return "interface {}(nil)" if syntax else "<nil>"
        case bool():
            return str(item).lower()
        case str():
            return go_quote(item) if syntax else item
        case list():
            inner = [_go_value(one, syntax=syntax) for one in item]
            return f"[]interface {{}}{{{', '.join(inner)}}}" if syntax else f"[{' '.join(inner)}]"
        case dict():
            if syntax:
                shown = (f"{go_quote(name)}:{_go_value(item[name], syntax=True)}" for name in sorted(item))
                return f"map[string]interface {{}}{{{', '.join(shown)}}}"
            return f"map[{' '.join(f'{name}:{_go_value(item[name])}' for name in sorted(item))}]"
        case _:
            return str(item)


def fields_of(of: Type, item: Value) -> FieldSet:
    """Return the fields that a checked value sets: leaves, items of lists, entries of maps."""
    found = FieldSet()
    _collect(of, item, found)
    return found


def _collect(of: Type, item: Value, found: FieldSet) -> None:
    """Add what a list or map has inside."""
    if item is None:
        return
    if of.form is Form.LIST:
        _collect_items(of, item, found)
        return
    fields, element = of.fields, of.element
    for name, inner in item.items():
        step, below = field_set.FIELD + name, fields.get(name) or element
        assert below is not None, "it was checked"
        if below.is_leaf:
            found.members.add(step)
            continue
        inside = FieldSet()
        _collect(below, inner, inside)
        if inside:
            found.children[step] = inside
        if inner is None or inner == {} or name not in fields:
            found.members.add(step)


def _collect_items(of: Type, listed: list[Value], found: FieldSet) -> None:
    assert of.element is not None
    steps = [item_step(of, item) for item in listed]
    counts = Counter(steps)
    for step, item in zip(steps, listed, strict=True):
        if counts[step] == 1 and not of.element.is_leaf:
            inside = FieldSet()
            _collect(of.element, item, inside)
            if inside:
                found.children[step] = inside
        found.members.add(step)


def entries(item: Value) -> Mapping[str, Value]:
    """Return the entries of a map or struct that may be null or absent."""
    return item if isinstance(item, dict) else {}


def items(item: Value) -> list[Value]:
    """Return the items of a list that may be null or absent."""
    return item if isinstance(item, list) else []
