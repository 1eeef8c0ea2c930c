"""PURE: are the columns true? They are built anew from the API objects, and both are compared, column by column.

    capture (at one moment) -> rebuild (in small steps; decisions go on meanwhile) -> compare

What is captured is of one point of the watches: informers tell their handlers of a batch before anybody else has a turn, so that
between two turns store and columns mean the same, unless one of them is wrong. Assumed Pods (decided, not yet shown) count where
they were assumed. The rebuilt columns saw no removal, no update and no assumption: what leaked or was counted twice differs.
"""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scheduler.cache import Cache, HeldPod
from scheduler.columns.interner import Interner
from scheduler.columns.node_info import compile_node
from scheduler.columns.pod_info import PodCompiler, PodInfo
from scheduler.columns.snapshot import PortColumn, Snapshot
from vaina.api.core.v1 import node_pb2, pod_pb2
from vaina.objects.pods import is_terminal

#: Pods and nodes that are counted between two pauses
STEP: Final = 256


class Difference(NamedTuple):
    """Something that is not what follows from the API objects."""

    #: a node, or a Pod as namespace/name
    subject: str
    #: requested[cpu], podCount, labels[zone], ...
    what: str
    have: str
    want: str


@dataclass(frozen=True, slots=True)
class Captured:
    """Columns and objects at one moment. The objects are the informers' own: read only."""

    columns: Snapshot
    nodes: Sequence[node_pb2.Node]
    pods: Sequence[pod_pb2.Pod]
    #: by uid
    held: Mapping[str, HeldPod]
    #: uids of the Pods that wait in the queue, those in flight included
    queued: frozenset[str]
    #: spec.schedulerName of the Pods that are ours
    ours: frozenset[str]


@dataclass(slots=True)
class Rebuilt:
    """What follows from the API objects. Owned by the task that verifies."""

    cache: Cache = field(default_factory=Cache)
    #: Pods that take room, by uid: the node each is on
    placed: dict[str, str] = field(default_factory=dict[str, str])
    #: Pods that wait for us, by uid
    waiting: dict[str, str] = field(default_factory=dict[str, str])
    #: nodes that cannot be read: the scheduler goes on with what it knew of them
    unreadable: set[str] = field(default_factory=set[str])


def capture(
    cache: Cache,
    *,
    nodes: Sequence[node_pb2.Node],
    pods: Sequence[pod_pb2.Pod],
    queued: frozenset[str] = frozenset(),
    ours: frozenset[str] = frozenset(),
) -> Captured:
    """Take what is to be compared. One call, no await: all of it is of the same moment."""
    return Captured(deepcopy(cache.table.snapshot()), nodes, pods, cache.held(), queued, ours)


def rebuild(captured: Captured, rebuilt: Rebuilt) -> Iterator[None]:
    """Count everything anew, into `rebuilt`; pauses now and then, so that somebody else may have a turn."""
    compiler = PodCompiler()
    for number, node in enumerate(captured.nodes):
        try:
            rebuilt.cache.upsert_node(compile_node(node))
        except ValueError:
            rebuilt.unreadable.add(node.metadata.name)
        if number % STEP == STEP - 1:
            yield
    for number, pod in enumerate(captured.pods):
        _count(pod, compiler, captured, rebuilt)
        if number % STEP == STEP - 1:
            yield


def _count(pod: pod_pb2.Pod, compiler: PodCompiler, captured: Captured, rebuilt: Rebuilt) -> None:
    if is_terminal(pod):
        return
    uid = pod.metadata.uid
    try:
        info = compiler.compile(pod)
    except ValueError:
        # The scheduler leaves it alone; it says so in its log.
        return
    held = captured.held.get(uid)
    if pod.spec.node_name:
        rebuilt.cache.put(info)
        rebuilt.placed[uid] = pod.spec.node_name
    elif held is not None and held.assumed:
        rebuilt.cache.assume(info, held.node_name)
        rebuilt.placed[uid] = held.node_name
    elif (
        not pod.metadata.HasField("deletion_timestamp")
        and (pod.spec.scheduler_name or "default-scheduler") in captured.ours
    ):
        rebuilt.waiting[uid] = info.key


def compare(captured: Captured, rebuilt: Rebuilt) -> Iterator[Difference]:
    """Yield every difference: nodes and their columns in the order of names, then Pods."""
    yield from _compare_columns(captured.columns, rebuilt.cache.table.snapshot(), rebuilt.unreadable)
    yield from _compare_pods(captured, rebuilt)


def _compare_pods(captured: Captured, rebuilt: Rebuilt) -> Iterator[Difference]:
    names = {pod.metadata.uid: f"{pod.metadata.namespace}/{pod.metadata.name}" for pod in captured.pods}
    for uid, held in captured.held.items():
        node = rebuilt.placed.get(uid)
        if node is None:
            want = "waiting" if uid in rebuilt.waiting else "no such Pod, or ended"
            yield Difference(_subject(names, uid, held.info), "node", held.node_name, want)
        elif node != held.node_name:
            yield Difference(_subject(names, uid, held.info), "node", held.node_name, node)
    for uid, node in rebuilt.placed.items():
        if uid not in captured.held:
            yield Difference(names.get(uid, uid), "node", "not counted", node)
    yield from _compare_queue(captured, rebuilt, names)


