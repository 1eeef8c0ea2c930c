"""PURE: objects as rows of a Table (meta.k8s.io/v1), as upstream's printers show them.

Called by `answers` for each object; `forms` asks whether a resource has rows at all. Follows apiserver
`pkg/registry/rest/table.go` (what has no columns of its own) and kubernetes `pkg/printers/internalversion`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from vaina.kinds import Kind
from vaina.objects.times import format_time


class Column(NamedTuple):
    """A column's definition."""

    name: str
    type: str = "string"
    format: str = ""
    description: str = ""
    #: 0: always shown; 1: with -o wide
    priority: int = 0


class Row(NamedTuple):
    """An object's row."""

    #: as many as there are columns: texts, integers, None
    cells: Sequence[object]
    #: of the row, as JSON: that what it shows is completed
    conditions: Sequence[Mapping[str, object]] = ()


@dataclass(frozen=True, slots=True)
class Rows:
    """How a resource is shown."""

    columns: tuple[Column, ...]
    #: makes the row of a message, at a time (seconds since 1970)
    row: Callable[[Any, float], Row]


def _plain_row(message: Any, _now: float) -> Row:
    meta = message.metadata
    return Row([meta.name, format_time(meta.creation_timestamp)])


_PLAIN = Rows((Column("Name", format="name"), Column("Created At", "date")), _plain_row)


def rows_of(shape: Kind[Any]) -> Rows | None:
    """Return how a resource is shown; None: never as a Table."""
    return _PLAIN if shape.plural else None
