"""The topology domains of one label key over all nodes, as one class of Pods looks at them."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scheduler.columns.domain_sums import DomainSum, Sources
from scheduler.columns.labels import Domains
from scheduler.columns.snapshot import Snapshot

#: so many cells at most are looked at one by one
MOST_CELLS: Final = 64
#: values this far apart at most are numbered by a table
_TABLE: Final = 65_536


def domains_of(nodes: Snapshot, key: str) -> Domains:
    """Return the domains of a topology key."""
    column = nodes.label_codes(key)
    if column is None:
        return Domains(key, np.zeros(nodes.size, np.int32), 1, alone=True, labelled=0)
    return column.domains(key, nodes.size)


def sum_over(
    nodes: Snapshot, domains: Domains, sources: Sources, eligible: NDArray[np.bool_] | None = None
) -> DomainSum:
    """Return columns summed by the domains, with room for each of these."""
    found = nodes.topology.sum(domains.key, sources, eligible)
    found.reserve(domains.size)
    return found


def cells_of(axes: Sequence[NDArray[np.integer]]) -> tuple[NDArray[np.intp] | None, int] | None:
    """Divide rows into cells of which all rows have the same values: the cell of each row (intp[N]; None: all
    are in one), and how many there are.

    None: there are more than `MOST_CELLS`.
    """
    cells: NDArray[np.intp] | None = None
    count = 1
    for axis in axes:
        combined = axis.astype(np.intp) if cells is None else cells * (int(axis.max(initial=0)) + 1) + axis
        numbered = _number(combined)
        if numbered is None:
            return None
        cells, count = numbered
        if count == 1:
            cells = None
    return cells, count


def _number(values: NDArray[np.intp]) -> tuple[NDArray[np.intp], int] | None:
    """Return values as 0, 1, ..., and how many different ones there are; None: too many."""
    if not len(values):
        return values, 1
    low, high = int(values.min()), int(values.max())
    if high - low >= _TABLE:
        present, numbers = np.unique(values, return_inverse=True)
        return (numbers.astype(np.intp), len(present)) if len(present) <= MOST_CELLS else None
    present = np.flatnonzero(np.bincount(values - low))
    if len(present) > MOST_CELLS:
        return None
    table = np.zeros(high - low + 1, np.intp)
    table[present] = np.arange(len(present))
    return table[values - low], len(present)
