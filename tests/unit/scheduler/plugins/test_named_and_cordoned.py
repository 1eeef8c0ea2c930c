"""NodeName and NodeUnschedulable, case by case (upstream's node_name_test.go and node_unschedulable_test.go,
as behaviour).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from scheduler.columns.node_table import NodeTable
from scheduler.columns.pod_info import PodClass
from scheduler.framework.events import Changed, ClusterEvent
from scheduler.framework.interface import UNRESOLVABLE, CycleState, FilterPlugin, decode
from scheduler.plugins.node_filters import NodeName, NodeUnschedulable
from tests.unit.scheduler.objects import compiler, node, node_info, pod, pod_class, table, term
from vaina.api.core.v1 import node_pb2, pod_pb2

NOT_IT = "node(s) didn't match the requested node name"
CORDONED = "node(s) were unschedulable"
TAINT = "node.kubernetes.io/unschedulable"
NO, EXEC, PREFER = "NoSchedule", "NoExecute", "PreferNoSchedule"
ADD, TAINTED, LABELLED = (
    ClusterEvent.NODE_ADD, ClusterEvent.NODE_UPDATE_TAINT, ClusterEvent.NODE_UPDATE_LABEL,
)  # fmt: skip


def taken(plugin: FilterPlugin, on: NodeTable, asked: PodClass, reason: str) -> list[str]:
    """Return the names of the nodes that are not refused; those that are, are so for good, in these words.

    Asked in both ways.
    """
    nodes, state = on.snapshot(), CycleState()
    rows = [row for row, name in enumerate(nodes.names) if name]
    if plugin.pre_filter(state, asked, nodes).skip:
        return sorted(nodes.names[row] or "" for row in rows)
    found = plugin.filter(state, asked, nodes, nodes.all)
    codes = {row: 0 if found is None else int(found[row]) for row in rows}
    assert codes == {row: plugin.filter_row(state, asked, nodes, row) for row in rows}
    for code in codes.values():
        assert decode(code, plugin.reasons(asked)) == ([reason] if code else [])
        assert not code or code & UNRESOLVABLE
    return sorted(nodes.names[row] or "" for row in rows if not codes[row])


@dataclass(frozen=True)
class Wanted:
    name: str
    #: spec.nodeName; empty: none
    wants: str
    nodes: Sequence[node_pb2.Node]
    takes: Sequence[str]
    pod: pod_pb2.Pod | None = None
    #: names of nodes that go again
    gone: Sequence[str] = ()
    #: nodes that come after that
    more: Sequence[node_pb2.Node] = ()


A, B, C = node("a"), node("b"), node("c")
WANTED = [
    Wanted("no name, one node", "", [A], ["a"]),
    Wanted("no name, some nodes", "", [A, B, C], ["a", "b", "c"]),
    Wanted("the only node", "a", [A], ["a"]),
    Wanted("another than the only node", "b", [A], []),
    Wanted("the first", "a", [A, B, C], ["a"]),
    Wanted("one in the middle", "b", [A, B, C], ["b"]),
    Wanted("the last", "c", [A, B, C], ["c"]),
    Wanted("none of them", "d", [A, B, C], []),
    Wanted("no node at all", "a", [], []),
    Wanted("the beginning of a name", "node", [node("node-1")], []),
    Wanted("more than a name", "node-11", [node("node-1")], []),
    Wanted("a name that begins like the others", "node-1", [node("node-1"), node("node-10"), node("node-11")], ["node-1"]),
    Wanted("a name in capitals", "A", [A], []),
    Wanted("a name with its domain", "a.example.com", [A, node("a.example.com")], ["a.example.com"]),
    Wanted("a number", "1", [node("1"), node("01")], ["1"]),
    Wanted("a label that says so is no name", "b", [node("a", labels={"kubernetes.io/hostname": "b"})], []),
    Wanted("a label that says otherwise does no harm", "a", [node("a", labels={"kubernetes.io/hostname": "b"})], ["a"]),
    Wanted("a cordoned node is another plugin's", "a", [node("a", unschedulable=True)], ["a"]),
    Wanted("a tainted node is another plugin's", "a", [node("a", taints=[("x", "", NO)])], ["a"]),
    Wanted("a node that is too small is another plugin's", "a", [node("a", cpu="1")], ["a"], pod(requests={"cpu": "9"})),
    Wanted("a selector is another plugin's", "a", [A], ["a"], pod(selector={"zone": "a"})),
    Wanted("a name in a term of affinity is another plugin's", "a", [A, B], ["a"], pod(required=[term(name=["b"])])),
    Wanted("tolerations of everything help nothing", "d", [A], [], pod(tolerations=[("", "Exists", "", "")])),
    Wanted("a node that has gone", "b", [A, B], [], gone=["b"]),
    Wanted("a node beside one that has gone", "a", [A, B], ["a"], gone=["b"]),
    Wanted("a node that came later", "c", [A, B], ["c"], more=[C]),
    Wanted("a node that came in the place of another", "c", [A, B], ["c"], gone=["a"], more=[C]),
    Wanted("a node whose place another has now", "a", [A, B], [], gone=["a"], more=[C]),
    Wanted("a node that went and came again", "a", [A, B], ["a"], gone=["a"], more=[node("a", cpu="1")]),
    Wanted("a node whose place was moved by others", "b", [A, B, C], ["b"], gone=["a", "c"], more=[C, A]),
]  # fmt: skip


@pytest.mark.parametrize("case", WANTED, ids=lambda case: case.name)
def test_the_wanted_node(case: Wanted) -> None:
    on = table(*case.nodes)
    for name in case.gone:
        on.remove(name)
    for made in case.more:
        on.upsert(node_info(made))
    asked = compiler.class_of((case.pod or pod()).spec, wanted_node=case.wants)
    assert taken(NodeName(), on, asked, NOT_IT) == list(case.takes)


#: (key, operator, value, effect)
Toleration = tuple[str, str, str, str]


@dataclass(frozen=True)
class Cordoned:
    name: str
    tolerations: Sequence[Toleration]
    fits: bool
    node: node_pb2.Node = field(default_factory=lambda: node("a", unschedulable=True))


USABLE = node("a")
CORDONS = [
    Cordoned("a cordoned node", [], False),
    Cordoned("a node that is not", [], True, USABLE),
    Cordoned("the taint is tolerated", [(TAINT, "Exists", "", NO)], True),
    Cordoned("its value, which is empty, is tolerated", [(TAINT, "Equal", "", NO)], True),
    Cordoned("no operator means Equal", [(TAINT, "", "", NO)], True),
    Cordoned("with any effect", [(TAINT, "Exists", "", "")], True),
    Cordoned("its value with any effect", [(TAINT, "Equal", "", "")], True),
    Cordoned("everything is tolerated", [("", "Exists", "", "")], True),
    Cordoned("everything that is NoSchedule", [("", "Exists", "", NO)], True),
    Cordoned("everything that is NoExecute", [("", "Exists", "", EXEC)], False),
    Cordoned("with another effect", [(TAINT, "Exists", "", EXEC)], False),
    Cordoned("as a preference", [(TAINT, "Exists", "", PREFER)], False),
    Cordoned("with another value", [(TAINT, "Equal", "yes", NO)], False),
    Cordoned("with another value, no operator", [(TAINT, "", "true", NO)], False),
    Cordoned("another taint", [("other", "Exists", "", NO)], False),
    Cordoned("a part of the key", [("unschedulable", "Exists", "", NO)], False),
    Cordoned("the key in capitals", [(TAINT.upper(), "Exists", "", NO)], False),
    Cordoned("an operator that does not exist", [(TAINT, "Near", "", NO)], False),
    Cordoned("the second toleration covers", [("other", "Exists", "", ""), (TAINT, "Exists", "", NO)], True),
    Cordoned("two that do not cover", [(TAINT, "Equal", "x", NO), (TAINT, "Exists", "", EXEC)], False),
    Cordoned("what DaemonSets tolerate of a node's state, without this", [
        ("node.kubernetes.io/not-ready", "Exists", "", EXEC), ("node.kubernetes.io/unreachable", "Exists", "", EXEC),
        ("node.kubernetes.io/disk-pressure", "Exists", "", NO)], False),
    Cordoned("what DaemonSets tolerate of a node's state", [
        ("node.kubernetes.io/not-ready", "Exists", "", EXEC), (TAINT, "Exists", "", NO)], True),
    Cordoned("the taint without the field is TaintToleration's", [], True, node("a", taints=[(TAINT, "", NO)])),
    Cordoned("field and taint", [], False, node("a", unschedulable=True, taints=[(TAINT, "", NO)])),
    Cordoned("field and taint, tolerated", [(TAINT, "Exists", "", NO)], True, node("a", unschedulable=True, taints=[(TAINT, "", NO)])),
    Cordoned("other taints are another plugin's", [], True, node("a", taints=[("x", "", NO)])),
    Cordoned("other taints that are tolerated help nothing", [("x", "Exists", "", NO)], False,
             node("a", unschedulable=True, taints=[("x", "", NO)])),
]  # fmt: skip


@pytest.mark.parametrize("case", CORDONS, ids=lambda case: case.name)
def test_cordoned_nodes(case: Cordoned) -> None:
    on, asked = table(case.node, B), pod_class(pod(tolerations=case.tolerations))
    assert taken(NodeUnschedulable(), on, asked, CORDONED) == (["a", "b"] if case.fits else ["b"])


def test_a_node_is_cordoned_and_used_again() -> None:
    on, asked = table(A, B, C), pod_class(pod())
    for cordoned in (["a"], ["a", "b", "c"], [], ["c"]):
        for name in "abc":
            on.upsert(node_info(node(name, unschedulable=name in cordoned)))
        assert taken(NodeUnschedulable(), on, asked, CORDONED) == [
            name for name in "abc" if name not in cordoned
        ]


CORDONED_A = node("a", unschedulable=True)


@dataclass(frozen=True)
class Hinted:
    name: str
    event: ClusterEvent
    before: node_pb2.Node | None
    after: node_pb2.Node | None
    #: None: the event is not listened to
    helps: bool | None


HINTS = [
    Hinted("a node comes", ADD, None, USABLE, True),
    Hinted("a cordoned node comes", ADD, None, CORDONED_A, False),
    Hinted("a tainted node comes", ADD, None, node("a", taints=[("x", "", NO)]), True),
    Hinted("a node is used again", TAINTED, CORDONED_A, USABLE, True),
    Hinted("a node is cordoned", TAINTED, USABLE, CORDONED_A, False),
    Hinted("a cordoned node loses a taint", TAINTED, node("a", unschedulable=True, taints=[("x", "", NO)]), CORDONED_A, False),
    Hinted("a node that was not cordoned loses a taint", TAINTED, node("a", taints=[("x", "", NO)]), USABLE, False),
    Hinted("a node is used again and tainted", TAINTED, CORDONED_A, node("a", taints=[("x", "", NO)]), True),
    Hinted("a cordoned node is labelled", LABELLED, CORDONED_A, node("a", unschedulable=True, labels={"x": "y"}), None),
]  # fmt: skip


@pytest.mark.parametrize("case", HINTS, ids=lambda case: case.name)
def test_what_happens_to_nodes_that_is_worth_another_attempt(case: Hinted) -> None:
    hint = NodeUnschedulable().hints.get(case.event)
    assert (hint is None) == (case.helps is None)
    if hint is not None:
        assert hint(pod_class(pod()), of(case.before), of(case.after)) is case.helps


@pytest.mark.parametrize(
    ("wants", "comes", "helps"),
    [("a", A, True), ("a", B, False), ("a", CORDONED_A, True), ("a", None, False), ("a", node("aa"), False)],
)
def test_the_wanted_node_that_comes_is_worth_another_attempt(
    wants: str, comes: node_pb2.Node | None, helps: bool
) -> None:
    hints = NodeName().hints
    assert list(hints) == [ADD]
    assert hints[ADD](compiler.class_of(pod().spec, wanted_node=wants), None, of(comes)) is helps


def of(made: node_pb2.Node | None) -> Changed:
    return None if made is None else node_info(made)
