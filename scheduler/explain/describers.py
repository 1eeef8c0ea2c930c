"""PURE: which plugin's refusals are described how."""

from typing import Final

from scheduler.explain import lacks, peers
from scheduler.explain.evaluate import FilterAnswer
from scheduler.explain.lacks import Describer

_DESCRIBERS: Final[dict[str, Describer]] = {
    "NodeResourcesFit": lacks.NODE_RESOURCES_FIT,
    "TaintToleration": lacks.TAINT_TOLERATION,
    "NodeAffinity": lacks.NODE_AFFINITY,
    "NodePorts": lacks.NODE_PORTS,
    "NodeUnschedulable": lacks.NODE_UNSCHEDULABLE,
    "NodeName": lacks.NODE_NAME,
    "InterPodAffinity": peers.INTER_POD_AFFINITY,
    "PodTopologySpread": peers.POD_TOPOLOGY_SPREAD,
}


def describer_of(answer: FilterAnswer) -> Describer:
    """Return how the refusals of a plugin are described; by its reasons, when nobody knows better."""
    return lacks.BY_REASONS if answer.rejected else _DESCRIBERS.get(answer.plugin.name, lacks.BY_REASONS)
