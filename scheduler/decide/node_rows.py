"""PURE: what nodes are worth to Pods that ask the same of nodes, for all classes of such Pods.

Each Pod that comes or goes costs one row. What other Pods make of it (spreading, affinity) is added by
`scheduler.decide.beyond`. Kept by `scheduler.decide.row_store`.
"""

from collections.abc import Sequence
from functools import cached_property
from hashlib import blake2b
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from scheduler.columns.node_table import NodeTable
from scheduler.columns.pod_info import PodClass
from scheduler.columns.snapshot import Rows, Snapshot
from scheduler.decide.ranking import Ranking, cells_of
from scheduler.framework.checked import ask_filter, ask_score, out_of_range, whole
from scheduler.framework.interface import MAX_SCORE, FilterPlugin, Reach, Scores
from scheduler.framework.runtime import Framework, Observer, Prepared, Weighted


class KindRows:
    """What nodes are to Pods of a kind, whatever Pods are on them. True until a node changes."""

    def __init__(self, pod: PodClass, nodes: Snapshot, framework: Framework) -> None:
        """Ask all plugins of `framework` about all rows."""
        prepared = framework.prepare(pod, nodes)
        observer = framework.observer
        #: whether a plugin refused the Pod outright
        self.rejected = bool(prepared.rejected)
        #: bool[N]: rows that these filters let pass
        self.fit: NDArray[np.bool_] = nodes.valid.copy()
        filter_rows(prepared, prepared.filters, pod, nodes, self.fit, observer)
        #: int64[N]: the weighted scores that need no scaling
        self.scores: Scores = np.zeros(nodes.size, np.int64)
        #: by row: which plugin gave it a score that it may not give, and which
        self.wrong: dict[int, tuple[str, int]] = {}
        #: scores that are scaled over all feasible rows: raw int64[N]
        self.scaled: list[tuple[Weighted, Scores]] = []
        for weighted in prepared.scores:
            started = observer.now()
            scores = ask_score(weighted.plugin, prepared.state, pod, nodes, nodes.all)
            if weighted.plugin.scales:
                self.scaled.append((weighted, scores))
            else:
                self.scores += (
                    without_wrong(weighted.plugin.name, scores, nodes, self.wrong) * weighted.weight
                )
            observer.plugin(weighted.plugin.name, "Score", observer.now() - started)
        self.nbytes = self.fit.nbytes + self.scores.nbytes + sum(raw.nbytes for _, raw in self.scaled)

    @cached_property
    def digest(self) -> bytes:
        """Equal for kinds of which the same is said. Nobody asks for those of Pods with storage (50 µs)."""
        made = blake2b(self.fit.tobytes(), digest_size=16)
        made.update(self.scores.tobytes())
        for weighted, raw in self.scaled:
            made.update(weighted.plugin.name.encode())
            made.update(raw.tobytes())
        return made.digest() + repr((self.rejected, self.wrong)).encode()


def filter_rows(
    prepared: Prepared, filters: Sequence[FilterPlugin], pod: PodClass, nodes: Snapshot, fit: NDArray[np.bool_],
    observer: Observer, rows: Rows | None = None,
) -> None:  # fmt: skip
    """Leave in `fit` the rows that filters let pass."""
    for plugin in filters:
        started = observer.now()
        answers = ask_filter(plugin, prepared.state, pod, nodes, nodes.all if rows is None else rows)
        observer.plugin(plugin.name, "Filter", observer.now() - started)
        if answers is not None:
            fit &= answers == 0


def without_wrong(name: str, scores: Scores, nodes: Snapshot, wrong: dict[int, tuple[str, int]]) -> Scores:
    """Return scores with 0 where one is none of 0..100, noting these: errors once their rows pass."""
    found = out_of_range(scores)
    if found is None:
        return scores
    for row in np.flatnonzero(found & nodes.valid).tolist():
        wrong.setdefault(row, (name, scores.item(row)))
    return np.where(found, np.int64(0), scores)


#: bytes by node of the rows that are listed by their totals, for each ranking
LISTED_BYTES: Final = 16
#: so many rows are asked about one by one; more, as columns
ONE_BY_ONE: Final = 4
#: so many rows are put in order one by one; after more all of them are looked at
FEW: Final = 48


