"""PURE: which Pods would have to leave a node for a Pod, and on which node are they fewest and least important?

First everybody of a lower priority is taken away; if the Pod fits then, they are let back one by one, the
most important first and those before all whose eviction would break a disruption budget, as long as the Pod
still fits. Who cannot come back is a victim. Follows `SelectVictimsOnNode` of upstream's plugin
defaultpreemption and `pickOneNodeForPreemption` of its framework/preemption.

What was found out about a node holds until something changes there, so the next Pod of the class asks again
only about nodes that changed: usually the one that the Pod before it took. As upstream it looks for a tenth
of the nodes (at least 100) that would do, from a random node on, and takes the best of them
(`minCandidateNodesPercentage`, `minCandidateNodesAbsolute`).

A PodDisruptionBudget is respected when an alternative exists, and otherwise not: upstream's promise for
preemption, which does not go through the eviction API (`filterPodsWithPDBViolation`).
"""

import heapq
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from scheduler.columns.pod_info import PodInfo
from scheduler.framework.interface import Refusals, WhatIf
from vaina.api.policy.v1 import pod_disruption_budget_pb2
from vaina.objects.selectors import LabelSelector, SelectorError, from_message

BudgetMessage: TypeAlias = pod_disruption_budget_pb2.PodDisruptionBudget


@dataclass(frozen=True, slots=True)
class Budget:
    """One PodDisruptionBudget."""

    namespace: str
    #: None: matches nothing
    selector: LabelSelector | None
    #: status.disruptionsAllowed
    allowed: int
    #: names of Pods whose eviction is counted already
    disrupted: frozenset[str] = frozenset()

    def covers(self, pod: PodInfo, labels: Mapping[str, str]) -> bool:
        return (
            self.selector is not None
            and self.namespace == pod.namespace
            and pod.name not in self.disrupted
            and self.selector.matches(labels)
        )


class Budgets:
    """All budgets, by key. Owned by the scheduling task; written by its watch."""

    def __init__(self) -> None:
        self._budgets: dict[str, Budget] = {}
        #: how many changes there have been
        self.version = 0

    def __len__(self) -> int:
        return len(self._budgets)

    def put(self, key: str, budget: Budget) -> None:
        if self._budgets.get(key) != budget:
            self._budgets[key] = budget
            self.version += 1

    def remove(self, key: str) -> None:
        if self._budgets.pop(key, None) is not None:
            self.version += 1

    def on_budgets(self, changes: Sequence[tuple[BudgetMessage | None, BudgetMessage | None]]) -> None:
        for old, new in changes:
            if new is not None:
                self.put(f"{new.metadata.namespace}/{new.metadata.name}", compile_budget(new))
            elif old is not None:
                self.remove(f"{old.metadata.namespace}/{old.metadata.name}")

    def violating(self, pods: Sequence[PodInfo]) -> list[bool]:
        """Say for each of these Pods whether evicting it, after those before it, breaks a budget."""
        left = [(budget, [budget.allowed]) for budget in self._budgets.values()]
        if not left:
            return [False] * len(pods)
        found: list[bool] = []
        for pod in pods:
            labels = pod.pod_class.group.labels
            broken = False
            if labels:
                for budget, allowed in left:
                    if budget.covers(pod, labels):
                        allowed[0] -= 1
                        broken |= allowed[0] < 0
            found.append(broken)
        return found


def compile_budget(budget: BudgetMessage) -> Budget:
    """Compile a PodDisruptionBudget; a selector that is empty or unreadable matches nothing."""
    spec, status = budget.spec, budget.status
    selector: LabelSelector | None = None
    if spec.selector.match_labels or spec.selector.match_expressions:
        try:
            selector = from_message(spec.selector)
        except SelectorError:
            selector = None
    return Budget(
        budget.metadata.namespace, selector, status.disruptions_allowed, frozenset(status.disrupted_pods)
    )


NO_VICTIMS: Final = "No preemption victims found for incoming pod"

#: added to each priority, so that fewer victims of a negative priority are better than more
_LIFT: Final = 1 << 31

