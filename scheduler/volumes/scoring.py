"""PURE: how good nodes are for a Pod's claims, by how much of the storage there the claims would take.

Follows `pkg/scheduler/framework/plugins/volumebinding` (Score of volume_binding.go, scorer.go): claims of one
class count together, classes count alike. Where a claim gets a volume that is there, the volumes' sizes count
alone; elsewhere what the drivers say that they have left, once a class, and claims of which no driver says it
not at all.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scheduler.columns.snapshot import Snapshot
from scheduler.framework.interface import Scores
from scheduler.framework.resource_scoring import MAX_UTILIZATION
from scheduler.volumes.catalogue import Catalogue
from scheduler.volumes.matching import Found


@dataclass(slots=True)
class _OfClass:
    """The claims of one class. N is the number of rows."""

    #: bool[N]: the class counts there
    counts: NDArray[np.bool_]
    #: int64[N] each, in bytes
    requested: NDArray[np.int64]
    capacity: NDArray[np.int64]

    def used(self) -> NDArray[np.int64]:
        """Return how much of the storage would be taken, in per cent; all of it where there is too little."""
        full = (self.capacity == 0) | (self.requested > self.capacity)
        used = self.requested * MAX_UTILIZATION // np.maximum(self.capacity, 1)
        return np.where(full, np.int64(MAX_UTILIZATION), np.clip(used, 0, MAX_UTILIZATION))


def capacity_scores(catalogue: Catalogue, found: Found, nodes: Snapshot, line: Scores) -> Scores:
    """Return 0..100 for each row (int64[N]); rows that are refused get any of these.

    `line` is what a node gets for each per cent that would be used (int64[101]).
    """
    total, classes = np.zeros(nodes.size, np.int64), np.zeros(nodes.size, np.int64)
    for of_class in _by_class(catalogue, found, nodes).values():
        total += np.where(of_class.counts, line[of_class.used()], np.int64(0))
        classes += of_class.counts
    return np.floor(total / np.maximum(classes, 1) + 0.5).astype(np.int64)


def _by_class(catalogue: Catalogue, found: Found, nodes: Snapshot) -> dict[str, _OfClass]:
    # The index of a volume that is to be made, -1, is that of the last place.
    sizes = np.array([*(volume.capacity for volume in found.volumes), 0], np.int64)
    to_make = np.ones(nodes.size, np.bool_)
    for chosen in found.chosen:
        to_make &= chosen < 0
    by_class: dict[str, _OfClass] = {}
    claims = zip(found.need.waiting, found.chosen, strict=True)
    # What is said last of a class counts: those whose node is known already are asked about first.
    for claim, chosen in sorted(claims, key=lambda item: not catalogue.selected_node(item[0])):
        one = by_class.get(claim.class_name)
        if one is None:
            one = by_class[claim.class_name] = _OfClass(
                np.zeros(nodes.size, np.bool_), np.zeros(nodes.size, np.int64), np.zeros(nodes.size, np.int64)
            )
        there = chosen >= 0
        one.counts |= there
        one.requested += there * np.int64(claim.requested)
        one.capacity += sizes[chosen]
        amounts = found.left.get(claim.key)
        if amounts is not None:
            made = to_make & (amounts >= 0)
            one.counts |= made
            one.requested += made * np.int64(claim.requested)
            one.capacity = np.where(made, amounts, one.capacity)
    return by_class
