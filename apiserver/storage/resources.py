"""What the watch cache knows of a kind: its prefix, and how to read labels and fields of an encoded object.

Pure. The table comes from `vaina.kinds`; storage itself knows no kind.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Final

from google.protobuf.message import Message

from apiserver.storage.codec import varint
from apiserver.storage.interface import Key
from apiserver.storage.keys import kind_prefix
from vaina.api.meta.v1 import meta_pb2
from vaina.kinds import Kind
from vaina.objects.excerpt import excerpt
from vaina.objects.fields import field_getter, selectable_fields

#: labels that are remembered by their bytes: Pods of a Deployment, or a load, have the same
_MAPS: Final = 1024
#: labels of larger objects are read each time, so that what is remembered stays below 16 MiB
_MAX_BYTES: Final = 16 * 1024
#: `labels`, field 11 of metadata
_LABELS: Final = b"\x5a"


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
    getters = [field_getter(kind, name) or _nothing for name in kind.indexed_fields]
    only = getters[0] if len(getters) == 1 else None

    read_labels = excerpt(kind.message, ("metadata.labels",), raw=True).FromString
    read_index = excerpt(kind.message, kind.indexed_fields).FromString

    def labels(data: bytes) -> Mapping[str, str]:
        try:
            message: Any = read_labels(data)
        except Exception:  # noqa: BLE001 - as in `_parse`
            return {}
        entries = tuple(message.metadata.labels[:])
        return _labels_of(entries) if len(data) <= _MAX_BYTES else _labels_of.__wrapped__(entries)

    def fields(data: bytes) -> Mapping[str, str]:
        message = _parse(kind.message, data)
        return {} if message is None else selectable_fields(kind, message)

    def index_values(data: bytes) -> tuple[str, ...]:
        try:
            message = read_index(data)
        except Exception:  # noqa: BLE001 - as in `_parse`
            return ("",) * len(getters)
        return (only(message),) if only is not None else tuple([getter(message) for getter in getters])

    return Resource(kind.resource, kind_prefix(kind), labels, fields, index_values, kind.indexed_fields)


@lru_cache(maxsize=_MAPS)
def _labels_of(entries: tuple[bytes, ...]) -> Mapping[str, str]:
    """Return labels by their encoded entries, not to be changed; none when they cannot be parsed."""
    data = b"".join([part for entry in entries for part in (_LABELS, varint(len(entry)), entry)])
    message = _parse(meta_pb2.ObjectMeta, data)
    return {} if message is None else dict(message.labels)


def _nothing(_message: Any) -> str:
    return ""


def _parse(message: type[Message], data: bytes) -> Any:
    """Return the message; None when it cannot be parsed (somebody else stored bytes that are not UTF-8, say)."""
    try:
        return message.FromString(data)
    except Exception:  # noqa: BLE001  # upb raises DecodeError, or ValueError on bad UTF-8; whoever reads the object says so
        return None
