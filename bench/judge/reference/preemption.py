"""DefaultPreemption (docs: *Pod Priority and Preemption*).

Whose going would make room, and on which node that hurts least.

On a node all Pods of a lower priority are thought away; if the Pod fits then, they come back one by one, the
most important first (those whose disruption budget would be hurt before the others), as long as it still
fits. The others are the victims. Of the nodes the one with the fewest hurt budgets is taken, then the lowest
of the highest victims' priorities, then the smallest sum of priorities, then the fewest victims, then the one
whose most important victims started last.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.judge.reference.rule import Refusal
from bench.judge.reference.selectors import selects
from bench.judge.reference.world import Placed, World
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
    spared = protected(world, lower)
    for other in [*filter(spared.__contains__, lower), *(other for other in lower if other not in spared)]:
        if refuse(world.without(victims - {other.uid}), node) is None:
            victims.remove(other.uid)
    left = [other for other in lower if other.uid in victims]
    hurt = sum(other in spared for other in left)
    return Candidate(node.metadata.name, tuple(other.uid for other in left), harm(left, hurt))


def protected(world: World, pods: Sequence[Placed]) -> list[Placed]:
    """Return those of some Pods, the most important first, whose going hurts a budget if those before them go
    as well.

    A budget is of its namespace and selector; an empty selector means nobody here. What it allows is used up
    one by one; a Pod whose eviction it has counted already uses nothing.
    """
    left = {key: budget.status.disruptions_allowed for key, budget in world.budgets.items()}
    found: list[Placed] = []
    for placed in pods:
        hurt = False
        for key, budget in world.budgets.items():
            selector = budget.spec.selector
            if budget.metadata.namespace != placed.namespace or not placed.labels:
                continue
            if not selector.match_labels and not selector.match_expressions:
                continue
            counted = placed.pod.metadata.name in budget.status.disrupted_pods
            if not counted and selects(selector, placed.labels):
                left[key] -= 1
                hurt |= left[key] < 0
        if hurt:
            found.append(placed)
    return found


def is_being_left(world: World, wanting: Placed, node: str) -> bool:
    """Say whether Pods of a lower priority that were preempted are still ending on a node."""
    return any(
        other.priority < wanting.priority
        and other.terminating
        and any(
            condition.type == "DisruptionTarget"
            and condition.status == "True"
            and condition.reason == "PreemptionByScheduler"
            for condition in other.pod.status.conditions
        )
        for other in world.on(node)
    )


def importance(placed: Placed) -> tuple[float, ...]:
    """Return what Pods are ordered by, the most important first: a higher priority, then an earlier start."""
    return (-placed.priority, started(placed))


def started(placed: Placed) -> float:
    """Return when a Pod was started; one that was not is the youngest."""
    if not placed.pod.status.HasField("start_time"):
        return float("inf")
    time = placed.pod.status.start_time
    return float(time.seconds + time.nanos / 1e9)


def harm(victims: Sequence[Placed], hurt: int) -> tuple[float, ...]:
    """Return how much it hurts. Args: hurt: victims whose going hurts a budget."""
    if not victims:
        return (0, -float("inf"), 0, 0, 0)
    highest = max(other.priority for other in victims)
    # Each victim counts, whatever its priority: two of a negative one are worse than one.
    total = sum(other.priority + 2**31 for other in victims)
    first = min(started(other) for other in victims if other.priority == highest)
    return (hurt, highest, total, len(victims), -first)
