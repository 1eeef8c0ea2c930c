"""What a decision says: where a Pod goes, or why it cannot go anywhere, in Kubernetes' words.

The words are those of `framework.FitError` and of the event FailedScheduling: `0/5 nodes are available: 2
Insufficient cpu, 3 node(s) had untolerated taint(s). preemption: ...`, where each reason has the number of
nodes that gave it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

from scheduler.columns.pod_info import PodInfo

NO_NODES: Final = "no nodes available to schedule pods"


class Scheduled(NamedTuple):
    """The Pod goes to a node."""

    row: int
    node_name: str
    #: nodes looked at, and those that would do
    evaluated: int
    feasible: int


@dataclass(frozen=True, slots=True)
class Unschedulable:
    """No node will do."""

    nodes: int
    #: reason -> how many nodes gave it
    rejections: Mapping[str, int]
    #: the plugins that refused a node (or the Pod itself); empty: nobody was asked
    rejected_by: frozenset[str]
    message: str
    #: the node whose room is being made, where preemption found one
    nominated: str = field(default="")
    #: who has to go for that, the most important first
    victims: tuple[PodInfo, ...] = field(default=())
    #: room is being made already: the node that the Pod has in view stays so
    waits: bool = False


Decision: TypeAlias = Scheduled | Unschedulable


def fit_message(
    nodes: int, rejections: Mapping[str, int], *, pre_filter: str = "", post_filter: str = ""
) -> str:
    """Say why no node will do; `pre_filter` concerns the Pod alone, and stands instead of the others."""
    words = f"0/{nodes} nodes are available:"
    if pre_filter:
        words += f" {pre_filter}."
    elif rejections:
        # Sorted as texts, counts included, as upstream does.
        reasons = sorted(f"{count} {reason}" for reason, count in rejections.items())
        words += f" {', '.join(reasons)}."
    return f"{words} {post_filter}" if post_filter else words
