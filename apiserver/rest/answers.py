"""PURE: encoded objects, lists and events in the form that a client asked for.

Objects come in as the bytes that the handlers answer with. In protobuf they go out as those same bytes, in
Kubernetes' envelope; JSON, YAML and Tables are made of the parsed message. Follows apiserver
`pkg/endpoints/handlers/response.go` (doTransformObject, asTable, watchEncoder), apimachinery
`pkg/runtime/serializer/json/collections.go` and `protobuf/protobuf.go`.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

import msgspec

from apiserver.rest.forms import INCLUDE_NONE, INCLUDE_OBJECT, META_GROUP, PARTIAL, TABLE, Form, Media
from apiserver.rest.served import STATUS
from apiserver.rest.tables import Rows, rows_of
from vaina.api.meta.v1 import meta_pb2, raw_pb2
from vaina.kinds import Kind
from vaina.objects.encode import message_to_dict
from vaina.objects.envelope import envelope_head
from vaina.objects.tree import compact_json
from vaina.objects.watch import INITIAL_EVENTS_END
from vaina.objects.yaml_text import write_yaml
from vaina.printers.kinds import mark_default

#: tags of fields with a length: `metadata` of a list, `type` of a WatchEvent, `raw` of a RawExtension
_FIELD_1: Final = b"\x0a"
#: ... `items` of a list, `object` of a WatchEvent
_FIELD_2: Final = b"\x12"
_INDENT: Final = 2
#: an object, or a list's item, as plain values
_Values = dict[str, Any]


def varint(number: int) -> bytes:
    """Return a number as protobuf writes lengths."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _envelope(api_version: str, kind: str, data: bytes) -> bytes:
    return b"".join((envelope_head(api_version, kind), varint(len(data)), data))


@lru_cache(maxsize=512)
def _json_head(api_version: str, kind: str) -> bytes:
    return compact_json({"kind": kind, "apiVersion": api_version})[:-1]


def _json(api_version: str, kind: str, values: _Values) -> bytes:
    """Return an object as compact JSON."""
    body, head = compact_json(values), _json_head(api_version, kind)
    return b"".join((head, b",", body[1:])) if values else head + b"}"


def _typed(api_version: str, kind: str, values: _Values) -> _Values:
    return {"kind": kind, "apiVersion": api_version, **values}


def _partial_version(form: Form) -> str:
    return f"{META_GROUP}/{form.as_version}"


def _metadata(data: bytes) -> meta_pb2.ObjectMeta:
    """Return the metadata of an object of any kind: its field 1."""
    return meta_pb2.PartialObjectMetadata.FromString(data).metadata


def _written(form: Form, api_version: str, kind: str, values: _Values) -> bytes:
    """Return an object that is a whole answer, in a form of text."""
    if form.media is Media.YAML:
        return write_yaml(_typed(api_version, kind, values)).encode()
    written = _json(api_version, kind, values)
    return msgspec.json.format(written, indent=_INDENT) if form.pretty else written + b"\n"


def _shown(
    form: Form, shape: Kind[Any], data: bytes, now: float, *, headers: bool
) -> tuple[str, str, _Values]:
    """Return apiVersion, kind and values of an object in a form of text."""
    if form.as_kind == TABLE:
        rows = rows_of(shape)
        assert rows is not None, "such a form is not chosen"
        return _partial_version(form), TABLE, _table_of_one(form, shape, rows, data, now, headers=headers)
    if form.as_kind:
        return _partial_version(form), PARTIAL, message_to_dict(_partial(data))
    return shape.api_version, shape.kind, message_to_dict(shape.message.FromString(data))


def _partial(data: bytes) -> meta_pb2.PartialObjectMetadata:
    partial = meta_pb2.PartialObjectMetadata.FromString(data)
    partial.DiscardUnknownFields()
    return partial


