"""The topology domains of one label key over all nodes, as one class of Pods looks at them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scheduler.columns.snapshot import Snapshot
from scheduler.columns.topology import DomainSum, Sources


@dataclass(frozen=True, slots=True)
class Domains:
    """Which domain each row is in. True until a node changes."""

    key: str
    #: intp[N]: the code of the label's value; 0: no such label
    codes: NDArray[np.intp]
    #: one more than the largest code
    size: int
    #: no two rows are in one domain: what happens on a row reaches no other
    alone: bool


def domains_of(nodes: Snapshot, key: str) -> Domains:
    """Return the domains of a topology key."""
    column = nodes.label_codes(key)
    if column is None:
        return Domains(key, np.zeros(nodes.size, np.intp), 1, alone=True)
    codes = column.codes[: nodes.size].astype(np.intp)
    return Domains(key, codes, column.values.size, alone=len(column.values) == np.count_nonzero(codes))


def sum_over(
    nodes: Snapshot, domains: Domains, sources: Sources, eligible: NDArray[np.bool_] | None = None
) -> DomainSum:
    """Return columns summed by the domains, with room for each of these."""
    found = nodes.topology.sum(domains.key, sources, eligible)
    found.reserve(domains.size)
    return found
