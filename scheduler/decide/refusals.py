"""PURE: why no node will do: which filter refuses each node first, and for which of its reasons.

What FailedScheduling and preemption are told. Asked of all filters when nothing fits; kept for the next Pod of
the class while no filter looks beyond the node, so that saying it again costs the rows that changed. Used by
`scheduler.decide.cycle`.
"""

from collections import Counter
from collections.abc import Collection, Mapping

import numpy as np

from scheduler.columns.pod_counts import Journal
from scheduler.columns.pod_info import PodClass
from scheduler.columns.snapshot import Snapshot
from scheduler.framework.checked import ask_filter, whole
from scheduler.framework.interface import UNRESOLVABLE, Reach, decode
from scheduler.framework.runtime import Prepared

#: no filter refuses it; there is no node
_PASSED, _NO_NODE = -1, -2


class Refused:
    """Refusals by row, and how many there are of each kind. Owned by one class's cycle."""

    def __init__(self, prepared: Prepared, pod: PodClass, nodes: Snapshot, journal: Journal) -> None:
        self._prepared, self._pod, self._nodes, self._journal = prepared, pod, nodes, journal
        self._is_near = all(plugin.reach <= Reach.ROW for plugin in prepared.filters)
        self._position = journal.position
        #: int16[N]: which filter refused a row first; int64[N]: what it said
        self._failed = np.where(nodes.valid, np.int16(_PASSED), np.int16(_NO_NODE))
        self._codes = np.zeros(nodes.size, np.int64)
        for number, plugin in enumerate(prepared.filters):
            answers = ask_filter(plugin, prepared.state, pod, nodes, nodes.all)
            if answers is not None:
                refused = (self._failed == _PASSED) & (answers != 0)
                self._failed[refused], self._codes[refused] = number, answers[refused]
        #: bool[N]: refused, and evicting Pods might help
        self.resolvable = (self._failed >= 0) & (self._codes & UNRESOLVABLE == 0)
        self._counts: Counter[tuple[int, int]] = Counter()
        for number in np.unique(self._failed[self._failed >= 0]).tolist():
            said, counts = np.unique(self._codes[self._failed == number], return_counts=True)
            for code, count in zip(said.tolist(), counts.tolist(), strict=True):
                self._counts[number, code] = count

    def follow(self) -> bool:
        """Take in which Pods came and went; False: everything has to be asked again."""
        entries = self._journal.since(self._position)
        if entries is None or (entries and not self._is_near) or min(entries, default=0) < 0:
            return False
        for row in dict.fromkeys(entries):
            self._put(row, *self._ask(row))
        self._position = self._journal.position
        return True

    def tell(self, kept: Mapping[int, tuple[int, int]]) -> tuple[dict[str, int], frozenset[str]]:
        """Return how many rows each reason refused, and the names of the filters that did.

        `kept` are rows that pass, but that others have in view: which filter refuses them then, and its code.
        """
        rejections: dict[str, int] = {}
        names: set[str] = set()
        counts = self._counts
        if kept:
            counts = Counter(counts)
            counts.update(kept.values())
        for (number, code), count in counts.items():
            plugin = self._prepared.filters[number]
            names.add(plugin.name)
            for reason in decode(code, plugin.reasons(self._pod)):
                rejections[reason] = rejections.get(reason, 0) + count
        return rejections, frozenset(names)

    def passing(self, rows: Collection[int]) -> list[int]:
        """Return those of some rows that no filter refuses."""
        return [row for row in rows if self._failed.item(row) == _PASSED]

    def _ask(self, row: int) -> tuple[int, int]:
        if self._failed.item(row) == _NO_NODE:
            return _NO_NODE, 0
        prepared, pod, nodes = self._prepared, self._pod, self._nodes
        for number, plugin in enumerate(prepared.filters):
            code = plugin.filter_row(prepared.state, pod, nodes, row)
            if type(code) is not int:
                code = whole(plugin.name, "filter_row", code)
            if code:
                return number, code
        return _PASSED, 0

    def _put(self, row: int, number: int, code: int) -> None:
        before = self._failed.item(row), self._codes.item(row)
        if before == (number, code):
            return
        if before[0] >= 0:
            self._counts[before] -= 1
            if not self._counts[before]:
                del self._counts[before]
        if number >= 0:
            self._counts[number, code] += 1
        self._failed[row], self._codes[row] = number, code
        self.resolvable[row] = number >= 0 and not code & UNRESOLVABLE
