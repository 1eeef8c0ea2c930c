"""PURE: whose eviction would make room for a Pod that fits nowhere.

What a cycle would find, without beginning it.
"""

from scheduler.columns.node_table import NodeTable
from scheduler.columns.pod_info import PodClass
from scheduler.decide.cycle import ClassCycle
from scheduler.framework.runtime import Framework, Profile
from scheduler.framework.status import Unschedulable
from scheduler.preemption.dry_run import Residents


def would_decide(
    pod: PodClass, table: NodeTable, profile: Profile, residents: Residents
) -> Unschedulable | None:
    """Return why a Pod fits nowhere, with the node and the victims if it could preempt; None: it fits somewhere.

    Args:
        pod: who asks, and has no node in view.
        table: the columns; nothing is different about them afterwards.
        profile: the plugins. They are not observed: questions are not counted in the metrics.
        residents: node -> the Pods that take room on it.
    """
    decision = ClassCycle(pod, table, Framework(profile), residents).decide(lambda _count: 0)
    return decision if isinstance(decision, Unschedulable) else None
