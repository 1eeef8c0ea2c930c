"""From a message to the plain values of its JSON form, exactly as upstream shows it.

Called by `manifest`. A table of writers per message type is compiled once (json_format is three times slower,
and wrong for inlined structs, Time, Quantity and fields that are always shown). Keys come in the order of the
fields.
"""

import base64
from collections.abc import Callable
from functools import cache, partial
from typing import Any, Final

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from vaina.durations import go_duration
from vaina.objects.schema import Field, Shape, Unset, schema_of
from vaina.objects.times import format_time
from vaina.objects.tree import TextError, parse_one

#: the plain values of JSON: dict, list, str, int, bool, None; Number inside raw values
Json = Any
_Write = Callable[[Any], Json]


def _raw(value: Any) -> Json:
    if not value.raw:
        return None
    try:
        return parse_one(value.raw)
    except TextError:
        # Decoding refuses such a value; one that an older store holds must not make its whole list unreadable.
        return None


def _as_it_is(value: Any) -> Json:
    return value


_WRITERS: Final[dict[Shape, _Write]] = {
    Shape.STRING: _as_it_is,
    Shape.BOOL: _as_it_is,
    Shape.INT32: _as_it_is,
    Shape.INT64: _as_it_is,
    Shape.BYTES: lambda value: base64.b64encode(value).decode(),
    Shape.QUANTITY: lambda value: value.string or "0",
    Shape.INT_OR_STRING: lambda value: value.str_val if value.type == 1 else value.int_val,
    Shape.TIME: format_time,
    Shape.MICRO_TIME: partial(format_time, micro=True),
    Shape.RAW: _raw,
    Shape.TEXTS: lambda value: list(value.items),
    Shape.DURATION: lambda value: go_duration(value.duration / 1e9),
}
_ZEROS: Final[dict[Shape, Json]] = {
    Shape.STRING: "", Shape.BOOL: False, Shape.INT32: 0, Shape.INT64: 0, Shape.BYTES: None, Shape.QUANTITY: "0",
    Shape.INT_OR_STRING: 0, Shape.DURATION: "0s",
}  # fmt: skip


class _Encoder:
    __slots__ = ("_inlined", "_shown_unset", "_writers")

    def __init__(self, descriptor: Descriptor) -> None:
        schema = schema_of(descriptor)
        self._writers = {number: _field_writer(item) for number, item in schema.by_number.items()}
        self._inlined = [item for item in schema.shown_unset if item.inline]
        #: of the others: names, and what they show when they are unset
        self._shown_unset = [
            (item.json_name, partial(_unset_value, item)) for item in schema.shown_unset if not item.inline
        ]

    def write(self, message: Message, out: dict[str, Json]) -> None:
        writers = self._writers
        for descriptor, value in message.ListFields():
            writers[descriptor.number](value, out)
        for item in self._inlined:
            if not message.HasField(item.name):
                _write_unset_inline(item, out)
        for name, unset in self._shown_unset:
            if name not in out:
                out[name] = unset()


def _write_unset_inline(item: Field, out: dict[str, Json]) -> None:
    assert item.message is not None
    for inner in schema_of(item.message).shown_unset:
        if inner.inline:
            _write_unset_inline(inner, out)
        else:
            out[inner.json_name] = _unset_value(inner)


def _unset_value(item: Field) -> Json:
    if item.unset is Unset.NULL:
        return None
    if item.shape is not Shape.MESSAGE:
        return _ZEROS[item.shape]
    empty: dict[str, Json] = {}
    _write_unset_inline(item, empty)
    return empty


@cache  # as many entries as there are message types
def _encoder(descriptor: Descriptor) -> _Encoder:
    return _Encoder(descriptor)


def _writer_of_messages(descriptor: Descriptor) -> _Write:
    """Return what writes messages of a type. One may be a part of itself: it is looked up when it is used."""
    found: list[_Encoder] = []

    def write(value: Any) -> Json:
        if not found:
            found.append(_encoder(descriptor))
        inner: dict[str, Json] = {}
        found[0].write(value, inner)
        return inner

    return write


def _plain_writer(name: str) -> Callable[[Any, dict[str, Json]], None]:
    """Return what writes one value as it is: most fields are such, and each costs a call less so."""

    def write_plain(value: Any, out: dict[str, Json]) -> None:
        out[name] = value

    return write_plain


def _field_writer(item: Field) -> Callable[[Any, dict[str, Json]], None]:
    name, message = item.json_name, item.message
    if item.shape is Shape.MESSAGE:
        assert message is not None
        write = _writer_of_messages(message)
    else:
        write = _WRITERS[item.shape]
        if write is _as_it_is and not (item.is_map or item.is_list):
            return _plain_writer(name)

    def write_inline(value: Any, out: dict[str, Json]) -> None:
        assert message is not None
        _encoder(message).write(value, out)

    def write_map(value: Any, out: dict[str, Json]) -> None:
        # Sorted, as Go does: the order of a map in memory changes from process to process.
        out[name] = {key: write(value[key]) for key in sorted(value)}

    def write_list(value: Any, out: dict[str, Json]) -> None:
        out[name] = [write(entry) for entry in value]

    def write_one(value: Any, out: dict[str, Json]) -> None:
        written = write(value)
        if written is not None or not hide_null:
            out[name] = written

    hide_null = item.is_struct and item.unset is Unset.HIDDEN
    if item.inline:
        return write_inline
    if item.is_map:
        return write_map
    return write_list if item.is_list else write_one


def message_to_dict(message: Message) -> dict[str, Json]:
    """Return the JSON form of any message, without apiVersion and kind."""
    out: dict[str, Json] = {}
    _encoder(message.DESCRIPTOR).write(message, out)
    return out
