"""PURE: an accelerator of `scheduler.decide.row_layer`.

Filters and scores of a node's room are computed once for all classes of one size.

Hundreds of apps have a handful of sizes. NodeResourcesFit and NodeResourcesBalancedAllocation say the same of
a node to all Pods with the same requests, whatever else the Pods ask for. Such a plugin says so by
`sign(pod)` (`SignPlugin` in `scheduler.framework.interface`). Classes with equal signatures share one
`SharedRows`. The class that is decided next brings it up to date with the rows that Pods came to or left; the
others read it.

`scheduler.build` switches it on by the name `shared-rows` (docs/fast-paths.md). Without it each class asks
for itself, and decides the same. (A score that is none of 0..100 is an error here on a row that only filters
of the class refuse, too: a bug of a plugin is told earlier.)
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from typing import Final
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from scheduler.columns.domains import ONE_BY_ONE
from scheduler.columns.node_table import NodeTable
from scheduler.columns.pod_info import PodClass
from scheduler.columns.snapshot import Rows, Snapshot
from scheduler.decide.layers import Layers
from scheduler.decide.row_layer import MakeRowLayer, RowLayer
from scheduler.decide.verdicts import NO_NODE, PASSED, Verdicts
from scheduler.framework.checked import ask_pre_filter, ask_pre_score
from scheduler.framework.interface import Codes, FilterPlugin, Reach, ScorePlugin, Scores
from scheduler.framework.runtime import Observer
from scheduler.framework.state import CycleState

#: what the filters read of a Pod, and what the scores: (plugin, what it read)
Signature = tuple[tuple[tuple[str, Hashable], ...], tuple[tuple[str, Hashable], ...]]


def signature_of(layers: Layers, pod: PodClass) -> Signature | None:
    """Return what the plugins that look at a node's Pods read of a Pod.

    None: one of them does not say, or there are none.
    """
    filters = _signed([plugin for _, plugin in layers.again], pod)
    scores = _signed([weighted.plugin for weighted in layers.moving_scores], pod)
    if filters is None or scores is None or not (filters or scores):
        return None
    return filters, scores


def _signed(
    plugins: Sequence[FilterPlugin | ScorePlugin], pod: PodClass
) -> tuple[tuple[str, Hashable], ...] | None:
    found: list[tuple[str, Hashable]] = []
    for plugin in plugins:
        # To ask a Protocol takes longer than to sign.
        sign: Callable[[PodClass], Hashable] | None = getattr(plugin, "sign", None)
        if sign is None:
            return None
        found.append((plugin.name, sign(pod)))
    return tuple(found)


class SharedRows:
    """What these plugins say of each row to Pods of one signature.

    Owned by the scheduling task; true once `catch_up` was called.
    """

    __slots__ = ("__weakref__", "_layer", "_nodes", "_position", "_table", "verdicts")

    def __init__(self, pod: PodClass, table: NodeTable, layers: Layers, observer: Observer) -> None:
        """Ask about all rows.

        Args:
            pod: one of the signature.
            table: of the nodes.
            layers: its plugins.
            observer: of who takes how long.
        """
        self._table, self._nodes = table, table.snapshot()
        self.verdicts = Verdicts(self._nodes.size)
        alone = replace(
            layers, first_moving=0, still_filters=(), still_scores=(), scaled=(), reach=Reach.ROW, is_global=False,
            again=[(number, plugin) for number, (_, plugin) in enumerate(layers.again)],
            again_rows=[(number, ask) for number, (_, ask) in enumerate(layers.again_rows)],
        )  # fmt: skip
        # A state of its own: that of a class would keep alive what other plugins count for it alone.
        state = CycleState()
        for _, plugin in layers.again:
            ask_pre_filter(plugin, state, pod, self._nodes)
        for weighted in layers.moving_scores:
            ask_pre_score(weighted.plugin, state, pod, self._nodes)
        self._layer = RowLayer(pod, self._nodes, state, alone, self.verdicts, observer)
        self._layer.filter(self._nodes.all)
        self._layer.score(self._nodes.all)
        self._position = table.journal.position

    @property
    def scores(self) -> Scores:
        """int64[N]: the weighted sum."""
        return self._layer.base

    @property
    def is_lasting(self) -> bool:
        """Whether no node has changed since: otherwise pre-filters may have to say something else."""
        entries = self._table.journal.since(self._position)
        return self._table.snapshot() is self._nodes and entries is not None and min(entries, default=0) >= 0

    def catch_up(self) -> None:
        """Ask again about the rows that Pods came to or left. Only while no node has changed."""
        journal, layer = self._table.journal, self._layer
        if journal.position == self._position:
            return
        rows = dict.fromkeys(journal.since(self._position) or range(self._nodes.size))
        if len(rows) > ONE_BY_ONE:
            some = np.fromiter(rows, np.intp, len(rows))
            layer.filter_again(some)
            layer.score(some)
        else:
            for row in rows:
                layer.look_again(row)
        # Not before: when a plugin has a bug, these rows are asked about again.
        self._position = journal.position


class Sharing:
    """The shared rows of a profile: each lives as long as a class that is kept reads it.

    Owned by the scheduling task.
    """

    def __init__(self, table: NodeTable, observer: Observer) -> None:
        self._table, self._observer = table, observer
        self._rows: WeakValueDictionary[Signature, SharedRows] = WeakValueDictionary()

    def rows_for(self, pod: PodClass, layers: Layers) -> SharedRows | None:
        """Return what is known for Pods of this one's signature, up to date; None: it cannot be shared."""
        signature = signature_of(layers, pod)
        if signature is None:
            return None
        found = self._rows.get(signature)
        if found is not None and found.is_lasting:
            found.catch_up()
        else:
            found = self._rows[signature] = SharedRows(pod, self._table, layers, self._observer)
        return found

    def layer(
        self,
        pod: PodClass,
        nodes: Snapshot,
        state: CycleState,
        layers: Layers,
        verdicts: Verdicts,
        observer: Observer,
    ) -> RowLayer:
        """Make the row layer of a class: with shared rows if there are any for it, otherwise the plain one."""
        shared = self.rows_for(pod, layers)
        if shared is None:
            return RowLayer(pod, nodes, state, layers, verdicts, observer)
        return SharingRowLayer(pod, nodes, state, layers, verdicts, observer, shared)


