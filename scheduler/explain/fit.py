"""PURE: what a cycle would decide for a Pod that somebody asks about, and how many copies of it would fit.

Copies are placed one after the other as the scheduler would, on a copy of what it holds, which is made in small
steps. With constraints between Pods (spreading, affinity) another order of placing might fit more.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from scheduler.cache.cache import Cache, HeldPod
from scheduler.columns.node_info import NodeInfo
from scheduler.columns.node_table import NodeTable
from scheduler.columns.pod_info import PodClass, PodInfo
from scheduler.columns.pod_terms import Namespaces
from scheduler.decide.cycle import ClassCycle
from scheduler.framework.runtime import Framework, Profile
from scheduler.framework.status import Scheduled, Unschedulable
from scheduler.preemption.dry_run import Residents

#: Pods that are copied or placed between two pauses
STEP: Final = 256


def _first(_count: int) -> int:
    """Draw the first of equally good nodes: the same question has the same answer."""
    return 0


def would_decide(
    pod: PodClass, table: NodeTable, profile: Profile, residents: Residents
) -> Unschedulable | None:
    """Return why a Pod fits nowhere, with the node and the victims if it could preempt; None: it fits somewhere.

    The Pod has no node in view. The columns are the same afterwards, and questions are not counted in the
    metrics. `residents` returns the Pods that take room on a node.
    """
    decision = ClassCycle(pod, table, Framework(profile), residents).decide(_first)
    return decision if isinstance(decision, Unschedulable) else None


@dataclass(slots=True)
class Fit:
    """How many fit. Owned by the task that asks."""

    #: node -> copies
    copies: dict[str, int] = field(default_factory=dict[str, int])
    count: int = 0
    #: there is room for more than were asked for
    more: bool = False
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
    """Bring what a cluster's columns depend on into another cache; pauses now and then, for others."""
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
    # No Pod is to be evicted for a question, and questions are not counted in the metrics.
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
        another = PodInfo(pod.pod, pod.pod_class)
        another.uid = f"copy-{fit.count}"
        fit.cache.assume(another, decision.node_name)
        fit.count += 1
        fit.copies[decision.node_name] = fit.copies.get(decision.node_name, 0) + 1
        if fit.count % STEP == 0:
            yield
