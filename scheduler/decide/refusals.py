"""PURE: why no node will do: what every filter says of every node, from scratch.

What FailedScheduling and preemption are told. Called by `scheduler.decide.cycle` when nothing fits.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scheduler.columns.pod_info import PodClass
from scheduler.columns.snapshot import Snapshot
from scheduler.framework.checked import ask_filter
from scheduler.framework.interface import UNRESOLVABLE, decode
from scheduler.framework.runtime import Prepared


class Refused(NamedTuple):
    """Which nodes were refused, and why."""

    #: reason -> how many nodes gave it
    rejections: dict[str, int]
    #: the filters that refused a node
    by: frozenset[str]
    #: bool[N]: refused, and evicting Pods might help
    resolvable: NDArray[np.bool_]


def find_refusals(
    prepared: Prepared, pod: PodClass, nodes: Snapshot, kept: Mapping[int, tuple[int, int]]
) -> Refused:
    """Ask all filters; of those that refuse a node the first says why.

    Args:
        prepared: the filters, with what they have prepared.
        pod: that fits nowhere.
        nodes: the columns.
        kept: rows that pass, but that others have in view: which filter refuses them then, and its code.
    """
    #: which filter refused a row first; -1: none; -2: there is no node
    failed = np.where(nodes.valid, np.int16(-1), np.int16(-2))
    codes = np.zeros(nodes.size, np.int64)
    for number, plugin in enumerate(prepared.filters):
        answers = ask_filter(plugin, prepared.state, pod, nodes, nodes.all)
        if answers is not None:
            refused = (failed == -1) & (answers != 0)
            failed[refused], codes[refused] = number, answers[refused]
    for row, (number, code) in kept.items():
        if failed[row] == -1:
            failed[row], codes[row] = number, code
    rejections: dict[str, int] = {}
    names: set[str] = set()
    for number in np.unique(failed[failed >= 0]).tolist():
        plugin = prepared.filters[number]
        names.add(plugin.name)
        said, counts = np.unique(codes[failed == number], return_counts=True)
        for code, count in zip(said.tolist(), counts.tolist(), strict=True):
            for reason in decode(code, plugin.reasons(pod)):
                rejections[reason] = rejections.get(reason, 0) + count
    return Refused(rejections, frozenset(names), (failed >= 0) & (codes & UNRESOLVABLE == 0))
