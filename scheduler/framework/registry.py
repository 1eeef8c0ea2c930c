"""The default profile: which plugins there are, in which order, and how much each score counts.

Order and weights are upstream's (`apis/config/v1/default_plugins.go`); a new plugin takes its place in that order.
"""

from typing import Final

from scheduler.framework.runtime import Profile, Weighted
from scheduler.plugins.balanced_allocation import BalancedAllocation
from scheduler.plugins.default_preemption import DefaultPreemption
from scheduler.plugins.image_locality import ImageLocality
from scheduler.plugins.node_affinity import NodeAffinity
from scheduler.plugins.node_name import NodeName
from scheduler.plugins.node_ports import NodePorts
from scheduler.plugins.node_resources_fit import NodeResourcesFit
from scheduler.plugins.node_unschedulable import NodeUnschedulable
from scheduler.plugins.scheduling_gates import SchedulingGates
from scheduler.plugins.taint_toleration import TaintToleration

DEFAULT_SCHEDULER_NAME: Final = "default-scheduler"


def default_profile(name: str = DEFAULT_SCHEDULER_NAME) -> Profile:
    """Make the default profile under a scheduler's name."""
    taints, affinity, fit = TaintToleration(), NodeAffinity(), NodeResourcesFit()
    return Profile(
        name=name,
        pre_enqueue=(SchedulingGates(),),
        filters=(NodeUnschedulable(), NodeName(), taints, affinity, NodePorts(), fit),
        post_filters=(DefaultPreemption(),),
        scores=(
            Weighted(taints, 3),
            Weighted(affinity, 2),
            Weighted(fit, 1),
            Weighted(BalancedAllocation(), 1),
            Weighted(ImageLocality(), 1),
        ),
    )