class SharingRowLayer(RowLayer):
    """The answers by row of one class that reads those of its signature. Owned by its cycle."""

    __slots__ = ("_numbers", "_shared")

    def __init__(
        self,
        pod: PodClass,
        nodes: Snapshot,
        state: CycleState,
        layers: Layers,
        verdicts: Verdicts,
        observer: Observer,
        shared: SharedRows,
    ) -> None:
        """As `RowLayer`; `shared` is of the Pod's signature, and up to date."""
        super().__init__(pod, nodes, state, layers, verdicts, observer)
        self._shared: Final = shared
        #: by the number of a filter among those that are shared: its number among all
        self._numbers = np.array([number for number, _ in layers.again], np.int16)

    def filter_again(self, rows: NDArray[np.intp]) -> None:
        self._shared.catch_up()
        super().filter_again(rows)

    def _ask_again(
        self, rows: Rows, alive: NDArray[np.bool_], failed: NDArray[np.int16], codes: Codes
    ) -> None:
        said = self._shared.verdicts.failed[rows]
        refused = alive & (said >= 0)
        if refused.any():
            failed[refused] = self._numbers[said[refused]]
            codes[refused] = self._shared.verdicts.codes[rows][refused]

    def _score_moving(self, rows: Rows) -> Scores:
        return self._shared.scores[rows]

    def look_again(self, row: int) -> None:
        """Take over what is said of one row."""
        self._shared.catch_up()
        verdicts, theirs = self._verdicts, self._shared.verdicts
        failed = verdicts.failed.item(row)
        if failed == NO_NODE or 0 <= failed < self._layers.first_moving:
            return
        number = theirs.failed.item(row)
        if number >= 0:
            verdicts.codes[row], verdicts.failed[row] = theirs.codes.item(row), self._numbers.item(number)
            return
        if failed != PASSED:
            verdicts.codes[row], verdicts.failed[row] = 0, PASSED
        if row in self._wrong:
            self._refuse_wrong(row)
        self.base[row] = self._still.item(row) + self._shared.scores.item(row)


def share_rows(table: NodeTable, observer: Observer) -> MakeRowLayer:
    """Return what makes the row layers of a profile's classes."""
    return Sharing(table, observer).layer
