"""DefaultPreemption (docs: *Pod Priority and Preemption*): whose going would make room, and on which node that hurts least.

On a node all Pods of a lower priority are thought away; if the Pod fits then, they come back one by one, the most important first
(those whose disruption budget would be hurt before the others), as long as it still fits. The others are the victims. Of the
nodes the one with the fewest hurt budgets is taken, then the lowest of the highest victims' priorities, then the smallest sum of
priorities, then the fewest victims, then the one whose most important victims started last.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.unit.scheduler.reference.rule import Refusal
from tests.unit.scheduler.reference.world import Placed, World
from vaina.api.core.v1 import node_pb2

NOT_HELPFUL = Refusal(("Preemption is not helpful for scheduling",))
NO_VICTIMS = Refusal(("No preemption victims found for incoming pod",))

#: (world, node) -> why the node will not do for the Pod
Refuse = Callable[[World, node_pb2.Node], Refusal | None]


@dataclass(frozen=True)
class Candidate:
    """A node and the Pods that would have to go, by uid, the most important first."""

    node: str
    victims: tuple[str, ...]
    #: smaller is better
    harm: tuple[float, ...]


def candidate(world: World, wanting: Placed, node: node_pb2.Node, refuse: Refuse) -> Candidate | Refusal:
    """Say who would have to go from a node, or why nobody's going helps."""
    lower = [other for other in world.on(node.metadata.name) if other.priority < wanting.priority]
    if not lower:
        return NO_VICTIMS
    victims = {other.uid for other in lower}
    refusal = refuse(world.without(victims), node)
    if refusal is not None:
        return refusal
    lower.sort(key=importance)
    for other in lower:
        if refuse(world.without(victims - {other.uid}), node) is None:
            victims.remove(other.uid)
    left = [other for other in lower if other.uid in victims]
    return Candidate(node.metadata.name, tuple(other.uid for other in left), harm(left))


def importance(placed: Placed) -> tuple[float, ...]:
    """Return what Pods are ordered by, the most important first: a higher priority, then an earlier start."""
    return (-placed.priority, started(placed))


def started(placed: Placed) -> float:
    """Return when a Pod was started; one that was not is the youngest."""
    if not placed.pod.status.HasField("start_time"):
        return float("inf")
    time = placed.pod.status.start_time
    return float(time.seconds + time.nanos / 1e9)


def harm(victims: Sequence[Placed]) -> tuple[float, ...]:
    """Return how much it hurts."""
    if not victims:
        return (0, -float("inf"), 0, 0, 0)
    highest = max(other.priority for other in victims)
    # Each victim counts, whatever its priority: two of a negative one are worse than one.
    total = sum(other.priority + 2**31 for other in victims)
    first = min(started(other) for other in victims if other.priority == highest)
    return (0, highest, total, len(victims), -first)
