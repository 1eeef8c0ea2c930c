"""PURE: the layer of one class's decisions that looks at a node and its Pods: what its filters say of each row, and what each row is worth.

Kept by `scheduler.cycle`, which asks again for the rows that were touched since the last decision.
"""

import numpy as np
from numpy.typing import NDArray

from scheduler.columns.pod_info import PodClass
from scheduler.columns.snapshot import Rows, Snapshot
from scheduler.framework.interface import Codes, FilterPlugin
from scheduler.framework.runtime import Observer
from scheduler.framework.state import CycleState
from scheduler.layers import Layers
from scheduler.verdicts import NO_NODE, PASSED, Verdicts


class RowLayer:
    """Answers by row. Owned by one class's cycle."""

    __slots__ = ("_layers", "_nodes", "_observer", "_state", "_still", "_verdicts", "base", "pod")

    def __init__(
        self,
        pod: PodClass,
        nodes: Snapshot,
        state: CycleState,
        layers: Layers,
        verdicts: Verdicts,
        observer: Observer,
    ) -> None:
        """Ask nobody yet.

        Args:
            pod: the class; another that is decided alike may be put in its place.
            nodes: as they are now.
            state: of the pre-filters.
            layers: which plugins are asked.
            verdicts: take what filters say.
            observer: of who takes how long.
        """
        self.pod = pod
        self._nodes, self._state, self._layers, self._observer = nodes, state, layers, observer
        self._verdicts = verdicts
        #: int64[N]: weighted scores that need no scaling, of plugins that a placement does not touch; and of all
        self._still, self.base = np.zeros(nodes.size, np.int64), np.zeros(nodes.size, np.int64)

    def filter(self, rows: Rows) -> None:
        """Ask the filters about rows."""
        nodes, observer, verdicts = self._nodes, self._observer, self._verdicts
        alive = nodes.valid[rows].copy()
        failed = np.where(alive, np.int16(PASSED), np.int16(NO_NODE))
        codes = np.zeros(len(alive), np.int64)
        for number, plugin in self._layers.row_filters:
            started = observer.now()
            answers = plugin.filter(self._state, self.pod, nodes, rows)
            observer.plugin(plugin.name, "Filter", observer.now() - started)
            if answers is None:
                continue
            refused = alive & (answers != 0)
            if refused.any():
                failed[refused], codes[refused] = number, answers[refused]
                alive &= ~refused
        verdicts.failed[rows], verdicts.codes[rows] = failed, codes

    def ask_all(self, plugin: FilterPlugin) -> Codes:
        """Return what a filter says of all rows."""
        answers = plugin.filter(self._state, self.pod, self._nodes, self._nodes.all)
        return np.zeros(self._nodes.size, np.int64) if answers is None else answers

    def score_still(self) -> None:
        """Sum, for all rows, the scores that no placement touches."""
        nodes, observer = self._nodes, self._observer
        for weighted in self._layers.still_scores:
            started = observer.now()
            self._still += weighted.plugin.score(self._state, self.pod, nodes, nodes.all) * weighted.weight
            observer.plugin(weighted.plugin.name, "Score", observer.now() - started)

    def score(self, rows: Rows) -> None:
        """Sum the scores that need no scaling."""
        observer = self._observer
        total = self._still[rows].copy()
        for weighted in self._layers.moving_scores:
            started = observer.now()
            total += weighted.plugin.score(self._state, self.pod, self._nodes, rows) * weighted.weight
            observer.plugin(weighted.plugin.name, "Score", observer.now() - started)
        self.base[rows] = total

    def still(self, rows: Rows) -> NDArray[np.int64]:
        """Return of rows the scores that no placement touches."""
        return self._still[rows]

    def look_again(self, row: int) -> None:
        """Filter and score one row again after its Pods changed: what `filter` and `score` would say, without arrays."""
        verdicts, layers = self._verdicts, self._layers
        failed = verdicts.failed.item(row)
        if failed == NO_NODE or 0 <= failed < layers.first_moving:
            return
        state, pod, nodes = self._state, self.pod, self._nodes
        now, code = PASSED, 0
        for number, ask in layers.again:
            code = ask(state, pod, nodes, row)
            if code:
                now = number
                break
        if code or failed != PASSED:
            verdicts.codes[row], verdicts.failed[row] = code, now
        if not code:
            total = self._still.item(row)
            for score, weight in layers.moving_rows:
                total += score(state, pod, nodes, row) * weight
            self.base[row] = total
