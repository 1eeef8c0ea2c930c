"""The columns are compared with the API objects: whatever is bent is found, and named.

What is true has no difference.
"""

import random
from collections.abc import Callable
from dataclasses import fields, replace

import numpy as np
import pytest

from scheduler.cache.cache import Cache
from scheduler.columns.readout import Difference
from scheduler.columns.snapshot import Snapshot
from scheduler.debug.verify import Captured, Rebuilt, capture, compare, rebuild
from tests.unit.scheduler.objects import info, node, node_info, pod
from vaina.api.core.v1 import node_pb2, pod_pb2

OURS = frozenset({"default-scheduler"})


class World:
    """API objects, and a cache that has been shown them."""

    def __init__(self) -> None:
        self.cache = Cache()
        self.nodes: dict[str, node_pb2.Node] = {}
        self.pods: dict[str, pod_pb2.Pod] = {}
        self.queued: set[str] = set()

    def node(self, made: node_pb2.Node) -> None:
        self.nodes[made.metadata.name] = made
        self.cache.upsert_node(node_info(made))

    def pod(self, made: pod_pb2.Pod) -> None:
        self.pods[made.metadata.uid] = made
        if made.spec.node_name:
            self.cache.put(info(made))
        else:
            self.queued.add(made.metadata.uid)

    def captured(self) -> Captured:
        return capture(
            self.cache, nodes=[*self.nodes.values()], pods=[*self.pods.values()],
            queued=frozenset(self.queued), ours=OURS,
        )  # fmt: skip

    def differences(self) -> list[Difference]:
        captured, rebuilt = self.captured(), Rebuilt()
        for _ in rebuild(captured, rebuilt):
            pass
        return [item for item in compare(captured, rebuilt) if item is not None]


def labelled(name: str, *, node_name: str = "", **kwargs: object) -> pod_pb2.Pod:
    made = pod(name, {"cpu": "500m", "memory": "1Gi"}, node=node_name, uid=name, **kwargs)  # type: ignore[arg-type]  # passed on
    made.metadata.labels["app"] = "web"
    term = made.spec.affinity.pod_anti_affinity.required_during_scheduling_ignored_during_execution.add(
        topology_key="zone"
    )
    term.label_selector.match_labels["app"] = "db"
    return made


@pytest.fixture
def world() -> World:
    made = World()
    made.node(node("n1", labels={"zone": "a"}, taints=[("k", "v", "NoSchedule")]))
    made.node(node("n2", labels={"zone": "b"}, unschedulable=True, extended={"example.com/gpu": "2"}))
    made.pod(labelled("p1", node_name="n1", ports=[(80, "10.0.0.1")], priority=7))
    made.pod(pod("p2", {"example.com/gpu": "1"}, node="n2", uid="p2"))
    made.pod(pod("p3", uid="p3"))
    return made


def test_what_is_true_has_no_difference(world: World) -> None:
    assert world.differences() == []


def test_pods_alike_of_different_controllers_are_told_apart(world: World) -> None:
    for number, (owner, where) in enumerate(
        (("", "n1"), ("u1", "n1"), ("u1", "n2"), ("u2", "n1"), ("u2", "n2"))
    ):
        made = labelled(f"owned{number}", node_name=where)
        if owner:
            made.metadata.owner_references.add(
                api_version="apps/v1", kind="ReplicaSet", name="rs", uid=owner, controller=True
            )
        world.pod(made)
    # The other way about, so that the same counters are met in another order.
    world.pods = dict(reversed(world.pods.items()))
    assert world.differences() == []


def bend(column: str, row: int, amount: int) -> Callable[[World], None]:
    def change(world: World) -> None:
        getattr(world.cache.table, column)[row] += amount

    return change


def bend_requested(world: World) -> None:
    world.cache.table._requested[0][0] += 250


def bend_taints(world: World) -> None:
    world.cache.table._taints[0] = 0


def bend_label(world: World) -> None:
    world.cache.table._labels["zone"].codes[0] = 0


def bend_port(world: World) -> None:
    world.cache.table._counts.ports["TCP", 80].total[1] += 1