def write_object(form: Form, shape: Kind[Any], data: bytes, now: float) -> bytes:
    """Return an encoded object as an answer; `now` is the time that a Table's ages are counted from."""
    if form.media is Media.PROTOBUF:
        if not form.as_kind:
            return _envelope(shape.api_version, shape.kind, data)
        return _envelope(_partial_version(form), PARTIAL, _partial(data).SerializeToString())
    return _written(form, *_shown(form, shape, data, now, headers=True))


def write_status(form: Form, status: meta_pb2.Status) -> bytes:
    """Return a Status as an answer; one is never made a Table or metadata alone."""
    if form.media is Media.PROTOBUF:
        return _envelope(STATUS.api_version, STATUS.kind, status.SerializeToString())
    return _written(form, STATUS.api_version, STATUS.kind, message_to_dict(status))


def _column_definitions(rows: Rows) -> list[_Values]:
    return [column._asdict() for column in rows.columns]


def _row(form: Form, shape: Kind[Any], rows: Rows, data: bytes, now: float, default: str = "") -> _Values:
    """Return a row of a Table; `default` names the object that is marked as such."""
    message = shape.message.FromString(data)
    row = rows.row(message, now)
    mark_default(row.cells, default)
    values: _Values = {"cells": row.cells}
    if row.conditions:
        values["conditions"] = row.conditions
    if form.include == INCLUDE_OBJECT:
        values["object"] = _typed(shape.api_version, shape.kind, message_to_dict(message))
    elif form.include == INCLUDE_NONE and INITIAL_EVENTS_END not in message.metadata.annotations:
        values["object"] = None
    else:
        metadata = {"metadata": message_to_dict(message.metadata)}
        values["object"] = _typed(_partial_version(form), PARTIAL, metadata)
    return values


def _table_of_one(
    form: Form, shape: Kind[Any], rows: Rows, data: bytes, now: float, *, headers: bool
) -> _Values:
    version = _metadata(data).resource_version
    return {
        "metadata": {"resourceVersion": version} if version else {},
        "columnDefinitions": _column_definitions(rows) if headers else None,
        "rows": [_row(form, shape, rows, data, now)],
    }


class ListWriter:
    """Writes one list in a form of text, item by item. Owned by the task of its request."""

    def __init__(self, form: Form, shape: Kind[Any], now: float) -> None:
        """Make it; `now` is the time that a Table's ages are counted from."""
        self._form, self._shape, self._now = form, shape, now
        self._rows = rows_of(shape) if form.as_kind == TABLE else None
        self._name = "items" if self._rows is None else "rows"
        self._is_first = True
        #: the name of the object that is marked as the default one; empty: none is
        self._default = ""

    def begin(self, metadata: meta_pb2.ListMeta) -> bytes:
        """Return what stands before the items."""
        form, shape = self._form, self._shape
        if form.as_kind:
            api_version = _partial_version(form)
            kind = f"{PARTIAL}List" if self._rows is None else TABLE
        else:
            api_version, kind = shape.api_version, f"{shape.kind}List"
        values: _Values = {"metadata": message_to_dict(metadata)}
        if self._rows is not None:
            values["columnDefinitions"] = _column_definitions(self._rows)
        if form.media is Media.YAML:
            return write_yaml(_typed(api_version, kind, values)).encode()
        head = _json(api_version, kind, values)
        if form.pretty:
            return msgspec.json.format(head, indent=_INDENT)[:-2] + f',\n  "{self._name}": ['.encode()
        return head[:-1] + f',"{self._name}":['.encode()

    def look_ahead(self, items: Iterable[bytes]) -> None:
        """Find out which of the next items is marked: of a list of several pages one of each may be."""
        if self._rows is not None and self._rows.find_default is not None:
            self._default = self._rows.find_default(map(self._shape.message.FromString, items))

    def item(self, data: bytes) -> bytes:
        """Return one item, with what stands between it and the one before."""
        is_first, self._is_first = self._is_first, False
        values = self._values(data)
        if self._form.media is Media.YAML:
            written = write_yaml([values])
            return (f"{self._name}:\n{written}" if is_first else written).encode()
        compact = compact_json(values)
        if not self._form.pretty:
            return compact if is_first else b"," + compact
        indented = msgspec.json.format(compact, indent=_INDENT).replace(b"\n", b"\n    ")
        return (b"\n    " if is_first else b",\n    ") + indented

    def end(self) -> bytes:
        """Return what stands after the items."""
        if self._form.media is Media.YAML:
            return f"{self._name}: []\n".encode() if self._is_first else b""
        if self._form.pretty:
            return b"]\n}" if self._is_first else b"\n  ]\n}"
        return b"]}\n"

    def _values(self, data: bytes) -> _Values:
        form, shape = self._form, self._shape
        if self._rows is not None:
            return _row(form, shape, self._rows, data, self._now, self._default)
        if form.as_kind:
            return _typed(_partial_version(form), PARTIAL, message_to_dict(_partial(data)))
        # As upstream's: of which kind the items are, their list says.
        return message_to_dict(shape.message.FromString(data))


