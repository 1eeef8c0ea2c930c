"""PodDisruptionBudgets as preemption sees them: whose evictions are allowed, and how many of them.

A budget is respected when an alternative exists, and otherwise not: upstream's promise for preemption, which
does not go through the eviction API (`filterPodsWithPDBViolation` of the plugin defaultpreemption).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from scheduler.columns.pod_info import PodInfo
from vaina.api.policy.v1 import pod_disruption_budget_pb2
from vaina.objects.selectors import LabelSelector, SelectorError, from_message

Message: TypeAlias = pod_disruption_budget_pb2.PodDisruptionBudget


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

    def on_budgets(self, changes: Sequence[tuple[Message | None, Message | None]]) -> None:
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


def compile_budget(budget: Message) -> Budget:
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
