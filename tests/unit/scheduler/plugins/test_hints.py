"""Which changes wake a Pod that a plugin refused. A hint may say yes too often, never too seldom."""

from dataclasses import dataclass

import pytest

from scheduler.framework.events import Changed, ClaimsChanged, ClusterEvent
from scheduler.framework.interface import FilterPlugin
from scheduler.plugins.node_affinity import NodeAffinity
from scheduler.plugins.node_filters import NodeName, NodePorts, NodeUnschedulable, TaintToleration
from scheduler.plugins.node_resources import NodeResourcesFit
from scheduler.plugins.volume_places import VolumeBinding, VolumeZone
from scheduler.plugins.volume_use import NodeVolumeLimits, VolumeRestrictions
from tests.unit.scheduler.objects import compiler, info, node, node_info, pod, pod_class
from tests.unit.scheduler.volumes.storage import user
from vaina.api.core.v1 import node_pb2, pod_pb2

ADD, DELETE = ClusterEvent.NODE_ADD, ClusterEvent.ASSIGNED_POD_DELETE
TAINT, LABEL = ClusterEvent.NODE_UPDATE_TAINT, ClusterEvent.NODE_UPDATE_LABEL
ALLOCATABLE, SCALE_DOWN = ClusterEvent.NODE_UPDATE_ALLOCATABLE, ClusterEvent.ASSIGNED_POD_SCALE_DOWN


@dataclass(frozen=True)
class Case:
    name: str
    plugin: FilterPlugin
    event: ClusterEvent
    pod: pod_pb2.Pod
    before: node_pb2.Node | pod_pb2.Pod | None
    after: node_pb2.Node | pod_pb2.Pod | None
    want: bool


TAINTED = node(taints=[("a", "", "NoSchedule")])
CASES = [
    Case("a new node that is tainted wakes nobody", TaintToleration(), ADD, pod(), None, TAINTED, False),
    Case("a new node without taints wakes", TaintToleration(), ADD, pod(), None, node(), True),
    Case("a taint that goes wakes", TaintToleration(), TAINT, pod(), TAINTED, node(), True),
    Case("a taint that was tolerated anyway wakes nobody", TaintToleration(), TAINT,
         pod(tolerations=[("", "Exists", "", "")]), TAINTED, node(), False),
    Case("a node that is uncordoned wakes", NodeUnschedulable(), TAINT, pod(), node(unschedulable=True), node(), True),
    Case("a node that was never cordoned wakes nobody", NodeUnschedulable(), TAINT, pod(), node(), node(), False),
    Case("a label that selects wakes", NodeAffinity(), LABEL, pod(selector={"a": "b"}), node(),
         node(labels={"a": "b"}), True),
    Case("a label that does not select wakes nobody", NodeAffinity(), LABEL, pod(selector={"a": "b"}), node(),
         node(labels={"a": "c"}), False),
    Case("a node that was selected before wakes nobody", NodeAffinity(), LABEL, pod(selector={"a": "b"}),
         node(labels={"a": "b"}), node(labels={"a": "b", "x": "y"}), False),
    Case("a Pod that leaves a node wakes", NodeResourcesFit(), DELETE, pod(requests={"cpu": "1"}), pod("x"), None, True),
    Case("a new node that is too small wakes nobody", NodeResourcesFit(), ADD, pod(requests={"cpu": "9"}), None, node(),
         False),
    Case("a new node that is large enough wakes", NodeResourcesFit(), ADD, pod(requests={"cpu": "4"}), None, node(),
         True),
    Case("more of what is asked for wakes", NodeResourcesFit(), ALLOCATABLE, pod(requests={"cpu": "4"}), node(cpu="3"),
         node(cpu="5"), True),
    Case("more of something else wakes nobody", NodeResourcesFit(), ALLOCATABLE, pod(requests={"cpu": "2"}),
         node(memory="1Gi"), node(memory="9Gi"), False),
    Case("room for more Pods wakes", NodeResourcesFit(), ALLOCATABLE, pod(), node(pods="1"), node(pods="2"), True),
    Case("a Pod that shrinks in what is asked for wakes", NodeResourcesFit(), SCALE_DOWN, pod(requests={"cpu": "1"}),
         pod("x", {"cpu": "2"}), pod("x", {"cpu": "1"}), True),
    Case("a Pod that shrinks otherwise wakes nobody", NodeResourcesFit(), SCALE_DOWN, pod(requests={"cpu": "1"}),
         pod("x", {"memory": "2Gi"}), pod("x", {"memory": "1Gi"}), False),
    Case("a Pod that gives back the port wakes", NodePorts(), DELETE, pod(ports=[(80, "")]),
         pod("x", ports=[(80, "10.0.0.1")]), None, True),
    Case("a Pod without the port wakes nobody", NodePorts(), DELETE, pod(ports=[(80, "")]), pod("x", ports=[(81, "")]),
         None, False),
    Case("a new node has its ports free", NodePorts(), ADD, pod(ports=[(80, "")]), None, node(), True),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_hint(case: Case) -> None:
    hint = case.plugin.hints[case.event]
    assert hint(pod_class(case.pod), compiled(case.before), compiled(case.after)) is case.want


def compiled(made: node_pb2.Node | pod_pb2.Pod | None) -> Changed:
    if made is None:
        return None
    return info(made) if isinstance(made, pod_pb2.Pod) else node_info(made)


def test_the_wanted_node_wakes_when_it_comes() -> None:
    hint = NodeName().hints[ADD]
    wants = compiler.class_of(pod().spec, wanted_node="n1")
    assert hint(wants, None, node_info(node("n1")))
    assert not hint(wants, None, node_info(node("n2")))


@pytest.mark.parametrize("plugin", [VolumeBinding(), VolumeZone(), VolumeRestrictions(), NodeVolumeLimits()])
@pytest.mark.parametrize("event", [ClusterEvent.CLAIM_ADD, ClusterEvent.CLAIM_UPDATE])
def test_a_claim_wakes_those_whose_it_is(plugin: FilterPlugin, event: ClusterEvent) -> None:
    hint = plugin.hints[event]
    assert hint(pod_class(user("data")), None, ClaimsChanged(frozenset({"default/other", "default/data"})))
    assert not hint(pod_class(user("data")), None, ClaimsChanged(frozenset({"default/other", "other/data"})))


@pytest.mark.parametrize("plugin", [VolumeBinding(), VolumeRestrictions(), NodeVolumeLimits()])
def test_a_pod_with_claims_that_gives_its_place_back_wakes_who_waits_for_volumes(
    plugin: FilterPlugin,
) -> None:
    hint = plugin.hints[DELETE]
    assert hint(pod_class(user("data")), info(user("other", name="gone")), None)
    assert not hint(pod_class(user("data")), info(pod("gone")), None)
