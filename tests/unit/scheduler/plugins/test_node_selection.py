"""NodeAffinity with every operator, on labels and on names, of Pods and of profiles.

Tolerations with every operator.
"""

from collections.abc import Sequence

import numpy as np
import pytest

from scheduler.columns.node_info import NodeInfo, Taint
from scheduler.columns.pod_asks import Toleration
from scheduler.framework.events import ClusterEvent
from scheduler.framework.interface import CycleState, decode
from scheduler.plugins.node_affinity import NodeAffinity, NodeAffinityArgs
from tests.unit.scheduler.objects import node, node_info, pod, pod_class, table, term
from vaina.api.core.v1 import pod_pb2, reference_pb2

ENFORCED = "node(s) didn't match scheduler-enforced node affinity"
REFUSED = "node(s) didn't match Pod's node affinity/selector"
#: nodes a, b, c, d
LABELS = (
    {"zone": "a", "cores": "4"},
    {"zone": "b", "cores": "16"},
    {"cores": "many"},
    {"zone": "", "cores": "-4"},
)


@pytest.mark.parametrize(
    ("key", "operator", "values", "want"),
    [
        ("zone", "In", ["a"], "a"),
        ("zone", "In", ["a", "b"], "ab"),
        ("zone", "In", [""], "d"),
        ("zone", "In", ["x"], ""),
        ("zone", "NotIn", ["a"], "bcd"),
        ("zone", "NotIn", ["a", "b", ""], "c"),
        ("zone", "Exists", [], "abd"),
        ("zone", "DoesNotExist", [], "c"),
        ("cores", "Gt", ["4"], "b"),
        ("cores", "Gt", ["-5"], "abd"),
        ("cores", "Lt", ["16"], "ad"),
        ("cores", "Lt", ["0"], "d"),
        ("cores", "Gt", ["few"], ""),
        ("cores", "Gt", ["1", "2"], ""),
        ("none", "In", ["a"], ""),
        ("none", "NotIn", ["a"], "abcd"),
        ("none", "Exists", [], ""),
        ("none", "DoesNotExist", [], "abcd"),
        ("none", "Gt", ["0"], ""),
        ("zone", "Near", ["a"], ""),
    ],
)
def test_operators(key: str, operator: str, values: Sequence[str], want: str) -> None:
    assert passing(NodeAffinity(), pod(required=[term((key, operator, values))])) == want


@pytest.mark.parametrize(
    ("operator", "values", "want"),
    [("In", ["a"], "a"), ("In", ["x"], ""), ("NotIn", ["a"], "bcd"), ("Exists", [], ""), ("Gt", ["0"], "")],
)
def test_operators_on_names(operator: str, values: Sequence[str], want: str) -> None:
    wanted = reference_pb2.NodeSelectorTerm()
    wanted.match_fields.add(key="metadata.name", operator=operator, values=values)
    assert passing(NodeAffinity(), pod(required=[wanted])) == want


def test_another_field_than_the_name_matches_nothing() -> None:
    wanted = reference_pb2.NodeSelectorTerm()
    wanted.match_fields.add(key="metadata.uid", operator="NotIn", values=["a"])
    assert passing(NodeAffinity(), pod(required=[wanted])) == ""


def passing(plugin: NodeAffinity, made: pod_pb2.Pod) -> str:
    """Return the names of the nodes that pass; asked in all ways."""
    nodes = table(
        *(node(name, labels=labels) for name, labels in zip("abcd", LABELS, strict=True))
    ).snapshot()
    asked, state = pod_class(made), CycleState()
    result = plugin.pre_filter(state, asked, nodes)
    assert not result.rejected
    codes = plugin.filter(state, asked, nodes, nodes.all)
    assert codes is not None
    assert [plugin.filter_row(state, asked, nodes, row) for row in range(nodes.size)] == codes.tolist()
    some = plugin.filter(state, asked, nodes, np.array([3, 1]))
    assert some is not None
    assert some.tolist() == [codes[3], codes[1]]
    named = result.names
    return "".join(
        name
        for name, code in zip("abcd", codes, strict=True)
        if not code and (named is None or name in named)
    )


