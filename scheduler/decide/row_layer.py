"""PURE: the layer of one class's decisions that looks at a node and its Pods.

What its filters say of each row, and what each row is worth.

Kept by `scheduler.decide.cycle`, which asks again for the rows that were touched since the last decision.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from scheduler.columns.node_table import NodeTable
from scheduler.columns.pod_info import PodClass
from scheduler.columns.snapshot import Rows, Snapshot
from scheduler.decide.layers import Layers
from scheduler.decide.verdicts import NO_NODE, PASSED, Verdicts
from scheduler.framework.checked import (
    ask_filter,
    ask_score,
    check_range,
    invalid_score,
    out_of_range,
    row_score,
    whole,
)
from scheduler.framework.interface import MAX_SCORE, Codes, FilterPlugin, Scores
from scheduler.framework.runtime import Observer
from scheduler.framework.state import CycleState


class RowLayer:
    """Answers by row. Owned by one class's cycle."""

    __slots__ = ("_layers", "_nodes", "_observer", "_state", "_still", "_verdicts", "_wrong", "base", "pod")

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
        #: by row: which plugin gave it a score that it may not give, and which
        self._wrong: dict[int, tuple[str, int]] = {}
        #: int64[N]: weighted scores that need no scaling, of plugins that a placement does not touch; and of
        #: all
        self._still, self.base = np.zeros(nodes.size, np.int64), np.zeros(nodes.size, np.int64)

    def filter(self, rows: Rows) -> None:
        """Ask the filters about rows."""
        alive = self._nodes.valid[rows].copy()
        failed = np.where(alive, np.int16(PASSED), np.int16(NO_NODE))
        codes = np.zeros(len(alive), np.int64)
        self._ask(self._layers.still_filters, rows, alive, failed, codes)
        self._ask_again(rows, alive, failed, codes)
        self._verdicts.failed[rows], self._verdicts.codes[rows] = failed, codes

    def filter_again(self, rows: NDArray[np.intp]) -> None:
        """Ask the filters about rows whose Pods changed.

        Those whose answer may be another, about rows that others did not refuse.
        """
        verdicts = self._verdicts
        failed, codes = verdicts.failed[rows], verdicts.codes[rows]
        alive = (failed == PASSED) | (failed >= self._layers.first_moving)
        failed[alive], codes[alive] = PASSED, 0
        self._ask_again(rows, alive, failed, codes)
        verdicts.failed[rows], verdicts.codes[rows] = failed, codes

    def _ask_again(
        self, rows: Rows, alive: NDArray[np.bool_], failed: NDArray[np.int16], codes: Codes
    ) -> None:
        """Ask the filters whose answer may be another once Pods have changed."""
        self._ask(self._layers.again, rows, alive, failed, codes)

    def _ask(
        self,
        filters: Sequence[tuple[int, FilterPlugin]],
        rows: Rows,
        alive: NDArray[np.bool_],
        failed: NDArray[np.int16],
        codes: Codes,
    ) -> None:
        """Ask filters about rows; write down which first refuses a row that was `alive`, and what it said."""
        nodes, observer = self._nodes, self._observer
        for number, plugin in filters:
            started = observer.now()
            answers = ask_filter(plugin, self._state, self.pod, nodes, rows)
            observer.plugin(plugin.name, "Filter", observer.now() - started)
            if answers is None:
                continue
            refused = alive & (answers != 0)
            if refused.any():
                failed[refused], codes[refused] = number, answers[refused]
                alive &= ~refused

    def ask_all(self, plugin: FilterPlugin) -> Codes:
        """Return what a filter says of all rows."""
        answers = ask_filter(plugin, self._state, self.pod, self._nodes, self._nodes.all)
        # A copy, as codes: single rows are written into it.
        return np.zeros(self._nodes.size, np.int64) if answers is None else answers.astype(np.int64)

    def score_still(self) -> None:
        """Sum, for all rows, the scores that no placement touches."""
        nodes, observer = self._nodes, self._observer
        for weighted in self._layers.still_scores:
            started = observer.now()
            scores = ask_score(weighted.plugin, self._state, self.pod, nodes, nodes.all)
            self._note_wrong(weighted.plugin.name, scores)
            self._still += scores * weighted.weight
            observer.plugin(weighted.plugin.name, "Score", observer.now() - started)

    def score(self, rows: Rows) -> None:
        """Sum the scores that need no scaling."""
        for row in self._wrong:
            self._refuse_wrong(row)
        self.base[rows] = self._still[rows] + self._score_moving(rows)

    def _score_moving(self, rows: Rows) -> Scores:
        """Return the sum of the scores that a placement on the node touches."""
        observer, nodes = self._observer, self._nodes
        total = np.zeros(nodes.size if isinstance(rows, slice) else len(rows), np.int64)
        for weighted in self._layers.moving_scores:
            started = observer.now()
            scores = ask_score(weighted.plugin, self._state, self.pod, nodes, rows)
            check_range(weighted.plugin.name, scores, lambda: self._verdicts.failed[rows] == PASSED)
            total += scores * weighted.weight
            observer.plugin(weighted.plugin.name, "Score", observer.now() - started)
        return total

    def still(self, rows: Rows) -> NDArray[np.int64]:
        """Return of rows the scores that no placement touches."""
        return self._still[rows]

    def _note_wrong(self, name: str, scores: Scores) -> None:
        """Note which rows have no score of 0..100. It is an error once they pass the filters."""
        wrong = out_of_range(scores)
        if wrong is not None:
            for row in np.flatnonzero(wrong & self._nodes.valid).tolist():
                self._wrong.setdefault(row, (name, scores.item(row)))

    def _refuse_wrong(self, row: int) -> None:
        if self._verdicts.failed.item(row) == PASSED:
            raise invalid_score(*self._wrong[row])

    def look_again(self, row: int) -> None:
        """Filter and score one row again after its Pods changed.

        What `filter` and `score` would say, without arrays.
        """
        verdicts, layers = self._verdicts, self._layers
        failed = verdicts.failed.item(row)
        if failed == NO_NODE or 0 <= failed < layers.first_moving:
            return
        state, pod, nodes = self._state, self.pod, self._nodes
        now, code = PASSED, 0
        for number, ask in layers.again_rows:
            code = ask(state, pod, nodes, row)
            if type(code) is not int:
                code = whole(layers.name_of(number), "filter_row", code)
            if code:
                now = number
                break
        if code or failed != PASSED:
            verdicts.codes[row], verdicts.failed[row] = code, now
        if not code:
            if row in self._wrong:
                self._refuse_wrong(row)
            total = self._still.item(row)
            for name, score, weight in layers.moving_rows:
                found = score(state, pod, nodes, row)
                if type(found) is not int or not 0 <= found <= MAX_SCORE:
                    found = row_score(name, found)
                total += found * weight
            self.base[row] = total


#: makes the row layer of one class, as `RowLayer` itself does
MakeRowLayer = Callable[[PodClass, Snapshot, CycleState, Layers, Verdicts, Observer], RowLayer]
#: returns such a maker for the classes of a profile; an accelerator is one
RowLayers = Callable[[NodeTable, Observer], MakeRowLayer]
