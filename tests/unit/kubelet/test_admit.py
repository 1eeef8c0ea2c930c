"""Whether a node takes a Pod."""

from dataclasses import dataclass, field

import hypothesis.strategies as st
import pytest
from hypothesis import given

from kubelet.admit import Rejection, admit
from vaina.api.core.v1 import node_pb2, pod_pb2
from vaina.objects.pods import pod_requests
from vaina.testing.builders import make_node, make_pod


@dataclass(frozen=True)
class Case:
    name: str
    pod: pod_pb2.Pod
    want: Rejection | None
    others: tuple[pod_pb2.Pod, ...] = ()
    node: node_pb2.Node = field(default_factory=make_node)


def port(number: int, *, ip: str = "", protocol: str = "") -> pod_pb2.Pod:
    pod = make_pod()
    pod.spec.containers[0].ports.add(container_port=80, host_port=number, host_ip=ip, protocol=protocol)
    return pod


def selecting(**labels: str) -> pod_pb2.Pod:
    pod = make_pod()
    pod.spec.node_selector.update(labels)
    return pod


def requiring(operator: str, *values: str) -> pod_pb2.Pod:
    pod = make_pod()
    affinity = pod.spec.affinity.node_affinity.required_during_scheduling_ignored_during_execution
    affinity.node_selector_terms.add().match_expressions.add(key="size", operator=operator, values=values)
    return pod


def tainted(effect: str) -> node_pb2.Node:
    return make_node(taints=[node_pb2.Taint(key="gone", value="yes", effect=effect)])


NO_AFFINITY = Rejection(
    "NodeAffinity", "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"
)
NO_PORT = Rejection(
    "NodePorts", "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports"
)
SIZED = make_node(labels={"size": "8"})

CASES = [
    Case("a Pod that asks for nothing fits", make_pod(), None),
    Case("a Pod that asks for all of it fits", make_pod(requests={"cpu": "4", "memory": "8Gi"}), None),
    Case(
        "one that asks for more than is left does not",
        make_pod(requests={"cpu": "1500m"}),
        Rejection(
            "OutOfcpu", "Node didn't have enough resource: cpu, requested: 1500, used: 3000, capacity: 4000"
        ),
        others=(make_pod("a", requests={"cpu": "3"}),),
    ),
    Case(
        "memory is counted in bytes",
        make_pod(requests={"memory": "9Gi"}),
        Rejection(
            "OutOfmemory",
            "Node didn't have enough resource: memory, requested: 9663676416, used: 0, capacity: 8589934592",
        ),
    ),
    Case(
        "Pods are counted too",
        make_pod(),
        Rejection("OutOfpods", "Node didn't have enough resource: pods, requested: 1, used: 1, capacity: 1"),
        others=(make_pod("a"),), node=make_node(pods="1"),
    ),
    Case("a resource that the node does not know is not its business", make_pod(requests={"example.com/x": "1"}), None),
    Case("a label that is not there", selecting(disk="ssd"), NO_AFFINITY),
    Case("a label with another value", selecting(disk="ssd"), NO_AFFINITY, node=make_node(labels={"disk": "hdd"})),
    Case("a label that is there", selecting(disk="ssd"), None, node=make_node(labels={"disk": "ssd"})),
    Case("In", requiring("In", "8"), None, node=SIZED),
    Case("NotIn with the value", requiring("NotIn", "8"), NO_AFFINITY, node=SIZED),
    Case("NotIn without the label", requiring("NotIn", "8"), None),
    Case("Exists", requiring("Exists"), NO_AFFINITY),
    Case("DoesNotExist", requiring("DoesNotExist"), None),
    Case("Gt", requiring("Gt", "7"), None, node=SIZED),
    Case("Lt", requiring("Lt", "7"), NO_AFFINITY, node=SIZED),
    Case("Gt of what is no number", requiring("Gt", "x"), NO_AFFINITY, node=SIZED),
    Case("a host port that is free", port(80), None, others=(port(81),)),
    Case("a host port that is taken", port(80), NO_PORT, others=(port(80),)),
    Case("the same port of another protocol", port(80, protocol="UDP"), None, others=(port(80),)),
    Case("the same port of another address", port(80, ip="10.0.0.1"), None, others=(port(80, ip="10.0.0.2"),)),
    Case("every address takes in each", port(80), NO_PORT, others=(port(80, ip="10.0.0.2"),)),
    Case(
        "a NoExecute taint that is not tolerated", make_pod(),
        Rejection("TaintToleration", "Predicate TaintToleration failed: node(s) had untolerated taint {gone: yes}"),
        node=tainted("NoExecute"),
    ),
    Case("a NoSchedule taint is the scheduler's business", make_pod(), None, node=tainted("NoSchedule")),
    Case(
        "a Pod of another node", make_pod(node="node-2"),
        Rejection("NodeName", "Predicate NodeName failed: node(s) didn't match the requested node name"),
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_admit(case: Case) -> None:
    assert admit(case.pod, case.others, case.node) == case.want


@pytest.mark.parametrize(
    ("toleration", "admitted"),
    [
        (pod_pb2.Toleration(operator="Exists"), True),
        (pod_pb2.Toleration(key="gone", operator="Equal", value="yes", effect="NoExecute"), True),
        (pod_pb2.Toleration(key="gone", value="yes"), True),
        (pod_pb2.Toleration(key="gone", operator="Exists", effect="NoSchedule"), False),
        (pod_pb2.Toleration(key="gone", value="no"), False),
    ],
)
def test_tolerations(toleration: pod_pb2.Toleration, admitted: bool) -> None:
    pod = make_pod()
    pod.spec.tolerations.append(toleration)

    assert (admit(pod, (), tainted("NoExecute")) is None) is admitted


@given(st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 6), st.integers(0, 3)), max_size=12))
def test_what_is_admitted_never_exceeds_the_node(asked: list[tuple[int, int, int]]) -> None:
    admitted: list[pod_pb2.Pod] = []
    for index, (millis, gibibytes, number) in enumerate(asked):
        pod = make_pod(f"pod-{index}", requests={"cpu": f"{millis}m", "memory": f"{gibibytes}Gi"})
        if number:
            pod.spec.containers[0].ports.add(container_port=80, host_port=number)
        if admit(pod, admitted, make_node(pods="8")) is None:
            admitted.append(pod)

    assert sum(pod_requests(pod)["cpu"] for pod in admitted) <= 4000
    assert sum(pod_requests(pod)["memory"] for pod in admitted) <= 8 * 1024**3
    assert len(admitted) <= 8
    ports = [item.host_port for pod in admitted for item in pod.spec.containers[0].ports]
    assert len(ports) == len(set(ports))
