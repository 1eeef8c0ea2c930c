"""DefaultPreemption, as far as it goes today: says in upstream's words what evicting Pods could do for a Pod that fits nowhere.

Choosing and evicting victims is issue 4's. Until then the sentence is only said where it is true: no node that refused the Pod
for want of room holds a Pod of a lower priority.
"""

from typing import Final

from scheduler.columns.pod_info import PodClass
from scheduler.columns.snapshot import Snapshot
from scheduler.framework.interface import PostFilterResult, Refusals
from scheduler.framework.state import CycleState
from scheduler.framework.status import fit_message

NO_VICTIMS: Final = "No preemption victims found for incoming pod"
NOT_HELPFUL: Final = "Preemption is not helpful for scheduling"
NEVER: Final = "preemption: not eligible due to preemptionPolicy=Never."


class DefaultPreemption:
    """Looks for Pods of a lower priority."""

    name = "DefaultPreemption"

    def post_filter(
        self, state: CycleState, pod: PodClass, nodes: Snapshot, refusals: Refusals
    ) -> PostFilterResult:
        if not pod.may_preempt:
            return PostFilterResult(NEVER)
        if (nodes.holds_lower_priority(pod.priority) & refusals.resolvable).any():
            return PostFilterResult()
        resolvable = int(refusals.resolvable.sum())
        rejections = {NO_VICTIMS: resolvable, NOT_HELPFUL: refusals.nodes - resolvable}
        found = {reason: count for reason, count in rejections.items() if count}
        return PostFilterResult(f"preemption: {fit_message(refusals.nodes, found)}")