def added(*, required: str = "", preferred: str = "") -> NodeAffinity:
    affinity = pod_pb2.NodeAffinity()
    if required:
        wanted = affinity.required_during_scheduling_ignored_during_execution
        wanted.node_selector_terms.append(term(("zone", "In", [required])))
    if preferred:
        affinity.preferred_during_scheduling_ignored_during_execution.add(
            weight=10, preference=term(("zone", "In", [preferred]))
        )
    return NodeAffinity(NodeAffinityArgs(affinity))


def test_what_a_profile_adds_holds_for_pods_that_ask_nothing_too() -> None:
    assert passing(added(required="a"), pod()) == "a"
    assert passing(added(required="a"), pod(selector={"cores": "4"})) == "a"
    assert passing(added(required="a"), pod(selector={"zone": "b"})) == ""


def test_what_a_profile_adds_is_said_in_its_own_words_and_first() -> None:
    plugin, state = added(required="a"), CycleState()
    nodes = table(node("a", labels={"zone": "a"}), node("b", labels={"zone": "b"})).snapshot()
    asked = pod_class(pod(selector={"disk": "ssd"}))
    plugin.pre_filter(state, asked, nodes)
    codes = plugin.filter(state, asked, nodes, nodes.all)
    assert codes is not None
    assert [decode(int(code), plugin.reasons(asked)) for code in codes] == [[REFUSED], [ENFORCED]]


def test_what_a_profile_prefers_adds_to_what_the_pod_prefers() -> None:
    nodes = table(*(node(name, labels={"zone": name}) for name in "abc")).snapshot()
    plugin, state = added(preferred="a"), CycleState()
    for made, want in (
        (pod(), [10, 0, 0]),
        (pod(preferred=[(5, term(("zone", "In", ["b"])))]), [10, 5, 0]),
        (pod(preferred=[(5, term(("zone", "In", ["a"])))]), [15, 0, 0]),
    ):
        asked = pod_class(made)
        assert plugin.pre_score(state, asked, nodes)
        assert plugin.score(state, asked, nodes, nodes.all).tolist() == want
        assert [plugin.score_row(state, asked, nodes, row) for row in range(3)] == want


def test_a_node_helps_when_it_is_what_the_profile_adds() -> None:
    hint = added(required="a").hints[ClusterEvent.NODE_UPDATE_LABEL]

    def info(zone: str) -> NodeInfo:
        return node_info(node(labels={"zone": zone}))

    asked = pod_class(pod())
    assert hint(asked, info("b"), info("a"))
    assert not hint(asked, info("a"), info("b"))
    assert not hint(asked, info("a"), info("a"))


@pytest.mark.parametrize(
    ("toleration", "want"),
    [
        (("sla", "Gt", "900", ""), True),
        (("sla", "Gt", "950", ""), False),
        (("sla", "Lt", "951", "NoSchedule"), True),
        (("sla", "Lt", "950", ""), False),
        (("sla", "Lt", "951", "NoExecute"), False),
        (("other", "Gt", "1", ""), False),
        (("sla", "Gt", "much", ""), False),
        (("sla", "Gt", "", ""), False),
        (("sla", "Gt", "0900", ""), False),
        (("sla", "Equal", "950", ""), True),
        (("sla", "Exists", "", ""), True),
        (("sla", "Near", "950", ""), False),
    ],
)
def test_tolerations_may_compare_numbers(toleration: tuple[str, str, str, str], want: bool) -> None:
    assert Toleration(*toleration).tolerates(Taint("sla", "950", "NoSchedule")) is want


def test_a_taint_that_is_no_number_is_not_compared() -> None:
    assert not Toleration("sla", "Gt", "1", "").tolerates(Taint("sla", "high", "NoSchedule"))
