"""PURE: what every plugin says of every node for one class of Pods.

A cycle stops at the first filter that refuses a node, and at a pre-filter that refuses the Pod; here all of them
are asked. The decision is the same: `Evaluation.message` counts the first refusal of each node, and `total` has
the cycle's sums. Costs about a millisecond on 5,000 nodes; read it before the columns change again.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from scheduler.columns.node_table import NodeTable
from scheduler.columns.pod_info import PodClass
from scheduler.columns.snapshot import Snapshot
from scheduler.framework.checked import ask_filter, ask_pre_filter, ask_pre_score, ask_scale, ask_score
from scheduler.framework.interface import (
    MAX_REASON,
    UNRESOLVABLE,
    Codes,
    CycleState,
    FeasibleScore,
    FilterPlugin,
    Scores,
    decode,
)
from scheduler.framework.runtime import Profile, Weighted, narrowed
from scheduler.framework.status import NO_NODES, fit_message


@dataclass(frozen=True, slots=True)
class FilterAnswer:
    """One filter's answers. R is the number of nodes."""

    plugin: FilterPlugin
    #: int64[R]: 0, or bits of `reasons`, perhaps with UNRESOLVABLE
    codes: Codes
    reasons: Sequence[str]
    #: it refused the Pod before any node was looked at
    rejected: str = ""
    #: nodes (by index) that it refuses because others have them in view: how many those are
    kept: Mapping[int, int] = field(default_factory=dict[int, int])

    def words(self, index: int) -> list[str]:
        return decode(int(self.codes[index]), self.reasons)


