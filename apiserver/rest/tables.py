"""PURE: objects as rows of a Table (meta.k8s.io/v1), as upstream's printers show them.

Called by `answers` for each object; `forms` asks whether a resource has rows at all. The columns are those of
`vaina get` (`vaina/printers`). Follows `pkg/printers/storage/storage.go` (a Table always has the columns of
-o wide; clients leave out those of priority 1) and apiserver `pkg/registry/rest/table.go` (kinds without columns
of their own).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple

from vaina.kinds import Kind
from vaina.objects.views import VIEWS, View
from vaina.printers.cells import Value
from vaina.printers.columns import Columns, cells_of
from vaina.printers.kinds import COLUMNS, DEFAULTS_OF_LISTS, columns_of


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

    #: as many as there are columns: texts, integers, booleans
    cells: list[Value]
    #: of the row, as JSON: that what it shows is completed
    conditions: Sequence[Mapping[str, object]] = ()


@dataclass(frozen=True, slots=True)
class Rows:
    """How a resource is shown."""

    columns: tuple[Column, ...]
    #: makes the row of a message, at a time (seconds since 1970)
    row: Callable[[Any, float], Row]
    #: finds the name of the object that a list marks as the default one; None: no list of it marks any
    find_default: Callable[[Iterable[Any]], str] | None = None


#: the phase of a Pod that is over -> the conditions of its row (`printers.go`, podSuccessConditions)
_COMPLETED: Final = {
    phase: ({"type": "Completed", "status": "True", "reason": phase, "message": message},)
    for phase, message in (
        ("Succeeded", "The pod has completed successfully."),
        ("Failed", "The pod failed."),
    )
}


def _maker(columns: Columns, *, completes: bool) -> Callable[[Any, float], Row]:
    def row(message: Any, now: float) -> Row:
        conditions = _COMPLETED.get(message.status.phase, ()) if completes else ()
        return Row(cells_of(columns, message, now), conditions)

    return row


def _of_stored(view: View, make: Callable[[Any, float], Row]) -> Callable[[Any, float], Row]:
    """Return what makes rows of another form of a kind: they show what is stored."""
    return lambda message, now: make(view.write(message), now)


@lru_cache(maxsize=256)
def rows_of(shape: Kind[Any]) -> Rows | None:
    """Return how a resource is shown; None: never as a Table."""
    # What is answered and never kept (reviews, Status) has no service of its own.
    if not shape.service and shape.kind not in COLUMNS:
        return None
    found = columns_of(shape.kind)
    make = _maker(found, completes=shape.kind == "Pod")
    view = next((one for one in VIEWS if one.shape == shape), None)
    if view is not None:
        make = _of_stored(view, make)
    definitions = tuple(
        Column(one.name, one.type, one.format, one.description, int(one.wide)) for one in found
    )
    return Rows(definitions, make, DEFAULTS_OF_LISTS.get(shape.kind))