def bend_priority(world: World) -> None:
    world.cache.table._counts.priorities[7][0] = 2


def bend_features(world: World) -> None:
    node = world.cache.table.infos[0]
    assert node is not None
    world.cache.table.infos[0] = replace(node, features=frozenset(["B", "A"]))


def bend_group(world: World) -> None:
    world.cache.table.topology.count(1, info(world.pods["p1"]).pod_class, 1)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (bend_requested, ("n1", "requested[cpu]", "750", "500")),
        (bend("_pod_count", 1, 1), ("n2", "podCount", "2", "1")),
        (bend("_max_pods", 1, -1), ("n2", "maxPods", "109", "110")),
        (bend("_nonzero_cpu", 0, -500), ("n1", "requested for scoring[cpu]", "0", "500")),
        (bend_label, ("n1", "labels[zone]", "None", "a")),
        (bend_port, ("n2", "hostPort[80/TCP]", "1", "0")),
        (bend_priority, ("n1", "Pods of priority[7]", "2", "1")),
        (bend_features, ("n1", "declaredFeatures", "['A', 'B']", "[]")),
    ],
    ids=["requested", "count", "max", "scoring", "label", "port", "priority", "features"],
)
def test_a_bent_number_is_found(
    world: World, change: Callable[[World], None], expected: tuple[str, str, str, str]
) -> None:
    change(world)
    assert world.differences() == [Difference(*expected)]


def test_bent_taints_flags_and_counters_are_found(world: World) -> None:
    bend_taints(world)
    world.cache.table._unschedulable[1] = False
    bend_group(world)
    found = {(item.subject, item.what.split("[")[0]) for item in world.differences()}
    assert found == {
        ("n1", "taints"), ("n2", "unschedulable"), ("n2", "Pods of group"), ("n2", "Pods with term"),
    }  # fmt: skip


def test_a_column_that_somebody_holds_and_its_sums_are_compared_too(world: World) -> None:
    topology = world.cache.table.topology
    peers = info(world.pods["p1"]).pod_class.asked.terms[0].peers
    column = topology.column(peers)
    held = topology.sum("zone", ((column, 1),))
    assert world.differences() == []
    held.values = np.array([0, 3, 0], np.int64)
    assert world.differences() == [Difference("zone=a", "sum of the domain", "3", "0")]
    column.rows[0] = 2
    assert {(item.subject, item.what.split("[")[0]) for item in world.differences()} == {
        ("n1", "Pods meant by"), ("zone=a", "sum of the domain"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda world: world.pods.pop("p1"), ("default/p1", "node", "n1", "no such Pod, or ended")),
        (lambda world: world.pods["p1"].spec.ClearField("node_name"), ("default/p1", "node", "n1", "waiting")),
        (lambda world: setattr(world.pods["p1"].status, "phase", "Succeeded"), ("default/p1", "node", "n1", "no such Pod, or ended")),
        (lambda world: setattr(world.pods["p2"].spec, "node_name", "n1"), ("default/p2", "node", "n2", "n1")),
        (lambda world: world.cache.remove("p2"), ("default/p2", "node", "not counted", "n2")),
        (lambda world: world.queued.discard("p3"), ("default/p3", "queue", "not in the queue", "waiting")),
        (lambda world: world.pods.pop("p3"), ("p3", "queue", "in the queue", "nothing to decide")),
        (lambda world: setattr(world.pods["p3"].spec, "scheduler_name", "other"), ("default/p3", "queue", "in the queue", "nothing to decide")),
        (lambda world: world.nodes.pop("n2"), ("n2", "node", "in the columns", "no such Node")),
        (lambda world: world.nodes.update(n3=node("n3")), ("n3", "node", "not in the columns", "a Node")),
    ],
    ids=["gone", "unbound", "ended", "elsewhere", "uncounted", "lost", "left-over", "others", "node-gone", "node-new"],
)  # fmt: skip
def test_pods_and_nodes_that_are_not_where_they_should_be_are_found(
    world: World, change: Callable[[World], object], expected: tuple[str, str, str, str]
) -> None:
    change(world)
    assert Difference(*expected) in world.differences()


