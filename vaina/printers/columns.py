"""Columns: what one shows, and how it is called, and what tables of several kinds have in common.

The names, types, formats and priorities are those of upstream's `pkg/printers/internalversion/printers.go`
(AddHandlers), and so is their order.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final

from vaina.objects.times import format_time
from vaina.printers.cells import UNKNOWN, Cell, Value, at, selector_text, since


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a kind's table. The command writes its name in capitals."""

    name: str
    description: str
    cell: Cell
    #: as in OpenAPI: string, integer, boolean, date
    type: str = "string"
    #: "name" tells clients that the cell is the object's name
    format: str = ""
    #: shown with -o wide alone (priority 1)
    wide: bool = False
    #: what the cell is made of in the object's place; columns of the same one share it in a row
    part: Callable[[Any], Any] | None = None


#: in the order in which they are shown
Columns = Sequence[Column]


def cells_of(columns: Columns, obj: Any, now: float) -> list[Value]:
    """Return the cells of an object; now in seconds since the epoch."""
    cells: list[Value] = []
    parts: dict[Callable[[Any], Any], Any] = {}
    for column in columns:
        part = column.part
        if part is None:
            cells.append(column.cell(obj, now))
            continue
        if part not in parts:
            parts[part] = part(obj)
        cells.append(column.cell(parts[part], now))
    return cells


NAME: Final = Column("Name", "The object's name, which no other one of its kind has in its namespace.",
                     at("metadata.name"), format="name")  # fmt: skip
AGE: Final = Column("Age", "How long ago the object was made.", since("metadata.creation_timestamp"))


def _created(obj: Any, _: float) -> str:
    return format_time(obj.metadata.creation_timestamp) or UNKNOWN


#: of kinds that upstream has no printer for (apiserver `pkg/registry/rest/table.go`, defaultTableConvertor)
PLAIN: Final[Columns] = (NAME, Column("Created At", "When the object was made.", _created, "date"))


def named(*columns: Column, wide: Columns = ()) -> Columns:
    """Return columns between the name and the age, those of -o wide behind them."""
    return (NAME, *columns, AGE, *wide)


def integer(name: str, description: str, cell: Cell) -> Column:
    """Return a column of whole numbers."""
    return Column(name, description, cell, "integer")


def boolean(name: str, description: str, cell: Cell) -> Column:
    """Return a column of booleans."""
    return Column(name, description, cell, "boolean")


def wide(name: str, description: str, cell: Cell) -> Column:
    """Return a column of -o wide."""
    return Column(name, description, cell, wide=True)


def of_template(path: str, *, is_wide: bool = True) -> tuple[Column, Column]:
    """Return the columns of the containers of the Pod template at a path."""
    read = attrgetter(f"{path}.spec.containers")
    names = "The names of the template's containers."
    images = "The images of the template's containers."
    return (
        Column("Containers", names, lambda obj, _: ",".join(one.name for one in read(obj)), wide=is_wide),
        Column("Images", images, lambda obj, _: ",".join(one.image for one in read(obj)), wide=is_wide),
    )


def selecting(path: str) -> Column:
    """Return the column of the selector at a path."""
    read = attrgetter(path)
    return wide(
        "Selector", "Which Pods belong to it, by their labels.", lambda obj, _: selector_text(read(obj))
    )
