"""PURE: what nodes are to Pods of a kind, whatever Pods are on them.

Plugins that look neither at a node's Pods nor at what a Pod requests are asked once for all Pods that differ
in nothing but their requests (`PodClass.kind`). Kept by `scheduler.decide.row_store`.
"""

from collections.abc import Sequence
from functools import cached_property
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from scheduler.columns.pod_info import PodClass
from scheduler.columns.snapshot import Rows, Snapshot
from scheduler.framework.checked import ask_filter, ask_score, out_of_range
from scheduler.framework.interface import FilterPlugin, Scores
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