#: what nodes are compared by, the smallest first: broken budgets, highest priority of a victim, sum of
#: priorities, number of victims, and how long ago (negative: seconds since the epoch) the first of the most
#: important victims was started
Order = tuple[int, int, int, int, float]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A node that would do without some of its Pods."""

    row: int
    #: the most important first
    victims: tuple[PodInfo, ...]
    order: Order


def importance(pod: PodInfo) -> tuple[int, float]:
    """Return what Pods are sorted by: higher priority, then longer running (`util.MoreImportantPod`)."""
    return (-pod.pod_class.priority, pod.started)


def select(
    row: int, priority: int, what_if: WhatIf, violating: Callable[[Sequence[PodInfo]], Sequence[bool]]
) -> Candidate | tuple[str, ...]:
    """Return the Pods that would have to leave a row for a Pod of a priority, or why evicting does not help."""
    lower = [pod for pod in what_if.pods(row) if pod.pod_class.priority < priority]
    if not lower:
        return (NO_VICTIMS,)
    lower.sort(key=importance)
    trial = what_if.begin(row)
    try:
        for pod in lower:
            trial.take(pod)
        refusal = trial.refusal()
        if refusal:
            return refusal
        breaking = violating(lower)
        victims: list[PodInfo] = []
        broken = 0
        for first in (True, False) if any(breaking) else (False,):
            for pod, breaks in zip(lower, breaking, strict=True):
                if breaks is not first:
                    continue
                trial.put(pod)
                if trial.refusal():
                    trial.take(pod)
                    victims.append(pod)
                    broken += breaks
    finally:
        trial.close()
    if not victims:
        # It fits as it is, the filters have changed their mind: the next attempt will find it.
        return (NO_VICTIMS,)
    victims.sort(key=importance)
    return Candidate(row, tuple(victims), order_of(victims, broken))


def order_of(victims: Sequence[PodInfo], broken: int) -> Order:
    """Return what a node is compared by: its victims, the most important first, and how many budgets break."""
    highest = victims[0].pod_class.priority
    return (
        broken,
        highest,
        sum(pod.pod_class.priority + _LIFT for pod in victims),
        len(victims),
        -min(pod.started for pod in victims if pod.pod_class.priority == highest),
    )


#: entries of the heap that count no longer are left alone up to this many
_SLACK: Final = 64


class Search:
    """The search for one class of Pods. Kept in its cycle's state; starts afresh with it."""

    def __init__(self, priority: int, budgets: Budgets, position: int) -> None:
        """Make an empty search for Pods of a priority; `position` is that of the changes that are known."""
        self._priority, self._budgets = priority, budgets
        self._position, self._version = position, budgets.version
        self._found: dict[int, Candidate | tuple[str, ...]] = {}
        #: rows to ask about, in order, each once; None: all that are resolvable
        self._asked: deque[int] | None = None
        self._waiting: set[int] = set()
        self._reasons: Counter[tuple[str, ...]] = Counter()
        self._candidates = self._sparing = 0
        #: the best first; entries of candidates that are no longer are skipped
        self._heap: list[tuple[Order, int, int, Candidate]] = []
        #: candidates so far: those that stand for one row are never compared themselves
        self._numbers = 0
        #: the row that is asked first: among equals the one that follows it soonest is best
        self._first = 0

    def best(
        self, refusals: Refusals, what_if: WhatIf, wanted: Callable[[int], int], offset: Callable[[int], int]
    ) -> Candidate | None:
        """Return the node to choose now, or None.

        `wanted` says of n nodes that might do, how many candidates are enough; `offset` with which to begin.
        """
        resolvable = refusals.resolvable
        self._forget(what_if)
        if self._asked is None:
            rows = np.flatnonzero(resolvable).tolist()
            first = offset(len(rows)) if rows else 0
            self._first = rows[first] if rows else 0
            self._asked, self._waiting = deque(rows[first:] + rows[:first]), set(rows)
        enough, asked = wanted(int(np.count_nonzero(resolvable))), self._asked
        while asked and not (self._sparing and self._candidates >= enough):
            row = asked.popleft()
            self._waiting.discard(row)
            # What is not resolvable now has an entry in the journal when it is again, and comes back then.
            if row not in self._found and resolvable[row]:
                place = (row - self._first) % len(resolvable)
                self._learn(row, place, select(row, self._priority, what_if, self._budgets.violating))
        heap = self._heap
        while heap:
            candidate = heap[0][3]
            if self._found.get(candidate.row) is candidate:
                return candidate
            heapq.heappop(heap)
        return None

    def rejections(self) -> Counter[str]:
        """Return how many nodes gave which reason. Without a candidate every node has been asked."""
        counts: Counter[str] = Counter()
        for reasons, count in self._reasons.items():
            for reason in reasons:
                counts[reason] += count
        return counts

    def _forget(self, what_if: WhatIf) -> None:
        rows = what_if.changed_since(self._position)
        self._position = what_if.position
        if rows is None or self._version != self._budgets.version:
            # Anything may be different.
            self._version = self._budgets.version
            self._found.clear()
            self._reasons.clear()
            self._heap.clear()
            self._candidates = self._sparing = 0
            self._asked = None
            return
        for row in rows:
            found = self._found.pop(row, None)
            if self._asked is not None and row not in self._waiting:
                self._asked.append(row)
                self._waiting.add(row)
            if isinstance(found, Candidate):
                self._candidates -= 1
                self._sparing -= not found.order[0]
            elif found is not None:
                self._reasons[found] -= 1
                if not self._reasons[found]:
                    del self._reasons[found]

    def _learn(self, row: int, place: int, found: Candidate | tuple[str, ...]) -> None:
        self._found[row] = found
        if isinstance(found, Candidate):
            self._candidates += 1
            self._sparing += not found.order[0]
            self._numbers += 1
            heapq.heappush(self._heap, (found.order, place, self._numbers, found))
            if len(self._heap) > 2 * self._candidates + _SLACK:
                self._heap = [entry for entry in self._heap if self._found.get(entry[3].row) is entry[3]]
                heapq.heapify(self._heap)
        else:
            self._reasons[found] += 1
