"""PURE: how many copies of a Pod would fit now, and where.

Placed one after the other as the scheduler would, on a copy.

The copy is made from what the scheduler holds, in small steps; then copies are placed until none fits or
there are enough. With constraints between Pods (spreading, affinity) another order of placing might fit more:
the answer is what this scheduler would do.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from scheduler.cache.cache import Cache, HeldPod
from scheduler.columns.node_info import NodeInfo
from scheduler.columns.pod_info import PodInfo
from scheduler.columns.pod_terms import Namespaces
from scheduler.decide.cycle import ClassCycle
from scheduler.framework.runtime import Framework, Profile
from scheduler.framework.status import Scheduled, Unschedulable

#: Pods that are copied or placed between two pauses
STEP: Final = 256


@dataclass(slots=True)
class Fit:
    """How many fit. Owned by the task that asks."""

    #: node -> copies
    copies: dict[str, int] = field(default_factory=dict[str, int])
    count: int = 0
    #: there is room for more than were asked for
    more: bool = False
    #: why the next one would not fit
    verdict: Unschedulable | None = None
    #: the columns with all copies in place
    cache: Cache = field(default_factory=Cache)


def copy(
    nodes: Sequence[NodeInfo],
    held: Mapping[str, HeldPod],
    nominated: Sequence[tuple[PodInfo, str]],
    namespaces: Namespaces,
    cache: Cache,
) -> Iterator[None]:
    """Bring nodes, Pods, Pods that are to come to a node, and the labels of namespaces into another cache.

    Pauses now and then, so that somebody else may have a turn.
    """
    for name, labels in namespaces.items():
        cache.table.set_namespace(name, labels)
    for info, node_name in nominated:
        cache.nominations.put(info, node_name)
    for number, node in enumerate(nodes, start=1):
        cache.upsert_node(node)
        if number % STEP == 0:
            yield
    for number, pod in enumerate(held.values(), start=1):
        cache.assume(pod.info, pod.node_name)
        if number % STEP == 0:
            yield


def fill(pod: PodInfo, profile: Profile, most: int, fit: Fit) -> Iterator[None]:
    """Place copies of a Pod in `fit.cache`, at most so many; pauses as `copy` does."""
    # Nobody is to be evicted for a question, and questions are not counted in the metrics.
    framework = Framework(replace(profile, post_filters=()))
    cycle = ClassCycle(pod.pod_class, fit.cache.table, framework)
    while True:
        decision = cycle.decide(_first)
        if isinstance(decision, Unschedulable):
            fit.verdict = decision
            return
        assert isinstance(decision, Scheduled)
        if fit.count >= most:
            fit.more = True
            return
        fit.cache.assume(_another(pod, fit.count), decision.node_name)
        fit.count += 1
        fit.copies[decision.node_name] = fit.copies.get(decision.node_name, 0) + 1
        if fit.count % STEP == 0:
            yield


def _another(pod: PodInfo, number: int) -> PodInfo:
    made = PodInfo(pod.pod, pod.pod_class)
    made.uid = f"copy-{number}"
    return made


def _first(_count: int) -> int:
    """The first of equally good nodes: the same question has the same answer."""
    return 0
