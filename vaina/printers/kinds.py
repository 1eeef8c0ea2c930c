"""The columns of every kind."""

from collections.abc import Mapping
from typing import Final

from vaina.printers import cluster, network, storage, workloads
from vaina.printers.columns import PLAIN, Columns

#: by the name of the kind; upstream prints a kind alike in all its versions
COLUMNS: Final[Mapping[str, Columns]] = {
    **workloads.COLUMNS, **cluster.COLUMNS, **storage.COLUMNS, **network.COLUMNS,
}  # fmt: skip


def columns_of(kind: str) -> Columns:
    """Return the columns of a kind, those of -o wide too."""
    return COLUMNS.get(kind, PLAIN)