def list_envelope(form: Form, shape: Kind[Any], metadata: meta_pb2.ListMeta, size: int) -> bytes:
    """Return what stands before the items of a list in protobuf, which have `size` bytes all together."""
    if form.as_kind:
        head = envelope_head(_partial_version(form), f"{PARTIAL}List")
    else:
        head = envelope_head(shape.api_version, f"{shape.kind}List")
    before = raw_pb2.RawList(metadata=metadata).SerializeToString()
    return b"".join((head, varint(len(before) + size), before))


def list_item(form: Form, data: bytes) -> bytes:
    """Return one item as it is in a list in protobuf."""
    item = _partial(data).SerializeToString() if form.as_kind else data
    return b"".join((_FIELD_2, varint(len(item)), item))


def split_page(page: bytes) -> tuple[meta_pb2.ListMeta, bytes]:
    """Return a list's metadata, and its items as they are encoded: the handlers write them after it."""
    if not page.startswith(_FIELD_1):
        return meta_pb2.ListMeta(), page
    size, at = page[1], 2
    assert size < 0x80 or page[at] < 0x80, "the metadata of a list has 16 KiB at most"
    if size >= 0x80:
        size, at = size & 0x7F | page[at] << 7, at + 1
    return meta_pb2.ListMeta.FromString(page[at : at + size]), page[at + size :]


def write_event(
    form: Form, shape: Kind[Any], event_type: str, data: bytes, now: float, *, headers: bool = False
) -> bytes:
    """Return one event of a watch as it is sent: a line of JSON, or a frame of protobuf with its length.

    Args:
        form: of JSON or protobuf.
        shape: of the object.
        event_type: ADDED, MODIFIED, DELETED, BOOKMARK.
        data: the encoded object.
        now: the time that a Table's ages are counted from.
        headers: a Table comes with its columns: in the first event of a watch.
    """
    if form.media is Media.PROTOBUF:
        return _frame(event_type, write_object(form, shape, data, now))
    return _line(event_type, _json(*_shown(form, shape, data, now, headers=headers)))


def write_error(form: Form, status: meta_pb2.Status) -> bytes:
    """Return the event that a watch ends with when it fails."""
    if form.media is Media.PROTOBUF:
        return _frame("ERROR", write_status(form, status))
    return _line("ERROR", _json(STATUS.api_version, STATUS.kind, message_to_dict(status)))


def _line(event_type: str, written: bytes) -> bytes:
    return b"".join((b'{"type":"', event_type.encode(), b'","object":', written, b"}\n"))


def _frame(event_type: str, envelope: bytes) -> bytes:
    # The object is a RawExtension, whose field 1 is the envelope.
    extension = b"".join((_FIELD_1, varint(len(envelope)), envelope))
    name = event_type.encode()
    event = b"".join((_FIELD_1, varint(len(name)), name, _FIELD_2, varint(len(extension)), extension))
    return len(event).to_bytes(4, "big") + event
