"""PURE: what would make a Pod fit, what a cycle would decide for it, and how many copies of it would fit.

Refused nodes that lack the same are one group. Groups come in this order: the fewest failing plugins; the
smallest relative lack (the sum over plugins: half of the CPU that is asked for is 0.5, a refusal that is no
matter of amounts is 1); the largest group; the name of its first node.

Copies are placed one after the other as the scheduler would, on a copy of what it holds, which is made in small
steps. With constraints between Pods (spreading, affinity) another order of placing might fit more.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scheduler.cache.cache import Cache, HeldPod
from scheduler.columns.node_info import NodeInfo
from scheduler.columns.node_table import NodeTable
from scheduler.columns.pod_info import PodClass, PodInfo
from scheduler.columns.pod_terms import Namespaces
from scheduler.decide.cycle import ClassCycle
from scheduler.explain.evaluate import Evaluation
from scheduler.explain.lacks import Asked, describer_of
from scheduler.framework.interface import UNRESOLVABLE
from scheduler.framework.runtime import Framework, Profile
from scheduler.framework.status import Scheduled, Unschedulable
from scheduler.preemption.dry_run import Residents
from vaina.api.scheduler.v1 import scheduler_service_pb2 as pb

#: nodes of a group that are named, the first by name
NAMED: Final = 5


def remedies(evaluation: Evaluation, limit: int) -> tuple[list[pb.NodeGroup], int]:
    """Return the first groups of refused nodes, and how many more groups there are."""
    refused = np.flatnonzero(evaluation.failing > 0)
    if not len(refused):
        return [], 0
    asked = [Asked(evaluation, answer) for answer in evaluation.filters if (answer.codes != 0).any()]
    columns: list[NDArray[np.int64]] = []
    relative = np.zeros(evaluation.count, np.float64)
    for one in asked:
        describer = describer_of(one.answer)
        columns.append(one.answer.codes)
        columns += [np.where(one.refused, column, np.int64(0)) for column in describer.tells_apart(one)]
        lack = np.where(one.refused, describer.relative(one), 0.0)
        if one.answer.kept:
            kept = np.zeros(evaluation.count, np.int64)
            for index, count in one.answer.kept.items():
                kept[index] = count
            columns.append(kept)
            # The node has the room: it is no matter of amounts.
            lack = np.where(kept > 0, 1.0, lack)
        relative += lack
    # One row of numbers a node; equal rows are equal words.
    numbers = np.ascontiguousarray(np.stack(columns, axis=1)[refused])
    packed, width = numbers.tobytes(), numbers.strides[0]
    groups: dict[bytes, list[int]] = {}
    for place, index in enumerate(refused.tolist()):
        groups.setdefault(packed[place * width : (place + 1) * width], []).append(index)
    found: list[tuple[tuple[int, float, int], list[str], int]] = []
    for members in groups.values():
        first = members[0]
        order = int(evaluation.failing[first]), round(float(relative[first]), 6), -len(members)
        found.append((order, sorted(map(evaluation.name, members)), first))
    found.sort()
    shown = [
        pb.NodeGroup(
            count=len(names),
            nodes=names[:NAMED],
            relative_lack=lack,
            refusals=[_describe(one, first) for one in asked if one.code(first)],
        )
        for (_, lack, _), names, first in found[:limit]
    ]
    return shown, len(found) - len(shown)


def _describe(asked: Asked, index: int) -> pb.Refusal:
    answer, reasons = asked.answer, asked.answer.words(index)
    coming = answer.kept.get(index, 0)
    if coming:
        who = "a Pod that is" if coming == 1 else f"{coming} Pods that are"
        words = f"{', '.join(reasons)}: room is kept for {who} to come there"
    else:
        words = describer_of(answer).words(asked, index)
    unresolvable = bool(asked.code(index) & UNRESOLVABLE)
    return pb.Refusal(plugin=answer.plugin.name, reasons=reasons, lack=words, unresolvable=unresolvable)


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
