"""PURE: what every plugin says of every node for one class of Pods; nothing is cut short, as the cycle does it.

A cycle stops at the first filter that refuses a node, and at a pre-filter that refuses the Pod; who asks why
wants to hear all of them. The decision is the same: `Evaluation.message` counts the first refusal of each
node, and `total` has the cycle's sums. Costs about a millisecond on 5,000 nodes; read it before the columns
change again.
"""

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
    FeasibleScore,
    FilterPlugin,
    Scores,
    decode,
)
from scheduler.framework.runtime import Profile, Weighted, narrowed
from scheduler.framework.state import CycleState
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
        """Return the reasons against one node."""
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
        """How many nodes there are."""
        return len(self.rows)

    @property
    def feasible(self) -> int:
        """How many of them fit."""
        return int((self.failing == 0).sum())

    def name(self, index: int) -> str:
        """Return a node's name."""
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
        """Return (plugin, reason, how many nodes gave it), by plugin in its order, then the most frequent
        first.
        """
        found: list[tuple[str, str, int]] = []
        for answer in self.filters:
            counts: dict[str, int] = {}
            for code, count in zip(*np.unique(answer.codes, return_counts=True), strict=True):
                for reason in decode(int(code), answer.reasons):
                    counts[reason] = counts.get(reason, 0) + int(count)
            ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
            found += [(answer.plugin.name, reason, count) for reason, count in ordered]
        return found


def evaluate(pod: PodClass, table: NodeTable, profile: Profile, *, but: PodClass | None = None) -> Evaluation:
    """Ask every plugin of a profile about every node, on the columns as they are now.

    Args:
        pod: who asks.
        table: the columns; nothing is different about them afterwards.
        profile: the plugins.
        but: one Pod of this class has a node in view and is the Pod itself: no room is kept for it.
    """
    nodes = table.snapshot()
    state = CycleState()
    rows = np.flatnonzero(nodes.valid)
    answers: list[FilterAnswer] = []
    named: list[str] = []
    outside = np.zeros(len(rows), np.bool_)
    for plugin in profile.filters:
        result = ask_pre_filter(plugin, state, pod, nodes)
        if result.rejected:
            codes = np.full(len(rows), UNRESOLVABLE | 1, np.int64)
            answers.append(FilterAnswer(plugin, codes, (result.rejected,), result.rejected))
            continue
        beyond = None
        if result.names is not None:
            named.append(plugin.name)
            beyond = np.array([nodes.names[row] not in result.names for row in rows.tolist()], np.bool_)
            outside |= beyond
        if not result.skip or beyond is not None:
            answers.append(_ask(plugin, pod, nodes, state, rows, skip=result.skip, beyond=beyond))
    if table.nominated:
        answers = _beside_nominated(answers, pod, table, state, rows, but)
    failing = np.zeros(len(rows), np.int64)
    for answer in answers:
        failing += answer.codes != 0
    scores, total = _score(pod, nodes, profile, state, rows, failing == 0)
    message = "" if (failing == 0).any() else _message(answers, named, outside)
    return Evaluation(pod, nodes, state, rows, answers, scores, failing, total, message)


def _ask(
    plugin: FilterPlugin,
    pod: PodClass,
    nodes: Snapshot,
    state: CycleState,
    rows: NDArray[np.intp],
    *,
    skip: bool,
    beyond: NDArray[np.bool_] | None,
) -> FilterAnswer:
    said = None if skip else ask_filter(plugin, state, pod, nodes, nodes.all)
    codes = np.zeros(len(rows), np.int64) if said is None else said[rows].astype(np.int64)
    reasons = tuple(plugin.reasons(pod))
    if beyond is not None:
        # Usually the filter says the same of these nodes in its own words.
        silent = beyond & (codes == 0)
        if silent.any():
            codes[silent] = UNRESOLVABLE | 1 << min(len(reasons), MAX_REASON)
            reasons = (*reasons, narrowed([plugin.name]))
    return FilterAnswer(plugin, codes, reasons)


def _beside_nominated(
    answers: Sequence[FilterAnswer],
    pod: PodClass,
    table: NodeTable,
    state: CycleState,
    rows: NDArray[np.intp],
    but: PodClass | None,
) -> list[FilterAnswer]:
    """Refuse nodes that would do if Pods of no lower priority had not got them in view (upstream's nominated
    Pods).
    """
    nodes, index_of = table.snapshot(), {row: index for index, row in enumerate(rows.tolist())}
    found = list(answers)
    for row, nominated in [*table.nominated.items()]:
        coming = [other for other in nominated if other.priority >= pod.priority]
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
                code = answer.plugin.filter_row(state, pod, nodes, row)
                if code:
                    answer.codes[index] = code
                    found[number] = replace(answer, kept={**answer.kept, index: len(coming)})
        finally:
            for other in coming:
                table.suppose(row, other, -1)
    return found


def _message(answers: Sequence[FilterAnswer], named: Sequence[str], outside: NDArray[np.bool_]) -> str:
    """Say what the cycle says: the first refusal of each node, or the first that concerns the Pod alone."""
    count = len(outside)
    if not count:
        return NO_NODES
    rejected = next((answer.rejected for answer in answers if answer.rejected), "")
    rejections: dict[str, int] = {}
    if not rejected:
        alive = ~outside
        if outside.any():
            rejections[narrowed(named)] = int(outside.sum())
        for answer in answers:
            refused = alive & (answer.codes != 0)
            for code, number in zip(*np.unique(answer.codes[refused], return_counts=True), strict=True):
                for reason in decode(int(code), answer.reasons):
                    rejections[reason] = rejections.get(reason, 0) + int(number)
            alive &= ~refused
    return fit_message(count, rejections, pre_filter=rejected)


def _score(
    pod: PodClass,
    nodes: Snapshot,
    profile: Profile,
    state: CycleState,
    rows: NDArray[np.intp],
    feasible: NDArray[np.bool_],
) -> tuple[list[ScoreAnswer], NDArray[np.int64]]:
    total = np.where(feasible, np.int64(0), np.int64(-1))
    scores: list[ScoreAnswer] = []
    if not feasible.any():
        return scores, total
    whole = np.zeros(nodes.size, np.bool_)
    whole[rows] = feasible
    for weighted in profile.scores:
        if not ask_pre_score(weighted.plugin, state, pod, nodes):
            continue
        answer = _score_one(weighted, pod, nodes, state, rows, whole)
        scores.append(answer)
        total[feasible] += answer.normalised[feasible] * weighted.weight
    return scores, total


def _score_one(
    weighted: Weighted,
    pod: PodClass,
    nodes: Snapshot,
    state: CycleState,
    rows: NDArray[np.intp],
    feasible: NDArray[np.bool_],
) -> ScoreAnswer:
    plugin = weighted.plugin
    ignored = None
    if isinstance(plugin, FeasibleScore):
        plugin.feasible_changed(state, pod, nodes, feasible)
        ignored = plugin.ignored(state)
    raw = ask_score(plugin, state, pod, nodes, nodes.all)
    normalised = raw
    if plugin.scales:
        counted = feasible if ignored is None else feasible & ~ignored
        if counted.any():
            seen = raw[counted]
            normalised = ask_scale(plugin, raw, int(seen.min()), int(seen.max()))
        if ignored is not None:
            normalised = np.where(ignored, np.int64(0), normalised)
    here = feasible[rows]
    zero = np.int64(0)
    return ScoreAnswer(
        plugin.name, weighted.weight, np.where(here, raw[rows], zero), np.where(here, normalised[rows], zero)
    )