def test_the_labels_of_namespaces_are_compared(world: World) -> None:
    world.cache.table.set_namespace("default", {"team": "a"})
    assert world.differences() == [Difference("default", "labels of the namespace", "team=a", "not there")]


def test_every_column_is_compared() -> None:
    """A new column has to be added to `scheduler.columns.readout`, and then here."""
    assert {item.name for item in fields(Snapshot)} == {
        "allocatable", "claims", "images", "labels", "max_pods", "nonzero_cpu", "nonzero_memory", "pod_count", "ports",
        "priorities", "requested", "taint_sets", "taints", "topology", "unschedulable", "valid",
        # These are the way to the others.
        "all", "infos", "names", "resources", "rows", "size",
    }  # fmt: skip


def test_an_assumed_pod_counts_where_it_was_assumed_until_the_watch_shows_it(world: World) -> None:
    world.cache.assume(info(world.pods["p3"]), "n1")
    world.queued.discard("p3")
    assert world.differences() == []
    world.pods["p3"].spec.node_name = "n2"
    assert Difference("default/p3", "node", "n1", "n2") in world.differences()


def test_pods_on_nodes_that_are_not_there_and_nodes_that_cannot_be_read_are_no_differences(
    world: World,
) -> None:
    world.pod(pod("p4", {"cpu": "1"}, node="gone", uid="p4"))
    broken = node("n1", labels={"zone": "a"}, taints=[("k", "v", "NoSchedule")])
    broken.status.allocatable["cpu"].string = "4x"
    world.nodes["n1"] = broken
    assert world.differences() == []


def test_rebuilding_pauses_and_what_changes_meanwhile_does_not_matter(world: World) -> None:
    for number in range(600):
        world.pod(pod(f"m{number}", {"cpu": "1m"}, node=f"n{1 + number % 2}", uid=f"m{number}"))
    captured, rebuilt = world.captured(), Rebuilt()
    pauses = 0
    for _ in rebuild(captured, rebuilt):
        pauses += 1
        world.pod(pod(f"late{pauses}", {"cpu": "1"}, node="n1", uid=f"late{pauses}"))
    assert pauses >= 2
    assert not any(compare(captured, rebuilt))
    assert world.differences() == []


@pytest.mark.parametrize("seed", range(10))
def test_after_any_story_the_columns_are_true(seed: int) -> None:
    rng, world = random.Random(seed), World()
    for step in range(90):
        match rng.randrange(7):
            case 0:
                world.node(
                    node(
                        f"n{rng.randrange(5)}", cpu=rng.choice(["2", "4"]), labels={"zone": rng.choice("ab")},
                        taints=rng.choice([[], [("k", "", "NoSchedule")]]), unschedulable=rng.random() < 0.2,
                        extended=rng.choice([None, {"example.com/gpu": "1"}]),
                    )
                )  # fmt: skip
            case 1 if world.nodes:
                world.cache.remove_node(name := rng.choice([*world.nodes]))
                del world.nodes[name]
            case 2 if world.pods:
                uid = rng.choice([*world.pods])
                del world.pods[uid]
                world.cache.remove(uid)
                world.queued.discard(uid)
            case 3 if world.queued:
                uid = rng.choice(sorted(world.queued))
                world.queued.discard(uid)
                world.cache.assume(info(world.pods[uid]), f"n{rng.randrange(5)}")
            case 4 if world.pods:
                uid = rng.choice([*world.pods])
                if world.cache.forget(uid) is not None:
                    world.queued.add(uid)
            case _:
                where = rng.choice(["", f"n{rng.randrange(5)}"])
                made = labelled(
                    f"p{step}",
                    node_name=where,
                    ports=rng.choice([[], [(80, "")]]),
                    priority=rng.choice([0, 5]),
                )
                made.metadata.labels["app"] = rng.choice(["web", "db"])
                world.pod(made)
        if step % 5 == 4:
            assert world.differences() == [], step
