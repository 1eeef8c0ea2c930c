"""The topology domains of one label key over all nodes, as one class of Pods looks at them."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scheduler.columns.domain_sums import DomainSum, Sources
from scheduler.columns.labels import Domains
from scheduler.columns.snapshot import Snapshot

#: so many rows are looked at one by one; more, as arrays
ONE_BY_ONE: Final = 24


def domains_of(nodes: Snapshot, key: str) -> Domains:
    """Return the domains of a topology key."""
    column = nodes.label_codes(key)
    if column is None:
        return Domains(key, np.zeros(nodes.size, np.intp), 1, alone=True)
    return column.domains(key, nodes.size)


#: so many combinations of domains at most are worth looking at before rows
CELLS: Final = 4096


def combine(axes: Sequence[tuple[NDArray[np.intp], int]]) -> NDArray[np.intp] | None:
    """Return one number a row for a combination of codes, the last axis fastest.

    None: there are too many combinations.

    Args:
        axes: codes by row, and one more than the largest.
    """
    total = 1
    for _, size in axes:
        total *= size
    if total > CELLS or not axes:
        return None
    cells = axes[0][0]
    for codes, size in axes[1:]:
        cells = cells * size + codes
    return cells


def sum_over(
    nodes: Snapshot, domains: Domains, sources: Sources, eligible: NDArray[np.bool_] | None = None
) -> DomainSum:
    """Return columns summed by the domains, with room for each of these."""
    found = nodes.topology.sum(domains.key, sources, eligible)
    found.reserve(domains.size)
    return found


class SeenSum:
    """A sum over domains, and what it was when it was looked at last. Owned by one class's cycle."""

    __slots__ = ("_seen", "_version", "domains", "sum")

    def __init__(self, domains: Domains, summed: DomainSum) -> None:
        self.domains, self.sum = domains, summed
        #: int64[domains]
        self._seen, self._version = summed.values.copy(), summed.version

    def changed(self, rows: Sequence[int], *, sign_only: bool = False) -> tuple[list[int], bool]:
        """Look again; return the rows whose domain has another sum, and whether such a domain has further rows.

        Args:
            rows: all on which Pods came or went since the last look. Of each changed domain some of these are
                returned; where it has further rows (the second answer), the caller has to look at all rows.
            sign_only: a sum that is more than 0, as it was, has not changed.
        """
        summed = self.sum
        if summed.version == self._version:
            return [], False
        self._version = summed.version
        codes, values, seen = self.domains.codes, summed.values, self._seen
        found: list[int] = []
        if len(rows) > ONE_BY_ONE:
            some = np.fromiter(rows, np.intp, len(rows))
            where = codes[some]
            before, now = seen[where], values[where]
            differs = (before > 0) != (now > 0) if sign_only else before != now
            seen[where] = now
            found = some[differs].tolist()
        else:
            for row in rows:
                code = codes.item(row)
                was, holds = seen.item(code), values.item(code)
                if was == holds:
                    continue
                seen[code] = holds
                if not sign_only or (was > 0) != (holds > 0):
                    found.append(row)
        return found, bool(found) and not self.domains.alone