@dataclass(frozen=True, slots=True)
class ScoreAnswer:
    """One score's answers. Where no node fits there are none."""

    name: str
    weight: int
    #: int64[R] each; 0 for nodes that were refused
    raw: Scores
    normalised: Scores


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All answers for one class. Index i is the i-th node, in the order of rows."""

    pod: PodClass
    nodes: Snapshot
    state: CycleState
    #: intp[R]: the rows of the nodes
    rows: NDArray[np.intp]
    filters: Sequence[FilterAnswer]
    scores: Sequence[ScoreAnswer]
    #: int64[R]: how many plugins refuse
    failing: NDArray[np.int64]
    #: int64[R]: the sum of the weighted scores, -1 where a plugin refuses
    total: NDArray[np.int64]
    #: in the words of the event FailedScheduling, without preemption; empty where a node fits
    message: str

    @property
    def count(self) -> int:
        return len(self.rows)

    @property
    def feasible(self) -> int:
        return int((self.failing == 0).sum())

    def name(self, index: int) -> str:
        return self.nodes.names[int(self.rows[index])] or ""

    def best(self, limit: int) -> list[int]:
        """Return nodes that fit, the highest sum first, then in the order of rows."""
        order = np.lexsort((self.rows, -self.total))
        return [int(index) for index in order[: min(limit, self.feasible)]]

    def ties(self) -> list[int]:
        """Return the nodes that share the highest sum: the choice is among these."""
        if not self.feasible:
            return []
        return np.flatnonzero(self.total == self.total.max()).tolist()

    def reason_counts(self) -> list[tuple[str, str, int]]:
        """Return (plugin, reason, nodes that gave it), by plugin in its order, then the most frequent first."""
        found: list[tuple[str, str, int]] = []
        for answer in self.filters:
            counts = _counted(answer.codes, answer.reasons)
            ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
            found += [(answer.plugin.name, reason, count) for reason, count in ordered]
        return found


def _counted(codes: Codes, reasons: Sequence[str]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for code, count in zip(*np.unique(codes, return_counts=True), strict=True):
        for reason in decode(int(code), reasons):
            counts[reason] += int(count)
    return counts


def evaluate(pod: PodClass, table: NodeTable, profile: Profile, *, but: PodClass | None = None) -> Evaluation:
    """Ask every plugin of a profile about every node, on the columns as they are now, which stay so.

    With `but` one Pod of this class has a node in view and is the Pod itself: no room is kept for it.
    """
    nodes = table.snapshot()
    asking = _Asking(pod, nodes, CycleState(), np.flatnonzero(nodes.valid))
    count = len(asking.rows)
    answers: list[FilterAnswer] = []
    named: list[str] = []
    outside = np.zeros(count, np.bool_)
    for plugin in profile.filters:
        result = ask_pre_filter(plugin, asking.state, pod, nodes)
        if result.rejected:
            codes = np.full(count, UNRESOLVABLE | 1, np.int64)
            answers.append(FilterAnswer(plugin, codes, (result.rejected,), result.rejected))
            continue
        beyond = None
        if result.names is not None:
            named.append(plugin.name)
            beyond = np.array(
                [nodes.names[row] not in result.names for row in asking.rows.tolist()], np.bool_
            )
            outside |= beyond
        if not result.skip or beyond is not None:
            answers.append(asking.filter(plugin, skip=result.skip, beyond=beyond))
    if table.nominated:
        answers = asking.beside_nominated(answers, table, but)
    failing = np.zeros(count, np.int64)
    for answer in answers:
        failing += answer.codes != 0
    scores, total = asking.scores(profile, failing == 0)
    message = "" if (failing == 0).any() else _message(answers, named, outside)
    return Evaluation(pod, nodes, asking.state, asking.rows, answers, scores, failing, total, message)


@dataclass(frozen=True, slots=True)
class _Asking:
    """What plugins are asked about: one class of Pods, and these rows (intp[R])."""

    pod: PodClass
    nodes: Snapshot
    state: CycleState
    rows: NDArray[np.intp]

    def filter(self, plugin: FilterPlugin, *, skip: bool, beyond: NDArray[np.bool_] | None) -> FilterAnswer:
        """Ask a filter about all nodes; those `beyond` are none that its pre-filter named."""
        said = None if skip else ask_filter(plugin, self.state, self.pod, self.nodes, self.nodes.all)
        codes = np.zeros(len(self.rows), np.int64) if said is None else said[self.rows].astype(np.int64)
        reasons = tuple(plugin.reasons(self.pod))
        if beyond is not None:
            # Usually the filter says the same of these nodes in its own words.
            silent = beyond & (codes == 0)
            if silent.any():
                codes[silent] = UNRESOLVABLE | 1 << min(len(reasons), MAX_REASON)
                reasons = (*reasons, narrowed([plugin.name]))
        return FilterAnswer(plugin, codes, reasons)

    def beside_nominated(
        self, answers: Sequence[FilterAnswer], table: NodeTable, but: PodClass | None
    ) -> list[FilterAnswer]:
        """Refuse nodes that would do if Pods of no lower priority had not got them in view (nominated Pods)."""
        index_of = {row: index for index, row in enumerate(self.rows.tolist())}
        found = list(answers)
        for row, nominated in [*table.nominated.items()]:
            coming = [other for other in nominated if other.priority >= self.pod.priority]
            if but in coming:
                coming.remove(but)
            index = index_of.get(row)
            if not coming or index is None or any(answer.codes[index] for answer in answers):
                # Refused as it is: the cycle asks no further either.
                continue
            for other in coming:
                table.suppose(row, other, 1)
            try:
                for number, answer in enumerate(found):
                    code = answer.plugin.filter_row(self.state, self.pod, self.nodes, row)
                    if code:
                        answer.codes[index] = code
                        found[number] = replace(answer, kept={**answer.kept, index: len(coming)})
            finally:
                for other in coming:
                    table.suppose(row, other, -1)
        return found

    def scores(
        self, profile: Profile, feasible: NDArray[np.bool_]
    ) -> tuple[list[ScoreAnswer], NDArray[np.int64]]:
        """Ask the scores about the nodes that fit (bool[R]); return their answers and the weighted sums."""
        total = np.where(feasible, np.int64(0), np.int64(-1))
        answers: list[ScoreAnswer] = []
        if not feasible.any():
            return answers, total
        whole = np.zeros(self.nodes.size, np.bool_)
        whole[self.rows] = feasible
        for weighted in profile.scores:
            if ask_pre_score(weighted.plugin, self.state, self.pod, self.nodes):
                answer = self._score(weighted, whole)
                answers.append(answer)
                total[feasible] += answer.normalised[feasible] * weighted.weight
        return answers, total

    def _score(self, weighted: Weighted, feasible: NDArray[np.bool_]) -> ScoreAnswer:
        plugin, ignored = weighted.plugin, None
        if isinstance(plugin, FeasibleScore):
            plugin.feasible_changed(self.state, self.pod, self.nodes, feasible)
            ignored = plugin.ignored(self.state)
        raw = ask_score(plugin, self.state, self.pod, self.nodes, self.nodes.all)
        normalised = raw
        if plugin.scales:
            counted = feasible if ignored is None else feasible & ~ignored
            if counted.any():
                seen = raw[counted]
                normalised = ask_scale(plugin, raw, int(seen.min()), int(seen.max()))
            if ignored is not None:
                normalised = np.where(ignored, np.int64(0), normalised)
        raw, normalised = (np.where(feasible, said, np.int64(0))[self.rows] for said in (raw, normalised))
        return ScoreAnswer(plugin.name, weighted.weight, raw, normalised)


def _message(answers: Sequence[FilterAnswer], named: Sequence[str], outside: NDArray[np.bool_]) -> str:
    """Say what the cycle says: the first refusal of each node, or the first that concerns the Pod alone."""
    count = len(outside)
    if not count:
        return NO_NODES
    rejected = next((answer.rejected for answer in answers if answer.rejected), "")
    rejections: Counter[str] = Counter()
    if not rejected:
        alive = ~outside
        if outside.any():
            rejections[narrowed(named)] = int(outside.sum())
        for answer in answers:
            refused = alive & (answer.codes != 0)
            rejections.update(_counted(answer.codes[refused], answer.reasons))
            alive &= ~refused
    return fit_message(count, rejections, pre_filter=rejected)
