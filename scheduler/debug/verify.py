"""PURE: is what the scheduler believes true? Columns, nominations and storage compared with the API objects.

    capture (at one moment) -> rebuild (in small steps; decisions go on meanwhile) -> compare

What is captured is of one point of the watches: informers tell their handlers of a batch before another task
has a turn. Assumed Pods (decided, not yet shown) count where they were assumed. The rebuilt columns saw no
removal, no update and no assumption: what leaked or was counted twice differs. The catalogue of storage is
filled anew from the objects as well, and promises are counted from the plans.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from scheduler.cache.cache import Cache, HeldPod, Nomination
from scheduler.columns.node_info import compile_node
from scheduler.columns.node_table import NodeTable
from scheduler.columns.pod_info import PodCompiler, PodInfo
from scheduler.columns.readout import Difference, Readout, read_out
from scheduler.columns.readout import compare as compare_columns
from scheduler.volumes.catalogue import Catalogue, Plan
from vaina.api.core.v1 import namespace_pb2, node_pb2, pod_pb2
from vaina.objects.pods import is_terminal

#: objects that are counted or compared between two pauses
STEP: Final = 256


@dataclass(frozen=True, slots=True)
class Captured:
    """Columns and objects at one moment. The objects are the informers' own: read only."""

    columns: Readout
    nodes: Sequence[node_pb2.Node]
    pods: Collection[pod_pb2.Pod]
    #: by uid
    held: Mapping[str, HeldPod]
    #: uids of the Pods that wait in the queue, those in flight included
    queued: frozenset[str]
    #: spec.schedulerName of the Pods that are ours
    ours: frozenset[str]
    #: namespace -> its labels
    namespaces: Mapping[str, Mapping[str, str]]


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
    pods: Collection[pod_pb2.Pod],
    queued: frozenset[str] = frozenset(),
    ours: frozenset[str] = frozenset(),
    namespaces: Sequence[namespace_pb2.Namespace] = (),
) -> Captured:
    """Take what is to be compared. One call, no await: all of it is of the same moment."""
    labels = {item.metadata.name: dict(item.metadata.labels) for item in namespaces}
    return Captured(read_out(cache.table.snapshot()), nodes, pods, cache.held(), queued, ours, labels)


def rebuild(captured: Captured, rebuilt: Rebuilt) -> Iterator[None]:
    """Count everything anew, into `rebuilt`; pauses now and then, so that others may have a turn."""
    compiler = PodCompiler()
    for name, labels in captured.namespaces.items():
        rebuilt.cache.table.set_namespace(name, labels)
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


def compare(captured: Captured, rebuilt: Rebuilt) -> Iterator[Difference | None]:
    """Yield every difference, column by column, then Pod by Pod; None now and then: a pause."""
    want = read_out(rebuilt.cache.table.snapshot())
    yield from compare_columns(captured.columns, want, leave_out=frozenset(rebuilt.unreadable))
    yield None
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


def verify_nominations(
    nominations: Mapping[str, Nomination],
    table: NodeTable,
    pods: Collection[pod_pb2.Pod],
    held: Mapping[str, HeldPod],
) -> Iterator[Difference]:
    """Yield nominations that no Pod has, and rows whose room is kept for others than those nominated there.

    `nominations` and `held` (Pods that take room) are by uid; `pods` are the watch's, at the same moment.
    """
    status = {pod.metadata.uid: pod for pod in pods} if nominations else {}
    kept: dict[int, int] = {}
    for uid, nomination in nominations.items():
        row = table.rows.get(nomination.node_name)
        if row is not None:
            kept[row] = kept.get(row, 0) + 1
        key, pod = nomination.info.key, status.get(uid)
        if uid in held:
            yield Difference(key, "nominatedNodeName", nomination.node_name, f"is on {held[uid].node_name}")
        elif pod is None:
            yield Difference(key, "nominatedNodeName", nomination.node_name, "no such Pod")
        elif not nomination.unconfirmed and pod.status.nominated_node_name != nomination.node_name:
            said = pod.status.nominated_node_name or "none"
            yield Difference(key, "nominatedNodeName", nomination.node_name, said)
    for row in sorted(kept.keys() | table.nominated.keys()):
        have, want = len(table.nominated.get(row, ())), kept.get(row, 0)
        if have != want:
            yield Difference(
                table.snapshot().names[row] or f"row {row}", "nominated Pods", str(have), str(want)
            )


@dataclass(frozen=True, slots=True)
class CapturedStorage:
    """The catalogue and the objects at one moment. The objects are the informers' own: read only."""

    have: Mapping[str, Mapping[str, object]]
    plans: Mapping[str, Plan]
    #: volumes, claims, classes, nodes, drivers, capacities, attachments
    objects: Mapping[str, Sequence[Any]]


def capture_storage(catalogue: Catalogue, **objects: Sequence[Any]) -> CapturedStorage:
    """Take what is to be compared. One call, no await: all of it is of the same moment."""
    have = {what: dict(known) for what, known in catalogue.readout().items()}
    return CapturedStorage(have, dict(catalogue.plans), objects)


def verify_storage(captured: CapturedStorage) -> Iterator[Difference | None]:
    """Yield where the catalogue is not what follows from the objects; None now and then: a pause."""
    fresh = Catalogue()
    for kind, objects in captured.objects.items():
        tell: Callable[[Any], None] = getattr(fresh, f"on_{kind}")
        for start in range(0, len(objects), STEP):
            tell([(None, item) for item in objects[start : start + STEP]])
            yield None
    for uid, plan in captured.plans.items():
        fresh.promise(uid, plan)
    for what, want in fresh.readout().items():
        yield from _compare_storage(what, captured.have[what], want)


def _compare_storage(
    what: str, have: Mapping[str, object], want: Mapping[str, object]
) -> Iterator[Difference | None]:
    for number, name in enumerate(sorted(have.keys() | want.keys())):
        if number % STEP == STEP - 1:
            yield None
        actual, expected = have.get(name), want.get(name)
        if actual != expected:
            yield Difference(name, what, _words(actual), _words(expected))


def _words(value: object) -> str:
    if value is None:
        return "not there"
    return value if isinstance(value, str) else str(value)[:200]