class LookAhead(Protocol):
    """What rows will be worth once some more equal Pods are there: an accelerator keeps it."""

    @property
    def depth(self) -> int:
        """How many Pods more at most."""

    @property
    def nbytes(self) -> int:
        """How much memory it takes."""

    @property
    def is_due(self) -> bool:
        """Say whether it is worth to compute it (again)."""

    def take(self, row: int) -> int:
        """One Pod came: return what the row is worth now; -1: that has to be computed."""

    def knows(self, row: int) -> bool:
        """Say whether `take` would return something."""

    def forget(self, rows: Sequence[int]) -> None:
        """Something else happened on some rows."""

    def unknown(self, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return those of some rows to compute now."""

    def put(self, level: int, rows: NDArray[np.intp], totals: NDArray[np.int64]) -> None:
        """Take in what rows will be worth with `level` + 1 Pods more (int64[rows]); -1: full."""

    def begin(self, rows: NDArray[np.intp]) -> None:
        """All of it is known for these rows."""


class NodeRows:
    """What nodes are worth to Pods that ask the same of them. Owned by the scheduling task."""

    def __init__(
        self,
        pod: PodClass,
        table: NodeTable,
        kind: KindRows,
        prepared: Prepared,
        observer: Observer,
        ahead: LookAhead | None,
    ) -> None:
        """Ask about all rows; of reach NONE only plugins that look at requests are `prepared`."""
        self._table, self._pod, self._prepared, self._observer = table, pod, prepared, observer
        self.kind = kind
        self.nodes = nodes = table.snapshot()
        #: a plugin refused the Pod outright
        self.rejected = kind.rejected or bool(prepared.rejected)
        #: how many nodes there are
        self.count = len(nodes.rows)
        #: not to be used any more
        self.stale = False
        #: when it was asked for last
        self.used = 0
        self._moving = [plugin for plugin in prepared.filters if plugin.reach is Reach.ROW]
        self._moving_scores = [item for item in prepared.scores if item.plugin.reach is Reach.ROW]
        self._ask_rows = [(plugin.name, plugin.filter_row) for plugin in self._moving]
        self._score_rows = [
            (item.plugin.name, item.plugin.score_row, item.weight) for item in self._moving_scores
        ]
        self._fit, self._still, self._always_wrong = kind.fit, kind.scores, kind.wrong
        self._ask_still()
        #: by row that will do: which plugin gave it a score that it may not give, and which; an error once the
        #: class's own filters let it pass too
        self.wrong: dict[int, tuple[str, int]] = {}
        #: int64[N]: the weighted scores that need no scaling; -1 where a row will not do
        self.total: Scores = self._ask(nodes.all, self._fit.copy())
        self._position = table.journal.position
        self._rankings: dict[tuple[str, ...], Ranking | None] = {}
        self.ahead = ahead

    @property
    def nbytes(self) -> int:
        """How much memory it takes, as far as that grows with the nodes."""
        own = self._fit.nbytes + self._still.nbytes if self._fit is not self.kind.fit else 0
        ahead = 0 if self.ahead is None else self.ahead.nbytes
        listed = sum(ranking is not None for ranking in self._rankings.values())
        return own + ahead + self.total.nbytes + listed * LISTED_BYTES * self.nodes.size

    def drop(self) -> None:
        """Let go of the memory: whoever still has it asks for other rows."""
        self.stale = True
        self._rankings.clear()
        self.total = self._still = np.zeros(0, np.int64)

    def follow(self) -> bool:
        """Take in which Pods came and went; False: other rows have to be asked for."""
        journal = self._table.journal
        if self.stale or self._table.snapshot() is not self.nodes:
            return False
        if self.follow_known():
            return True
        entries = journal.since(self._position)
        if entries is None or min(entries) < 0:
            return False
        self._take([*dict.fromkeys(entries)])
        self._position = journal.position
        self._look_ahead()
        return True

    def follow_known(self) -> bool:
        """Say whether only what was computed ahead has happened, a Pod on one of the best rows; take it in."""
        row, asks, at = self._table.last_added
        position = self._table.journal.position
        if position == self._position:
            return not self.stale
        if (
            self.stale or self.ahead is None or at != position or position != self._position + 1
            or asks is not self._pod.node_shape
        ):  # fmt: skip
            return False
        total = self.ahead.take(row)
        if total < 0:
            return False
        self.put(row, total)
        return True

    def put(self, row: int, total: int) -> None:
        """Take in that one such Pod came to a row, with the total that this gives it."""
        self._position += 1
        self._set(row, total)

    def ranking(self, keys: tuple[str, ...] = ()) -> Ranking | None:
        """Return the best rows by labels and scores that are to be scaled; None: these make too many cells."""
        if keys not in self._rankings:
            axes: list[NDArray[np.integer]] = [raw for _, raw in self.kind.scaled]
            for key in keys:
                column = self.nodes.label_codes(key)
                if column is not None:
                    axes.append(column.codes[: self.nodes.size])
            found = cells_of(axes)
            self._rankings[keys] = None if found is None else Ranking(self.total, *found)
        return self._rankings[keys]

    def _look_ahead(self) -> None:
        """Compute what the best rows will be worth with some Pods more, if that is worth it."""
        ahead = self.ahead
        if ahead is None or not ahead.is_due:
            return
        ranking = self.ranking()
        best = None if ranking is None or len(ranking.rankings) > 1 else ranking.rankings[0].best()
        if best is None:
            return
        rows = ahead.unknown(best[1].array())
        if not len(rows):
            return
        suppose, fit, supposed = self._table.suppose_on_each, self._fit[rows], 0
        try:
            for level in range(ahead.depth):
                suppose(rows, self._pod, 1)
                supposed += 1
                totals = self._ask(rows, fit, strict=False)
                fit = totals >= 0
                ahead.put(level, rows, totals)
        finally:
            suppose(rows, self._pod, -supposed)
        ahead.begin(rows)

    def _take(self, rows: Sequence[int]) -> None:
        if self.ahead is not None:
            self.ahead.forget(rows)
        if len(rows) <= ONE_BY_ONE:
            for row in rows:
                self._set(row, self._look(row))
            return
        some = np.fromiter(rows, np.intp, len(rows))
        now, before = self._ask(some, self._fit[some]), self.total[some]
        changed = np.flatnonzero(now != before)
        if len(changed) <= FEW:
            for index in changed.tolist():
                self._set(rows[index], now.item(index))
            return
        self.total[some] = now
        for ranking in self._rankings.values():
            if ranking is not None:
                ranking.forget()

    def _set(self, row: int, now: int) -> None:
        before = self.total.item(row)
        if before == now:
            return
        self.total[row] = now
        for ranking in self._rankings.values():
            if ranking is not None:
                ranking.changed(row, before, now)

    def _look(self, row: int) -> int:
        """Return the total of one row, without arrays."""
        if self.wrong:
            self.wrong.pop(row, None)
        if not self._fit.item(row):
            return -1
        state, pod, nodes = self._prepared.state, self._pod, self.nodes
        for name, ask in self._ask_rows:
            code = ask(state, pod, nodes, row)
            if type(code) is not int:
                code = whole(name, "filter_row", code)
            if code:
                return -1
        if row in self._always_wrong:
            self.wrong[row] = self._always_wrong[row]
        total = self._still.item(row)
        for name, score, weight in self._score_rows:
            found = score(state, pod, nodes, row)
            if type(found) is not int:
                found = whole(name, "score_row", found)
            if not 0 <= found <= MAX_SCORE:
                self.wrong.setdefault(row, (name, found))
                found = 0
            total += found * weight
        return total

    def _ask(self, rows: Rows, fit: NDArray[np.bool_], *, strict: bool = True) -> Scores:
        """Return the totals of rows; of `fit` (bool[rows]) those are taken out that will not do.

        `strict`: scores out of range are noted; otherwise such a row will not do.
        """
        observer, nodes, prepared, pod = self._observer, self.nodes, self._prepared, self._pod
        began = observer.now()
        filter_rows(prepared, self._moving, pod, nodes, fit, observer, rows)
        whole_table = isinstance(rows, slice)
        if whole_table:
            observer.extension_point("Filter", success=bool(fit.any()), seconds=observer.now() - began)
            began = observer.now()
        total = self._still[rows].copy() if whole_table else self._still[rows]
        if strict:
            self._note_again(rows, fit)
        for weighted in self._moving_scores:
            started = observer.now()
            scores = ask_score(weighted.plugin, prepared.state, pod, nodes, rows)
            wrong = out_of_range(scores)
            if wrong is not None and strict:
                self._note(rows, weighted.plugin.name, scores, fit & wrong)
                scores = np.where(wrong, np.int64(0), scores)
            elif wrong is not None:
                fit &= ~wrong
            total += scores if weighted.weight == 1 else scores * weighted.weight
            observer.plugin(weighted.plugin.name, "Score", observer.now() - started)
        if whole_table:
            observer.extension_point("Score", success=True, seconds=observer.now() - began)
        np.putmask(total, ~fit, -1)
        return total

    def _note(self, rows: Rows, name: str, scores: Scores, wrong: NDArray[np.bool_]) -> None:
        """Note which rows have no score of 0..100."""
        for index in np.flatnonzero(wrong).tolist():
            row = index if isinstance(rows, slice) else rows.item(index)
            self.wrong.setdefault(row, (name, scores.item(index)))

    def _note_again(self, rows: Rows, fit: NDArray[np.bool_]) -> None:
        """Begin anew to note which of some rows have wrong scores."""
        if not self.wrong and not self._always_wrong:
            return
        for index, row in enumerate(range(self.nodes.size) if isinstance(rows, slice) else rows.tolist()):
            self.wrong.pop(row, None)
            if row in self._always_wrong and fit[index]:
                self.wrong[row] = self._always_wrong[row]

    def _ask_still(self) -> None:
        """Ask the plugins that look at requests, and not at a node's Pods."""
        prepared, nodes, pod = self._prepared, self.nodes, self._pod
        filters = [plugin for plugin in prepared.filters if plugin.reach is Reach.NONE]
        scores = [item for item in prepared.scores if item.plugin.reach is Reach.NONE]
        if not filters and not scores:
            return
        self._fit, self._still = self._fit.copy(), self._still.copy()
        self._always_wrong = {**self._always_wrong}
        filter_rows(prepared, filters, pod, nodes, self._fit, self._observer)
        for weighted in scores:
            found = ask_score(weighted.plugin, prepared.state, pod, nodes, nodes.all)
            found = without_wrong(weighted.plugin.name, found, nodes, self._always_wrong)
            self._still += found * weighted.weight
