"""Hypothesis strategies for objects of any kind, made from their descriptors.

Every field may be set, in any valid way.
"""

import json
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from hypothesis import strategies as st

from vaina.kinds import Kind
from vaina.objects.normalise import normalise
from vaina.objects.schema import Field, Schema, Shape, schema_of

#: deeper messages stay empty
MAX_DEPTH = 5
TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
WORDS = st.sampled_from(
    [
        "",
        "a",
        "true",
        "y",
        "1",
        "0x1",
        "1e3",
        "null",
        "~",
        "2001-01-01",
        "a: b",
        "- a",
        "#",
        "é",
        "a\nb",
        " x ",
        "<<",
    ]
)
STRINGS = TEXT | WORDS
#: Below 2^63, which is what a quantity may be: beyond, Kubernetes' own types show 25000E as 25.
QUANTITIES = st.builds(
    lambda number, suffix: f"{number}{suffix}",
    st.decimals(min_value=-1000, max_value=100000, places=3).map(str),
    st.sampled_from(["", "m", "k", "M", "Ki", "Mi", "Gi", "e3", "u"]),
) | st.integers(-9, 9).map(lambda number: f"{number}E")
#: years 1 to 9999
SECONDS = st.integers(-62135596799, 253402300799)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | STRINGS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=5,
)


def _raw(value: Any) -> dict[str, bytes]:
    return {"raw": json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()}


def _value(item: Field, depth: int) -> st.SearchStrategy[Any]:
    match item.shape:
        case Shape.STRING:
            return STRINGS
        case Shape.BOOL:
            return st.booleans()
        case Shape.INT32:
            return st.integers(-(2**31), 2**31 - 1)
        case Shape.INT64:
            return st.integers(-(2**63), 2**63 - 1)
        case Shape.BYTES:
            return st.binary(max_size=6)
        case Shape.QUANTITY:
            return QUANTITIES.map(lambda text: {"string": text})
        case Shape.INT_OR_STRING:
            numbers = st.integers(-(2**31), 2**31 - 1).map(lambda number: {"int_val": number})
            return numbers | STRINGS.map(lambda text: {"type": 1, "str_val": text})
        case Shape.TIME | Shape.MICRO_TIME:
            return st.builds(lambda s, n: {"seconds": s, "nanos": n}, SECONDS, st.integers(0, 999_999_999))
        case Shape.RAW:
            return JSON_VALUES.filter(lambda value: value is not None).map(_raw)
        case Shape.TEXTS:
            return st.lists(STRINGS, max_size=2).map(lambda texts: {"items": texts})
        case Shape.MESSAGE:
            assert item.message is not None
            return st.deferred(lambda: _fields(schema_of(item.message), depth + 1))  # type: ignore[arg-type]


def _field(item: Field, depth: int) -> st.SearchStrategy[Any]:
    value = _value(item, depth)
    if item.is_list:
        return st.lists(value, max_size=2)
    if item.is_map:
        return st.dictionaries(STRINGS, value, max_size=2)
    return value


@cache
def _chooser(descriptor: Descriptor, depth: int) -> st.SearchStrategy[list[Field]]:
    own = list(schema_of(descriptor).by_number.values())
    return st.lists(st.sampled_from(own), max_size=4 if depth else 6, unique_by=lambda item: item.number)


def _fields(schema: Schema, depth: int) -> st.SearchStrategy[dict[str, Any]]:
    """Return keyword arguments for the message's constructor: a few of its fields."""
    if depth > MAX_DEPTH or not schema.by_number:
        return st.just({})
    return _chooser(schema.descriptor, min(depth, 1)).flatmap(
        lambda chosen: st.fixed_dictionaries({item.name: _field(item, depth) for item in chosen})
    )


def messages(kind: Kind[Any], *, normal: bool = True) -> st.SearchStrategy[Message]:
    """Return objects of a kind; in their normal form unless told otherwise."""

    def build(arguments: dict[str, Any]) -> Message:
        message = kind.message(**arguments)
        assert isinstance(message, Message)
        if normal:
            normalise(message)
        return message

    return _fields(schema_of(kind.message.DESCRIPTOR), 0).map(build)
