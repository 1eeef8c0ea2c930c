"""What the watch cache must know of a kind: its prefix, and how to read labels and fields off an encoded object.

Pure. The table comes from `vaina.kinds`; storage itself knows no kind.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from apiserver.storage.excerpt import excerpt
from apiserver.storage.interface import Key
from apiserver.storage.keys import kind_prefix
from vaina.kinds import Kind
from vaina.objects.fields import field_getter, selectable_fields


class Attributes(NamedTuple):
    """What selectors see of an object."""

    labels: Mapping[str, str]
    fields: Mapping[str, str]


#: of an object that cannot be parsed: selected by nothing but the absence of labels
UNREADABLE = Attributes({}, {})


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind in the cache."""

    #: plural with its group: the label of metrics
    name: str
    #: ends with a slash
    prefix: Key
    #: labels and selectable fields of an encoded object
    attributes: Callable[[bytes], Attributes]
    #: values of the indexed fields of an encoded object, in the order of `index_fields`
    index_values: Callable[[bytes], tuple[str, ...]]
    #: fields that have an index
    index_fields: tuple[str, ...] = ()


def resource_of(kind: Kind[Any]) -> Resource:
    """Return the row of a kind."""
    getters = [field_getter(kind, name) for name in kind.indexed_fields]

    def attributes(data: bytes) -> Attributes:
        message = _parse(kind, data)
        if message is None:
            return UNREADABLE
        return Attributes(dict(message.metadata.labels), selectable_fields(kind, message))

    parse = excerpt(kind.message, kind.indexed_fields).FromString

    def index_values(data: bytes) -> tuple[str, ...]:
        try:
            message = parse(data)
        except Exception:  # noqa: BLE001  # as in _parse
            return ("",) * len(getters)
        return tuple([getter(message) if getter is not None else "" for getter in getters])

    return Resource(kind.resource, kind_prefix(kind), attributes, index_values, kind.indexed_fields)


def _parse(kind: Kind[Any], data: bytes) -> Any:
    """Return the message; None when it cannot be parsed (somebody else stored bytes that are not UTF-8, say)."""
    try:
        return kind.message.FromString(data)
    except Exception:  # noqa: BLE001  # upb raises DecodeError, or ValueError on bad UTF-8; whoever reads the object says so
        return None
