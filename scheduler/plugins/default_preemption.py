"""DefaultPreemption: finds a node where a Pod that fits nowhere would fit if less important Pods went.

Follows upstream's plugin of this name and `framework/preemption` (Evaluator.Preempt): first whether the Pod
may preempt at all (not with preemptionPolicy Never, and not while Pods that were preempted for it are still
ending on the node that it has in view), then the candidates, then the best of them. What is to be done then
is done by `scheduler.eviction`.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from scheduler.columns.pod_info import PodClass, PodInfo
from scheduler.columns.snapshot import Snapshot
from scheduler.framework.interface import CycleState, PostFilterResult, Refusals, WhatIf
from scheduler.framework.status import fit_message
from scheduler.preemption.search import NO_VICTIMS, Budgets, Search

NOT_HELPFUL: Final = "Preemption is not helpful for scheduling"
NEVER: Final = "preemption: not eligible due to preemptionPolicy=Never."
TERMINATING: Final = "preemption: not eligible due to a terminating pod on the nominated node."

DISRUPTION_TARGET: Final = "DisruptionTarget"
PREEMPTION_BY_SCHEDULER: Final = "PreemptionByScheduler"


@dataclass(slots=True)
class PreemptionContext:
    """What is known besides the nodes. Handed in by the scheduler."""

    budgets: Budgets = field(default_factory=Budgets)
    #: uids of Pods whose eviction has been decided, and that the watch does not show as ending yet
    evicting: set[str] = field(default_factory=set)
    #: of n nodes, the one to begin the search with; at random in a running scheduler
    offset: Callable[[int], int] = lambda _count: 0


@dataclass(frozen=True, slots=True)
class DefaultPreemptionArgs:
    """Upstream's DefaultPreemptionArgs."""

    #: of the nodes that might do, so many per cent are enough to choose from
    min_candidate_nodes_percentage: int = 10
    #: but at least so many
    min_candidate_nodes_absolute: int = 100


class DefaultPreemption:
    """Looks for Pods of a lower priority."""

    name = "DefaultPreemption"

    def __init__(
        self,
        context: PreemptionContext | None = None,
        *,
        args: DefaultPreemptionArgs = DefaultPreemptionArgs(),
    ) -> None:
        self.context, self._args = context or PreemptionContext(), args

    def post_filter(
        self, state: CycleState, pod: PodClass, nodes: Snapshot, refusals: Refusals
    ) -> PostFilterResult:
        if not pod.may_preempt:
            return PostFilterResult(NEVER, waits=True)
        what_if = refusals.what_if
        if what_if is not None:
            if self._is_being_made(pod, refusals, what_if):
                return PostFilterResult(TERMINATING, waits=True)
            search = state.find(self.name, Search)
            if search is None:
                search = Search(pod.priority, self.context.budgets, what_if.position)
                state.write(self.name, search)
            best = search.best(refusals, what_if, self._wanted, self.context.offset)
            if best is not None:
                name = nodes.names[best.row]
                assert name is not None
                return PostFilterResult(nominated=name, victims=best.victims)
            rejections = search.rejections()
        elif (nodes.holds_lower_priority(pod.priority) & refusals.resolvable).any():
            # Nobody who could say what would help (a question about columns alone): nothing is said.
            return PostFilterResult()
        else:
            rejections = Counter({NO_VICTIMS: int(refusals.resolvable.sum())})
        rejections[NOT_HELPFUL] = refusals.nodes - int(refusals.resolvable.sum())
        found = {reason: count for reason, count in rejections.items() if count}
        return PostFilterResult(f"preemption: {fit_message(refusals.nodes, found)}")

    def _wanted(self, nodes: int) -> int:
        percentage = nodes * self._args.min_candidate_nodes_percentage // 100
        return min(max(percentage, self._args.min_candidate_nodes_absolute), nodes)

    def _is_being_made(self, pod: PodClass, refusals: Refusals, what_if: WhatIf) -> bool:
        """Say whether it is worth waiting for Pods that are ending on the node that this Pod has in view."""
        row = refusals.nominated
        if row < 0 or not refusals.resolvable[row]:
            return False
        return any(
            other.pod_class.priority < pod.priority and self._is_leaving(other) for other in what_if.pods(row)
        )

    def _is_leaving(self, pod: PodInfo) -> bool:
        return pod.uid in self.context.evicting or is_preempted(pod)


def is_preempted(pod: PodInfo) -> bool:
    """Say whether a Pod is ending because it was preempted (`podTerminatingByPreemption`)."""
    if not pod.pod_class.group.terminating:
        return False
    return any(
        condition.type == DISRUPTION_TARGET
        and condition.status == "True"
        and condition.reason == PREEMPTION_BY_SCHEDULER
        for condition in pod.pod.status.conditions
    )
