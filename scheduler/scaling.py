"""PURE: one score that is scaled by the lowest and highest of all feasible rows, or that reaches beyond a row; kept up to date.

Raw scores of rows change with their Pods or their domains; the scaled ones of all rows when the lowest or highest does. What
did not change is not computed again.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scheduler.columns.pod_info import PodClass
from scheduler.columns.snapshot import Snapshot
from scheduler.framework.interface import Affected, DomainScore, FeasibleScore, Reach
from scheduler.framework.runtime import Weighted
from scheduler.framework.state import CycleState

_MAX: Final = np.iinfo(np.int64).max


class ScaledScore:
    """One plugin's scores for one class. Owned by its cycle."""

    __slots__ = ("_ignored", "_nodes", "_plugin", "_pod", "_state", "_weight", "bounds", "raw", "scaled")

    def __init__(self, weighted: Weighted, state: CycleState, pod: PodClass, nodes: Snapshot) -> None:
        self._plugin, self._weight = weighted.plugin, weighted.weight
        self._state, self._pod, self._nodes = state, pod, nodes
        #: int64[N]
        self.raw = np.zeros(nodes.size, np.int64)
        #: int64[N], weighted
        self.scaled = np.zeros(nodes.size, np.int64)
        #: lowest and highest raw score of feasible rows; None: not known
        self.bounds: tuple[int, int] | None = None
        self._ignored: NDArray[np.bool_] | None = None

    @property
    def name(self) -> str:
        """The plugin's."""
        return self._plugin.name

    def start(self, feasible: NDArray[np.bool_]) -> None:
        """Score all rows."""
        if isinstance(self._plugin, FeasibleScore):
            self._plugin.feasible_changed(self._state, self._pod, self._nodes, feasible)
        self._score_all()
        self._rescale(self._find_bounds(feasible))

    def advance(self, rows: Sequence[int], feasible: NDArray[np.bool_], *, flipped: bool) -> Affected:
        """Follow what happened; return the rows whose scaled score may be another.

        Args:
            rows: where Pods came or went.
            feasible: bool[N].
            flipped: whether any row's feasibility has changed.
        """
        affected = self._affected(rows, feasible, flipped=flipped)
        if isinstance(affected, slice):
            self._score_all()
            self._rescale(self._find_bounds(feasible))
            return affected
        if not affected and not flipped:
            return ()
        changed, bounds = self._score_rows(affected, feasible)
        if flipped or bounds is None:
            bounds = self._find_bounds(feasible)
        if bounds != self.bounds:
            self._rescale(bounds)
            return self._nodes.all
        for row in changed:
            self.scaled[row] = self._scale(self.raw[row : row + 1], row)
        return changed

    def _affected(self, rows: Sequence[int], feasible: NDArray[np.bool_], *, flipped: bool) -> Affected:
        """Return the rows whose raw score may be another."""
        plugin, state, pod, nodes = self._plugin, self._state, self._pod, self._nodes
        affected: Affected = ()
        if plugin.reach is Reach.ROW:
            affected = rows
        elif plugin.reach is Reach.DOMAIN:
            assert isinstance(plugin, DomainScore)
            affected = plugin.score_affected(state, pod, nodes, rows)
        if flipped and isinstance(plugin, FeasibleScore):
            shifted = plugin.feasible_changed(state, pod, nodes, feasible)
            return nodes.all if shifted else affected
        return affected

    def _score_rows(
        self, rows: Sequence[int], feasible: NDArray[np.bool_]
    ) -> tuple[list[int], tuple[int, int] | None]:
        """Score rows again; return those that changed, and the bounds if these can be told from that alone."""
        bounds, changed = self.bounds, []
        for row in rows:
            before = self.raw.item(row)
            now = self._plugin.score_row(self._state, self._pod, self._nodes, row)
            if before == now:
                continue
            self.raw[row] = now
            changed.append(row)
            if bounds is not None and self._counts(row, feasible):
                low, high = bounds
                # One that was lowest or highest itself: somebody else may be as low or high, or nobody.
                bounds = (min(low, now), max(high, now)) if low < before < high else None
        return changed, bounds

    def _score_all(self) -> None:
        self.raw = self._plugin.score(self._state, self._pod, self._nodes, self._nodes.all).copy()

    def _counts(self, row: int, feasible: NDArray[np.bool_]) -> bool:
        return bool(feasible[row]) and (self._ignored is None or not self._ignored[row])

    def _find_bounds(self, feasible: NDArray[np.bool_]) -> tuple[int, int] | None:
        if isinstance(self._plugin, FeasibleScore):
            self._ignored = self._plugin.ignored(self._state)
            if self._ignored is not None:
                feasible = feasible & ~self._ignored
        if not self._plugin.scales:
            return 0, 0
        if not feasible.any():
            return None
        raw = self.raw
        return int(np.where(feasible, raw, _MAX).min()), int(np.where(feasible, raw, -_MAX).max())

    def _rescale(self, bounds: tuple[int, int] | None) -> None:
        self.bounds = bounds
        if self.bounds is None:
            self.scaled = np.zeros(len(self.raw), np.int64)
            return
        scaled = self._plugin.scale(self.raw, *self.bounds) * self._weight
        self.scaled = scaled if self._ignored is None else np.where(self._ignored, np.int64(0), scaled)

    def _scale(self, raw: NDArray[np.int64], row: int) -> int:
        if self.bounds is None or (self._ignored is not None and self._ignored[row]):
            return 0
        return int(self._plugin.scale(raw, *self.bounds)[0]) * self._weight