def _compare_queue(captured: Captured, rebuilt: Rebuilt, names: Mapping[str, str]) -> Iterator[Difference]:
    if not captured.ours:
        return
    for uid, key in rebuilt.waiting.items():
        if uid not in captured.queued and uid not in captured.held:
            yield Difference(key, "queue", "not in the queue", "waiting")
    for uid in captured.queued:
        if uid not in rebuilt.waiting and uid not in captured.held:
            yield Difference(names.get(uid, uid), "queue", "in the queue", "nothing to decide")


def _subject(names: Mapping[str, str], uid: str, info: PodInfo) -> str:
    return names.get(uid) or info.key


def _compare_columns(have: Snapshot, want: Snapshot, unreadable: set[str]) -> Iterator[Difference]:
    there, expected = set(have.rows) - unreadable, set(want.rows)
    for name in sorted(there - expected):
        yield Difference(name, "node", "in the columns", "no such Node")
    for name in sorted(expected - there):
        yield Difference(name, "node", "not in the columns", "a Node")
    names = sorted(there & expected)
    if not names:
        return
    left = np.array([have.rows[name] for name in names], np.intp)
    right = np.array([want.rows[name] for name in names], np.intp)
    for what, mine, theirs in _columns(have, want, left, right):
        for index in np.flatnonzero(mine != theirs).tolist():
            yield Difference(names[index], what, str(mine[index]), str(theirs[index]))


_Pair = tuple[str, NDArray, NDArray]  # type: ignore[type-arg]  # of whatever dtype the column has


def _columns(
    have: Snapshot, want: Snapshot, left: NDArray[np.intp], right: NDArray[np.intp]
) -> Iterator[_Pair]:
    """Yield each column of the wanted nodes as it is, and as it should be."""
    nothing = np.zeros(len(left), np.int64)
    for resource in sorted({*have.resources, *want.resources}):
        for what, mine, theirs in (
            ("allocatable", have.allocatable, want.allocatable),
            ("requested", have.requested, want.requested),
        ):
            one, other = have.resources.get(resource), want.resources.get(resource)
            yield (
                f"{what}[{resource}]",
                nothing if one is None else mine[one][left],
                nothing if other is None else theirs[other][right],
            )
    yield "valid", have.valid[left], want.valid[right]
    yield "requested for scoring[cpu]", have.nonzero_cpu[left], want.nonzero_cpu[right]
    yield "requested for scoring[memory]", have.nonzero_memory[left], want.nonzero_memory[right]
    yield "maxPods", have.max_pods[left], want.max_pods[right]
    yield "podCount", have.pod_count[left], want.pod_count[right]
    yield "unschedulable", have.unschedulable[left], want.unschedulable[right]
    yield (
        "taints",
        _decoded(have.taint_sets, have.taints[left]),
        _decoded(want.taint_sets, want.taints[right]),
    )
    for key in sorted({*have.labels, *want.labels}):
        one_label, other_label = have.labels.get(key), want.labels.get(key)
        yield (
            f"labels[{key}]",
            _absent(len(left)) if one_label is None else _decoded(one_label.values, one_label.codes[left]),
            _absent(len(left))
            if other_label is None
            else _decoded(other_label.values, other_label.codes[right]),
        )
    for level in sorted({*have.priorities, *want.priorities}):
        one_level, other_level = have.priorities.get(level), want.priorities.get(level)
        yield (
            f"pods of priority[{level}]",
            nothing if one_level is None else one_level[left],
            nothing if other_level is None else other_level[right],
        )
    yield from _ports(have.ports, want.ports, left, right)


def _ports(
    have: Mapping[tuple[str, int], PortColumn],
    want: Mapping[tuple[str, int], PortColumn],
    left: NDArray[np.intp],
    right: NDArray[np.intp],
) -> Iterator[_Pair]:
    nothing = np.zeros(len(left), np.int32)
    for key in sorted({*have, *want}):
        one, other = have.get(key), want.get(key)
        words = f"hostPort[{key[1]}/{key[0]}"
        yield (
            f"{words}]",
            nothing if one is None else one.total[left],
            nothing if other is None else other.total[right],
        )
        mine = {} if one is None else one.by_address
        theirs = {} if other is None else other.by_address
        for address in sorted({*mine, *theirs}):
            yield (
                f"{words} at {address}]",
                mine[address][left] if address in mine else nothing,
                theirs[address][right] if address in theirs else nothing,
            )


def _absent(count: int) -> NDArray[np.object_]:
    return np.full(count, None, object)


def _decoded(values: Interner, codes: NDArray[np.int32]) -> NDArray[np.object_]:  # type: ignore[type-arg]  # of whatever it interns
    table = np.empty(len(values.values), object)
    table[:] = values.values
    return table[codes]
