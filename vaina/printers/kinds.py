"""The columns of every kind."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from vaina.objects.storage_classes import default_class
from vaina.printers import cluster, network, storage, workloads
from vaina.printers.cells import Value
from vaina.printers.columns import PLAIN, Columns

#: by the name of the kind; upstream prints a kind alike in all its versions
COLUMNS: Final[Mapping[str, Columns]] = {
    **workloads.COLUMNS, **cluster.COLUMNS, **storage.COLUMNS, **network.COLUMNS,
}  # fmt: skip


def columns_of(kind: str) -> Columns:
    """Return the columns of a kind, those of -o wide too."""
    return COLUMNS.get(kind, PLAIN)


#: kind -> finds the name of the object that a list marks as the default one; empty: there is none
DEFAULTS_OF_LISTS: Final[Mapping[str, Callable[[Iterable[Any]], str]]] = {"StorageClass": default_class}


def mark_default(cells: list[Value], default: str) -> None:
    """Mark the object of some cells if its name is that of its list's default one (empty: of none).

    Since 1.37 a list marks the class that claims without one get, and no class is marked that is asked for by
    its name or that a watch tells of (getEffectiveDefaultStorageClass).
    """
    if default and cells[0] == default:
        cells[0] = f"{default} (default)"
