"""Rows and columns: used again, made longer, counted, and seen through read-only views."""

import pytest

from scheduler.columns.node_info import NodeChange
from scheduler.columns.node_table import NodeTable
from scheduler.columns.snapshot import CPU, MEMORY
from tests.unit.scheduler.objects import node, node_info, pod, pod_class, table


def test_a_node_fills_its_row() -> None:
    on = table(node("a", cpu="1500m", memory="1Gi", pods="7", labels={"zone": "x"}, extended={"gpu/x": "2"}))
    nodes = on.snapshot()
    assert nodes.names == ["a"]
    assert nodes.allocatable[CPU].tolist() == [1500]
    assert nodes.allocatable[MEMORY].tolist() == [2**30]
    assert nodes.allocatable[nodes.resources["gpu/x"]].tolist() == [2]
    assert nodes.max_pods.tolist() == [7]
    column = nodes.labels["zone"]
    assert column.values.values[column.codes[0]] == "x"


def test_an_update_says_what_changed_and_nothing_when_nothing_did() -> None:
    on = NodeTable()
    plain = node("a")
    assert on.upsert(node_info(plain))[1] == NodeChange.ADDED
    generation = on.journal.position
    assert on.upsert(node_info(plain))[1] == NodeChange.NONE
    assert on.journal.position == generation
    assert on.upsert(node_info(node("a", cpu="8")))[1] == NodeChange.ALLOCATABLE
    assert on.upsert(node_info(node("a", cpu="8", labels={"x": "y"})))[1] == NodeChange.LABELS
    changed = node("a", cpu="8", labels={"x": "y"}, taints=[("t", "", "NoSchedule")], unschedulable=True)
    assert on.upsert(node_info(changed))[1] == NodeChange.TAINTS
    changed.status.declared_features.append("RestartAllContainersOnContainerExits")
    assert on.upsert(node_info(changed))[1] == NodeChange.FEATURES
    assert on.journal.position == generation + 4


def test_pods_are_counted_and_given_back() -> None:
    on = table(node("a"))
    asked = pod_class(pod(requests={"cpu": "250m"}, ports=[(80, ""), (81, "10.0.0.1")], priority=3))
    on.add_pod(0, asked)
    nodes = on.snapshot()
    assert (nodes.requested[CPU][0], nodes.requested[MEMORY][0]) == (250, 0)
    assert (nodes.nonzero_cpu[0], nodes.nonzero_memory[0], nodes.pod_count[0]) == (250, 200 * 2**20, 1)
    assert set(nodes.ports) == {("TCP", 80), ("TCP", 81)}
    assert nodes.holds_lower_priority(4).tolist() == [True]
    assert nodes.holds_lower_priority(3).tolist() == [False]
    on.remove_pod(0, asked)
    assert (nodes.requested[CPU][0], nodes.nonzero_cpu[0], nodes.pod_count[0]) == (0, 0, 0)
    assert not nodes.ports


def test_a_row_is_used_again_and_nothing_is_left_of_the_node_before() -> None:
    on = table(
        node("a", labels={"old": "x"}, taints=[("t", "", "NoSchedule")], unschedulable=True), node("b")
    )
    on.add_pod(0, pod_class(pod(requests={"cpu": "1"}, ports=[(80, "")], priority=9)))
    on.remove("a")
    nodes = on.snapshot()
    assert nodes.valid.tolist() == [False, True]
    assert "old" not in nodes.labels
    assert not nodes.ports
    assert len(nodes.taint_sets) == 0
    on.upsert(node_info(node("c")))
    assert on.rows == {"b": 1, "c": 0}
    assert on.snapshot().requested[CPU].tolist() == [0, 0]
    assert on.snapshot().unschedulable.tolist() == [False, False]
    assert not on.snapshot().priorities


def test_columns_grow_with_everything_in_them() -> None:
    on = NodeTable(capacity=2)
    on.upsert(node_info(node("n0", labels={"zone": "a"}, taints=[("t", "", "NoSchedule")])))
    on.add_pod(0, pod_class(pod(requests={"cpu": "1"}, ports=[(80, "")], priority=1)))
    for number in range(1, 9):
        on.upsert(node_info(node(f"n{number}")))
    nodes = on.snapshot()
    assert nodes.size == 9
    assert nodes.requested[CPU].tolist() == [1000] + [0] * 8
    assert nodes.allocatable[CPU].tolist() == [4000] * 9
    assert nodes.labels["zone"].codes[:9].tolist() == [1] + [0] * 8
    assert nodes.ports["TCP", 80].total[:9].tolist() == [1] + [0] * 8
    assert nodes.priorities[1][:9].tolist() == [1] + [0] * 8
    assert nodes.taints.tolist() == [1] + [0] * 8


def test_views_are_the_same_until_a_column_is_replaced_and_cannot_be_written() -> None:
    on = table(node("a"))
    nodes = on.snapshot()
    on.add_pod(0, pod_class(pod()))
    assert on.snapshot() is nodes
    on.upsert(node_info(node("b")))
    assert on.snapshot() is not nodes
    with pytest.raises(ValueError, match="read-only"):
        nodes.pod_count[0] = 5


def test_labels_do_not_pile_up() -> None:
    on = table(node("a"))
    for number in range(100):
        on.upsert(node_info(node("a", labels={"build": str(number), f"key-{number}": ""})))
    nodes = on.snapshot()
    assert set(nodes.labels) == {"kubernetes.io/hostname", "build", "key-99"}
    assert nodes.labels["build"].values.size <= 3


def test_a_resource_that_gets_columns_is_reported_once() -> None:
    on = NodeTable()
    assert on.upsert(node_info(node("a", extended={"gpu/x": "1"})))[2] == ("gpu/x",)
    assert on.upsert(node_info(node("b", extended={"gpu/x": "1"})))[2] == ()


def test_amounts_beyond_reason_do_not_wrap_around() -> None:
    on = table(node("a", memory="15Ei"))
    absurd = pod_class(pod(requests={"memory": "7Ei", "cpu": "9e18"}))
    for _ in range(50):
        on.add_pod(0, absurd)
    nodes = on.snapshot()
    assert nodes.requested[MEMORY][0] > nodes.allocatable[MEMORY][0] > 0
    assert nodes.requested[CPU][0] > 0
    assert nodes.nonzero_memory[0] > 0


def test_a_priority_that_nobody_has_leaves_no_column() -> None:
    on = table(node("a"))
    for priority in range(20):
        on.add_pod(0, pod_class(pod(priority=priority)))
        on.remove_pod(0, pod_class(pod(priority=priority)))
    assert not on.snapshot().priorities
