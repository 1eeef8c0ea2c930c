"""Own bindings that come back: a batch of changes means what each of them means by itself."""

import random

import pytest

from scheduler.cache.cache import HeldPod
from scheduler.columns.readout import compare, read_out
from scheduler.framework.events import ClusterEvent
from tests.unit.scheduler.cache.test_event_handlers import Parts
from tests.unit.scheduler.objects import node, pod
from vaina.api.core.v1 import pod_pb2

PODS, NODES = 12, ("n1", "n2")
AFFINITY = "InterPodAffinity"


def pending(number: int) -> pod_pb2.Pod:
    made = pod(f"p{number}", {"cpu": "1"}, uid=f"u{number}")
    made.metadata.labels["app"] = "web" if number % 3 else "db"
    if number == 7:
        resize(made)
    return made


def resize(made: pod_pb2.Pod) -> None:
    """Say that a container has more than it asks for."""
    status = made.status.container_statuses.add(name=made.spec.containers[0].name)
    status.allocated_resources["cpu"].string = "2"
    status.resources.requests["cpu"].string = "2"


def lonely(app: str) -> pod_pb2.Pod:
    """Return a Pod that waits for another's company."""
    made = pod(f"wants-{app}", {"cpu": "1"}, uid=f"wants-{app}")
    term = made.spec.affinity.pod_affinity.required_during_scheduling_ignored_during_execution.add()
    term.topology_key = "kubernetes.io/hostname"
    term.label_selector.match_labels["app"] = app
    return made


def bound(number: int, node_name: str, how: str) -> pod_pb2.Pod:
    """Return a Pod with a node, and with what else may have changed meanwhile."""
    made = pending(number)
    made.spec.node_name = node_name
    if how == "relabelled":
        made.metadata.labels["app"] = "other"
    elif how == "labelled more":
        made.metadata.labels["more"] = "yes"
    elif how == "asks less":
        made.metadata.generation += 1
        made.spec.containers[0].resources.requests["cpu"].string = "500m"
    elif how == "owned":
        made.metadata.owner_references.add(
            api_version="apps/v1", kind="ReplicaSet", uid="owner", controller=True
        )
    elif how == "ending":
        made.metadata.deletion_timestamp.seconds = 5
    elif how == "ended":
        made.status.phase = "Failed"
    elif how == "runs":
        made.status.phase = "Running"
    elif how == "resized":
        resize(made)
    elif how == "as asked again":
        made.status.ClearField("container_statuses")
    return made


CHANGES = (*["as assumed"] * 12, "relabelled", "labelled more", "asks less", "owned", "ending", "ended", "runs", "resized",
           "as asked again",            "elsewhere", "gone", "still pending", "nominated")  # fmt: skip


class Case:
    """Pods that were assumed, some of whose bindings are acknowledged, and some that wait for them."""

    def __init__(self, rng: random.Random) -> None:
        self.parts = parts = Parts()
        parts.handlers.on_nodes([(None, node(name, cpu="8")) for name in NODES])
        self.lonely = [lonely("web"), lonely("db"), lonely("nobody")]
        parts.handlers.on_pods([(None, made) for made in self.lonely[1:]])
        for _ in self.lonely[1:]:
            queued = parts.queue.pop(now=0.0)
            assert queued is not None
            parts.queue.park(queued, frozenset({AFFINITY}), now=-100.0)
        parts.handlers.on_pods([(None, pending(number)) for number in range(PODS)])
        parts.handlers.on_pods([(None, self.lonely[0])])
        self.assumed: dict[int, str] = {}
        for number in range(PODS - 2):
            queued = parts.queue.pop(now=0.0)
            assert queued is not None
            self.assumed[number] = rng.choice(NODES)
            parts.cache.assume(queued.info, self.assumed[number])
            if rng.random() < 0.3:
                parts.cache.acknowledged(queued.info.uid, now=1.0)
                parts.queue.delete(queued.info.uid)

    def batch(self, rng: random.Random) -> list[tuple[pod_pb2.Pod | None, pod_pb2.Pod | None]]:
        changes: list[tuple[pod_pb2.Pod | None, pod_pb2.Pod | None]] = []
        for _ in range(rng.randrange(1, 20)):
            number, how = rng.randrange(PODS), rng.choice(CHANGES)
            here = self.assumed.get(number, "n1")
            old = pending(number)
            if how == "gone":
                changes.append((bound(number, here, ""), None))
            elif how in ("still pending", "nominated"):
                old.status.nominated_node_name = "n2" if how == "nominated" else ""
                changes.append((old, old))
            elif how == "elsewhere":
                changes.append((old, bound(number, "n2" if here == "n1" else "n1", how)))
            else:
                changes.append((old, bound(number, here, how)))
        return changes

    def state(self) -> object:
        """Return all that anybody can see."""
        parts = self.parts
        # What Pods in flight have missed shows when they fail.
        for uid in sorted(parts.queue.uids()):
            queued = parts.queue.get(uid)
            if queued is not None and queued.place == "in_flight":
                parts.queue.park(queued, frozenset({AFFINITY}), now=0.0)
        held = {uid: _seen(one) for uid, one in parts.cache.held().items()}
        places = {uid: item.place for uid in sorted(parts.queue.uids()) if (item := parts.queue.get(uid))}
        on = {name: [info.uid for info in parts.cache.on(name)] for name in NODES}
        nominated = {uid: one.node_name for uid, one in parts.cache.nominations.all().items()}
        return (
            held, places, on, nominated, parts.cache.sizes(), parts.settled, parts.changed,
            parts.queue.incoming, parts.heard,
        )  # fmt: skip


def _seen(held: HeldPod) -> tuple[object, ...]:
    info = held.info
    return (info.pod, info.node_name, info.generation, info.resized, info.pod_class.group.labels, info.pod_class.requests,
            held.node_name, held.assumed)  # fmt: skip


@pytest.mark.parametrize("seed", range(60))
def test_together_they_mean_what_each_means_by_itself(seed: int) -> None:
    together, each = Case(random.Random(seed)), Case(random.Random(seed))
    rng = random.Random(seed)
    for _ in range(3):
        changes = together.batch(rng)
        together.parts.handlers.on_pods(changes)
        for change in changes:
            each.parts.handlers.on_pods([change])
    left = read_out(together.parts.cache.table.snapshot())
    different = compare(left, read_out(each.parts.cache.table.snapshot()))
    assert [one for one in different if one is not None] == []
    assert together.state() == each.state()


def test_own_bindings_are_no_longer_assumed_and_help_who_waited_for_them() -> None:
    case = Case(random.Random(1))
    plain = {number: name for number, name in case.assumed.items() if number != 7}
    case.parts.handlers.on_pods(
        [(pending(number), bound(number, name, "")) for number, name in plain.items()]
    )
    assert case.parts.cache.sizes()["assumed_pods"] == 1
    assert case.parts.heard[ClusterEvent.ASSIGNED_POD_ADD] == len(plain)
    # One who waited for company has it.
    assert case.parts.queue.sizes()["unschedulable"] == 1
