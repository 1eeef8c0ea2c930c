"""What the watch cache must know of a kind: its prefix, and how to read labels and fields off an encoded object.

Pure. The table comes from `vaina.kinds`; storage itself knows no kind.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from google.protobuf.message import Message

from apiserver.storage.excerpt import excerpt
from apiserver.storage.interface import Key
from apiserver.storage.keys import kind_prefix
from vaina.kinds import Kind
from vaina.objects.fields import field_getter, selectable_fields


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind in the cache."""

    #: plural with its group: the label of metrics
    name: str
    #: ends with a slash
    prefix: Key
    #: labels of an encoded object; none of one that cannot be parsed
    labels: Callable[[bytes], Mapping[str, str]]
    #: selectable fields of an encoded object; none of one that cannot be parsed
    fields: Callable[[bytes], Mapping[str, str]]
    #: values of the indexed fields of an encoded object, in the order of `index_fields`
    index_values: Callable[[bytes], tuple[str, ...]]
    #: fields that have an index
    index_fields: tuple[str, ...] = ()


@cache  # as many as there are kinds
def resource_of(kind: Kind[Any]) -> Resource:
    """Return the row of a kind."""
    getters = [field_getter(kind, name) for name in kind.indexed_fields]

    read_labels = excerpt(kind.message, ("metadata.labels",))
    read_index = excerpt(kind.message, kind.indexed_fields)

    def labels(data: bytes) -> Mapping[str, str]:
        message = _parse(read_labels, data)
        return {} if message is None else dict(message.metadata.labels)

    def fields(data: bytes) -> Mapping[str, str]:
        message = _parse(kind.message, data)
        return {} if message is None else selectable_fields(kind, message)

    def index_values(data: bytes) -> tuple[str, ...]:
        message = _parse(read_index, data)
        if message is None:
            return ("",) * len(getters)
        return tuple([getter(message) if getter is not None else "" for getter in getters])

    return Resource(kind.resource, kind_prefix(kind), labels, fields, index_values, kind.indexed_fields)


def _parse(message: type[Message], data: bytes) -> Any:
    """Return the message; None when it cannot be parsed (somebody else stored bytes that are not UTF-8, say)."""
    try:
        return message.FromString(data)
    except Exception:  # noqa: BLE001  # upb raises DecodeError, or ValueError on bad UTF-8; whoever reads the object says so
        return None
