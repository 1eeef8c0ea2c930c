"""What would make a Pod fit: in numbers and names, alike nodes together, in the order that is promised."""

from collections.abc import Sequence

import pytest

from scheduler.columns.node_table import NodeTable
from scheduler.explain.evaluate import evaluate
from scheduler.explain.lacks import format_amount
from scheduler.explain.remedies import remedies
from scheduler.framework.registry import default_profile
from tests.unit.scheduler.objects import node, pod, pod_class, table, term
from vaina.api.core.v1 import node_pb2, pod_pb2
from vaina.api.scheduler.v1 import scheduler_service_pb2 as pb

PROFILE = default_profile()


def groups(asks: pod_pb2.Pod, nodes: NodeTable, limit: int = 100) -> list[pb.NodeGroup]:
    return remedies(evaluate(pod_class(asks), nodes, PROFILE), limit)[0]


def words(group: pb.NodeGroup) -> str:
    return "; ".join(item.lack for item in group.refusals)


CASES: list[tuple[str, pod_pb2.Pod, node_pb2.Node, str]] = [
    ("cpu", pod(requests={"cpu": "500m"}), node(cpu="250m"), "lacks 250m cpu (asks 500m, 250m free, 250m in all)"),
    ("memory", pod(requests={"memory": "2Gi"}), node(memory="1536Mi"), "lacks 512Mi memory (asks 2Gi, 1536Mi free, 1536Mi in all)"),
    ("no such resource", pod(requests={"example.com/gpu": "2"}), node(), "has no example.com/gpu (asks 2)"),
    ("extended", pod(requests={"example.com/gpu": "2"}), node(extended={"example.com/gpu": "1"}), "lacks 1 example.com/gpu (asks 2, 1 free, 1 in all)"),
    ("two resources", pod(requests={"cpu": "2", "memory": "2Gi"}), node(cpu="1", memory="1Gi"), "lacks 1 cpu (asks 2, 1 free, 1 in all) and lacks 1Gi memory (asks 2Gi, 1Gi free, 1Gi in all)"),
    ("pods", pod(), node(pods="0"), "takes no more than 0 Pods"),
    ("taint", pod(), node(taints=[("key", "value", "NoSchedule")]), "untolerated taint {key=value:NoSchedule}"),
    ("taint without value", pod(), node(taints=[("key", "", "NoExecute")]), "untolerated taint {key:NoExecute}"),
    ("two taints", pod(), node(taints=[("a", "1", "NoSchedule"), ("b", "", "NoExecute")]), "untolerated taint {a=1:NoSchedule} and {b:NoExecute}"),
    ("only the untolerated taint", pod(tolerations=[("a", "Exists", "", "")]), node(taints=[("a", "1", "NoSchedule"), ("b", "", "NoExecute")]), "untolerated taint {b:NoExecute}"),
    ("a preference is no lack", pod(), node(taints=[("a", "", "PreferNoSchedule"), ("b", "", "NoSchedule")]), "untolerated taint {b:NoSchedule}"),
    ("selector", pod(selector={"disk": "ssd"}), node(labels={"disk": "hdd"}), "remove nodeSelector disk=ssd"),
    ("selector without label", pod(selector={"disk": "ssd"}), node(), "remove nodeSelector disk=ssd"),
    ("two selectors, one missed", pod(selector={"disk": "ssd", "zone": "a"}), node(labels={"zone": "a"}), "remove nodeSelector disk=ssd"),
    ("two selectors missed", pod(selector={"disk": "ssd", "zone": "a"}), node(), "remove nodeSelector disk=ssd and remove nodeSelector zone=a"),
    ("affinity", pod(required=[term(("zone", "In", ["a", "b"]))]), node(), "remove required node affinity zone In [a, b]"),
    ("affinity, the nearest term", pod(required=[term(("zone", "In", ["a"]), ("disk", "Exists", ())), term(("disk", "Exists", ()))]), node(), "remove required node affinity disk Exists"),
    ("affinity, what fails of a term", pod(required=[term(("zone", "In", ["a"]), ("disk", "Exists", ()))]), node(labels={"zone": "a"}), "remove required node affinity disk Exists"),
    ("affinity, greater than", pod(required=[term(("cores", "Gt", ["8"]))]), node(labels={"cores": "4"}), "remove required node affinity cores Gt 8"),
    ("affinity without a term", pod(required=[]), node(), "remove required node affinity without a term"),
    ("selector and affinity", pod(selector={"disk": "ssd"}, required=[term(("zone", "In", ["a"]))]), node(), "remove nodeSelector disk=ssd and remove required node affinity zone In [a]"),
    ("cordoned", pod(), node(unschedulable=True), "is cordoned (spec.unschedulable)"),
    ("two plugins", pod(requests={"cpu": "8"}), node(cpu="4", taints=[("a", "", "NoSchedule")]), "untolerated taint {a:NoSchedule}; lacks 4 cpu (asks 8, 4 free, 4 in all)"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("asks", "made", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_what_a_node_lacks(asks: pod_pb2.Pod, made: node_pb2.Node, expected: str) -> None:
    [group] = groups(asks, table(made))
    assert words(group) == expected
    assert (group.count, group.nodes) == (1, ["node-1"])


def test_free_is_what_other_pods_left() -> None:
    nodes = table(node(cpu="4"))
    nodes.add_pod(0, pod_class(pod("x", {"cpu": "3750m"})))
    [group] = groups(pod(requests={"cpu": "500m"}), nodes)
    assert words(group) == "lacks 250m cpu (asks 500m, 250m free)"
    assert group.relative_lack == 0.5
    assert not group.refusals[0].unresolvable


def test_a_taken_port_is_named() -> None:
    nodes = table(node())
    nodes.add_pod(0, pod_class(pod("x", ports=[(80, ""), (443, "10.0.0.1")])))
    [group] = groups(pod(ports=[(80, ""), (443, "10.0.0.2")]), nodes)
    assert words(group) == "host port 80/TCP is taken"


def test_room_that_is_kept_is_no_lack_of_the_node() -> None:
    nodes = table(node(cpu="2"))
    for _ in range(2):
        nodes.nominate(0, pod_class(pod("x", {"cpu": "1"}, priority=9)))
    [group] = groups(pod(requests={"cpu": "1"}), nodes)
    assert words(group) == "Insufficient cpu: room is kept for 2 Pods that are to come there"


@pytest.mark.parametrize(
    ("asks", "nodes", "order"),
    [
        # Fewer failing plugins first, whatever they lack.
        (
            pod(requests={"cpu": "8"}, selector={"disk": "ssd"}),
            [node("near-but-two", cpu="7"), node("far-but-one", cpu="1", labels={"disk": "ssd"})],
            ["far-but-one", "near-but-two"],
        ),
        # Then the smallest relative lack: an eighth of the CPU before half of it.
        (pod(requests={"cpu": "8"}), [node("half", cpu="4"), node("eighth", cpu="7")], ["eighth", "half"]),
        # Relative: 1 of 2 Gi is nearer than 3 of 4 cpu, though the number is larger.
        (
            pod(requests={"cpu": "4", "memory": "2Gi"}),
            [node("cpu", cpu="1", memory="8Gi"), node("memory", cpu="8", memory="1Gi")],
            ["memory", "cpu"],
        ),
        # What is no matter of amounts counts as a whole.
        (pod(requests={"cpu": "8"}), [node("tainted", cpu="9", taints=[("a", "", "NoSchedule")]), node("small", cpu="4")], ["small", "tainted"]),
        # Then the larger group, then the name.
        (
            pod(),
            [node("c", taints=[("x", "", "NoSchedule")]), node("b", unschedulable=True), node("d", unschedulable=True), node("a", pods="0")],
            ["b", "a", "c"],
        ),
    ],
    ids=["plugins", "relative", "relative-not-absolute", "amounts-first", "group-then-name"],
)  # fmt: skip
def test_the_order_of_what_would_help(
    asks: pod_pb2.Pod, nodes: Sequence[node_pb2.Node], order: list[str]
) -> None:
    assert [group.nodes[0] for group in groups(asks, table(*nodes))] == order


def test_nodes_that_lack_the_same_are_one_group_named_in_order_and_five_at_most() -> None:
    nodes = table(*(node(f"n{number:02}", cpu="1") for number in reversed(range(12))), node("other", cpu="2"))
    first, second = groups(pod(requests={"cpu": "3"}), nodes)
    assert (first.nodes, first.count) == (["other"], 1)
    assert (second.nodes, second.count) == (["n00", "n01", "n02", "n03", "n04"], 12)


def test_groups_beyond_the_limit_are_counted() -> None:
    nodes = table(*(node(f"n{number}", cpu=f"{number + 1}") for number in range(9)))
    shown, more = remedies(evaluate(pod_class(pod(requests={"cpu": "20"})), nodes, PROFILE), 2)
    assert [group.nodes for group in shown] == [["n8"], ["n7"]]
    assert more == 7


def test_where_all_nodes_do_nothing_is_lacking() -> None:
    assert remedies(evaluate(pod_class(pod()), table(node()), PROFILE), 5) == ([], 0)


@pytest.mark.parametrize(
    ("resource", "amount", "text"),
    [
        ("cpu", 250, "250m"), ("cpu", 2000, "2"), ("memory", 1 << 30, "1Gi"), ("ephemeral-storage", 1 << 20, "1Mi"),
        ("hugepages-2Mi", 1 << 21, "2Mi"), ("example.com/gpu", 3, "3"),
    ],
)  # fmt: skip
def test_amounts_are_quantities(resource: str, amount: int, text: str) -> None:
    assert format_amount(resource, amount) == text
