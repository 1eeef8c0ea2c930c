"""Each filter by itself: what it refuses, in which words, and whether evicting Pods could help."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from scheduler.columns.node_table import NodeTable
from scheduler.framework.interface import UNRESOLVABLE, CycleState, FilterPlugin, decode
from scheduler.plugins.node_affinity import NodeAffinity
from scheduler.plugins.node_filters import NodeName, NodePorts, NodeUnschedulable, TaintToleration
from scheduler.plugins.node_resources import NodeResourcesFit
from tests.unit.scheduler.objects import compiler, node, pod, pod_class, table, term
from vaina.api.core.v1 import node_pb2, pod_pb2

FITS: tuple[str, ...] = ()
AFFINITY = "node(s) didn't match Pod's node affinity/selector"
TAINTED = "node(s) had untolerated taint(s)"
PORTS = "node(s) didn't have free ports for the requested pod ports"


@dataclass(frozen=True)
class Case:
    name: str
    plugin: FilterPlugin
    pod: pod_pb2.Pod
    node: node_pb2.Node
    want: tuple[str, ...]
    unresolvable: bool = True
    there: list[pod_pb2.Pod] = field(default_factory=list)


CASES = [
    Case("a cordoned node is refused", NodeUnschedulable(), pod(), node(unschedulable=True),
         ("node(s) were unschedulable",)),
    Case("a node that is not cordoned passes", NodeUnschedulable(), pod(), node(), FITS),
    Case("a taint that is not tolerated refuses", TaintToleration(), pod(),
         node(taints=[("dedicated", "db", "NoSchedule")]), (TAINTED,)),
    Case("NoExecute refuses as well", TaintToleration(), pod(), node(taints=[("a", "", "NoExecute")]), (TAINTED,)),
    Case("PreferNoSchedule refuses nobody", TaintToleration(), pod(), node(taints=[("a", "", "PreferNoSchedule")]),
         FITS),
    Case("a toleration of key and value covers", TaintToleration(),
         pod(tolerations=[("dedicated", "Equal", "db", "NoSchedule")]),
         node(taints=[("dedicated", "db", "NoSchedule")]), FITS),
    Case("an operator left out means Equal", TaintToleration(), pod(tolerations=[("dedicated", "", "db", "")]),
         node(taints=[("dedicated", "db", "NoSchedule")]), FITS),
    Case("a toleration of another effect does not cover", TaintToleration(),
         pod(tolerations=[("dedicated", "Equal", "db", "NoExecute")]),
         node(taints=[("dedicated", "db", "NoSchedule")]), (TAINTED,)),
    Case("Exists without a key covers everything", TaintToleration(), pod(tolerations=[("", "Exists", "", "")]),
         node(taints=[("a", "", "NoSchedule"), ("b", "c", "NoExecute")]), FITS),
    Case("one uncovered taint of two is enough", TaintToleration(), pod(tolerations=[("a", "Exists", "", "")]),
         node(taints=[("a", "", "NoSchedule"), ("b", "c", "NoSchedule")]), (TAINTED,)),
    Case("nodeSelector wants every label", NodeAffinity(), pod(selector={"disk": "ssd", "zone": "a"}),
         node(labels={"disk": "ssd"}), (AFFINITY,)),
    Case("nodeSelector is content with its labels", NodeAffinity(), pod(selector={"disk": "ssd"}),
         node(labels={"disk": "ssd", "zone": "a"}), FITS),
    Case("terms are alternatives", NodeAffinity(),
         pod(required=[term(("zone", "In", ["a"])), term(("disk", "Exists", []))]), node(labels={"disk": "x"}), FITS),
    Case("conditions of a term must all hold", NodeAffinity(),
         pod(required=[term(("zone", "In", ["a"]), ("disk", "Exists", []))]), node(labels={"disk": "x"}), (AFFINITY,)),
    Case("an empty term matches nothing", NodeAffinity(), pod(required=[term()]), node(), (AFFINITY,)),
    Case("no term at all matches nothing", NodeAffinity(), pod(required=[]), node(), (AFFINITY,)),
    Case("NotIn holds where the label is missing", NodeAffinity(), pod(required=[term(("zone", "NotIn", ["a"]))]),
         node(), FITS),
    Case("NotIn refuses the value", NodeAffinity(), pod(required=[term(("zone", "NotIn", ["a"]))]),
         node(labels={"zone": "a"}), (AFFINITY,)),
    Case("DoesNotExist refuses any value", NodeAffinity(), pod(required=[term(("zone", "DoesNotExist", []))]),
         node(labels={"zone": "a"}), (AFFINITY,)),
    Case("Gt compares numbers", NodeAffinity(), pod(required=[term(("cores", "Gt", ["9"]))]),
         node(labels={"cores": "10"}), FITS),
    Case("Lt refuses a label that is no number", NodeAffinity(), pod(required=[term(("cores", "Lt", ["9"]))]),
         node(labels={"cores": "few"}), (AFFINITY,)),
    Case("an operator that does not exist matches nothing", NodeAffinity(),
         pod(required=[term(("cores", "Like", ["9"]))]), node(labels={"cores": "9"}), (AFFINITY,)),
    Case("a term may name the node", NodeAffinity(), pod(required=[term(name=["node-1"])]), node(), FITS),
    Case("a taken host port refuses, and evicting would help", NodePorts(), pod(ports=[(80, "")]), node(), (PORTS,),
         unresolvable=False, there=[pod("other", ports=[(80, "")])]),
    Case("another host port is free", NodePorts(), pod(ports=[(80, "")]), node(), FITS,
         there=[pod("other", ports=[(81, "")])]),
    Case("all addresses collide with one", NodePorts(), pod(ports=[(80, "")]), node(), (PORTS,), unresolvable=False,
         there=[pod("other", ports=[(80, "10.0.0.1")])]),
    Case("one address collides with all", NodePorts(), pod(ports=[(80, "10.0.0.1")]), node(), (PORTS,),
         unresolvable=False, there=[pod("other", ports=[(80, "0.0.0.0")])]),
    Case("two addresses get along", NodePorts(), pod(ports=[(80, "10.0.0.1")]), node(), FITS,
         there=[pod("other", ports=[(80, "10.0.0.2")])]),
    Case("the last free thousandth is enough", NodeResourcesFit(), pod(requests={"cpu": "1"}), node(cpu="2"), FITS,
         there=[pod("other", {"cpu": "1"})]),
    Case("one thousandth too few is too few", NodeResourcesFit(), pod(requests={"cpu": "1001m"}), node(cpu="2"),
         ("Insufficient cpu",), unresolvable=False, there=[pod("other", {"cpu": "1"})]),
    Case("every lack is named", NodeResourcesFit(), pod(requests={"cpu": "2", "memory": "2Gi"}),
         node(cpu="2", memory="2Gi"), ("Insufficient cpu", "Insufficient memory"), unresolvable=False,
         there=[pod("other", {"cpu": "1", "memory": "1Gi"})]),
    Case("what an empty node lacks no eviction gives", NodeResourcesFit(), pod(requests={"memory": "9Gi"}),
         node(memory="8Gi"), ("Insufficient memory",)),
    Case("a resource that no node has", NodeResourcesFit(), pod(requests={"example.com/gpu": "1"}), node(),
         ("Insufficient example.com/gpu",)),
    Case("a resource that the node has enough of", NodeResourcesFit(), pod(requests={"example.com/gpu": "2"}),
         node(extended={"example.com/gpu": "2"}), FITS),
    Case("as many Pods as the node takes are there", NodeResourcesFit(), pod(), node(pods="1"), ("Too many pods",),
         unresolvable=False, there=[pod("other")]),
    Case("a Pod that asks nothing fits where nothing is left", NodeResourcesFit(), pod(), node(cpu="1"), FITS,
         there=[pod("other", {"cpu": "1"})]),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_filter(case: Case) -> None:
    on = table(case.node)
    for other in case.there:
        on.add_pod(0, pod_class(other))
    code = ask(case.plugin, on, case.pod)
    reasons = case.plugin.reasons(pod_class(case.pod))
    assert tuple(decode(code, reasons)) == case.want
    assert bool(code & UNRESOLVABLE) == bool(case.want and case.unresolvable)


def ask(plugin: FilterPlugin, on: NodeTable, made: pod_pb2.Pod) -> int:
    """Ask for all rows, for given rows and for one row: the same answer each time."""
    asked = pod_class(made)
    state, nodes = CycleState(), on.snapshot()
    if plugin.pre_filter(state, asked, nodes).skip:
        return 0
    all_rows = plugin.filter(state, asked, nodes, nodes.all)
    some = plugin.filter(state, asked, nodes, np.array([0]))
    code = plugin.filter_row(state, asked, nodes, 0)
    assert (0 if all_rows is None else int(all_rows[0])) == code
    assert (0 if some is None else int(some[0])) == code
    return code


def test_a_pod_that_tolerates_the_taint_of_cordoned_nodes_goes_there() -> None:
    tolerant = pod(tolerations=[("node.kubernetes.io/unschedulable", "Exists", "", "NoSchedule")])
    assert ask(NodeUnschedulable(), table(node(unschedulable=True)), tolerant) == 0


def test_a_wanted_node_refuses_all_others() -> None:
    plugin, on = NodeName(), table(node("n0"), node("n1"))
    wants = compiler.class_of(pod().spec, wanted_node="n1")
    state, nodes = CycleState(), on.snapshot()
    codes = plugin.filter(state, wants, nodes, nodes.all)
    assert codes is not None
    assert [decode(int(code), plugin.reasons(wants)) for code in codes] == [
        ["node(s) didn't match the requested node name"],
        [],
    ]
    assert [plugin.filter_row(state, wants, nodes, row) for row in (0, 1)] == codes.tolist()
    assert plugin.pre_filter(state, pod_class(pod()), nodes).skip


def test_terms_that_all_name_nodes_leave_only_those() -> None:
    nodes = table(node()).snapshot()
    plugin = NodeAffinity()
    both = pod(required=[term(name=["n1"]), term(("zone", "In", ["a"]), name=["n2", "n3"])])
    assert plugin.pre_filter(CycleState(), pod_class(both), nodes).names == {"n1", "n2", "n3"}
    one = pod(required=[term(name=["n1"]), term(("zone", "In", ["a"]))])
    assert plugin.pre_filter(CycleState(), pod_class(one), nodes).names is None


def test_terms_that_name_two_nodes_at_once_conflict() -> None:
    twice = term(name=["n1"])
    twice.match_fields.add(key="metadata.name", operator="In", values=["n2"])
    result = NodeAffinity().pre_filter(
        CycleState(), pod_class(pod(required=[twice])), table(node()).snapshot()
    )
    assert result.rejected == "pod affinity terms conflict"


def test_more_resources_than_there_are_bits_are_refused_all_the_same() -> None:
    many = {f"example.com/r{number:02}": "1" for number in range(80)}
    code = ask(NodeResourcesFit(), table(node()), pod(requests=many))
    assert code & UNRESOLVABLE
    assert len(decode(code, NodeResourcesFit().reasons(pod_class(pod(requests=many))))) == 80
