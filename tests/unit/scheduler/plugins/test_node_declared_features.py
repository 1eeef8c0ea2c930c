"""NodeDeclaredFeatures, case by case: what a Pod needs, which nodes have it, and what wakes it.

Cases as upstream's nodedeclaredfeatures_test.go and the features of component-helpers have them, as behaviour.
"""

from dataclasses import dataclass

import pytest

from scheduler.columns.pod_asks import features_of
from scheduler.explain.evaluate import evaluate
from scheduler.explain.remedies import remedies
from scheduler.framework.events import ClusterEvent
from scheduler.framework.interface import UNRESOLVABLE, CycleState
from scheduler.framework.registry import default_profile
from scheduler.plugins.node_filters import NodeDeclaredFeatures
from tests.unit.scheduler.objects import node, node_info, pod_class, table
from vaina.api.core.v1 import node_pb2, pod_pb2
from vaina.objects.decode import dict_to_message
from vaina.objects.yaml_text import parse_yaml

RESTART, USERS, MOUNTS = (
    "RestartAllContainersOnContainerExits", "UserNamespacesHostNetworkSupport", "VolumeBindMountOptions",
)  # fmt: skip
RULE = "restartPolicyRules: [{action: RestartAllContainers, exitCodes: {operator: In, values: [1]}}]"
MOUNT = "volumeMounts: [{name: v, mountPath: /v, bindMountOptions: [noexec]}]"


def spec(text: str) -> pod_pb2.PodSpec:
    tree = parse_yaml(text)[0][0]
    assert isinstance(tree, dict)
    made, mistakes = dict_to_message(pod_pb2.PodSpec, tree)
    assert made is not None
    assert [*mistakes.fatal, *mistakes.strict] == []
    return made


def declares(*features: str, name: str = "node-1") -> node_pb2.Node:
    made = node(name)
    made.status.declared_features.extend(features)
    return made


def needing(text: str) -> pod_pb2.Pod:
    made = pod_pb2.Pod(spec=spec(text))
    made.metadata.name = made.metadata.uid = "web"
    return made


@pytest.mark.parametrize(
    ("text", "needs"),
    [
        ("containers: [{name: a}]", set()),
        ("containers: [{name: a, restartPolicyRules: [{action: Restart}]}]", set()),
        (f"containers: [{{name: a}}, {{name: b, {RULE}}}]", {RESTART}),
        (f"initContainers: [{{name: a, {RULE}}}]", {RESTART}),
        ("hostNetwork: true", set()),
        ("hostUsers: false", set()),
        ("hostNetwork: true\nhostUsers: true", set()),
        ("hostNetwork: true\nhostUsers: false", {USERS}),
        ("containers: [{name: a, volumeMounts: [{name: v, mountPath: /v}]}]", set()),
        (f"containers: [{{name: a, {MOUNT}}}]", {MOUNTS}),
        (f"initContainers: [{{name: a, {MOUNT}}}]", {MOUNTS}),
        (f"ephemeralContainers: [{{name: a, {MOUNT}}}]", {MOUNTS}),
        (f"containers: [{{name: a, {RULE}}}, {{name: b, {MOUNT}}}]\nhostNetwork: true\nhostUsers: false",
         {RESTART, USERS, MOUNTS}),
    ],
)  # fmt: skip
def test_what_a_pod_needs(text: str, needs: set[str]) -> None:
    assert features_of(spec(text)) == needs


@dataclass(frozen=True)
class Case:
    name: str
    declared: tuple[str, ...]
    fits: bool


TWO = needing(f"containers: [{{name: a, {RULE}}}]\nhostNetwork: true\nhostUsers: false")
CASES = [
    Case("a node that declares nothing", (), False),
    Case("one of two", (RESTART,), False),
    Case("the other of two", (USERS,), False),
    Case("both", (RESTART, USERS), True),
    Case("both, and more", (RESTART, USERS, MOUNTS), True),
    Case("something else", (MOUNTS,), False),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_node_has_to_declare_all_of_it(case: Case) -> None:
    plugin, nodes, state = NodeDeclaredFeatures(), table(declares(*case.declared)).snapshot(), CycleState()
    asked = pod_class(TWO)
    assert not plugin.pre_filter(state, asked, nodes).skip
    want = 0 if case.fits else UNRESOLVABLE | 1
    found = plugin.filter(state, asked, nodes, nodes.all)
    assert found is not None
    assert found.tolist() == [want]
    assert plugin.filter_row(state, asked, nodes, 0) == want
    assert plugin.reasons(asked) == ("node(s) didn't match Pod's required features",)


def test_a_pod_that_needs_nothing_is_not_asked_about() -> None:
    nodes = table(node()).snapshot()
    asked = pod_class(needing("containers: [{name: a}]"))
    assert NodeDeclaredFeatures().pre_filter(CycleState(), asked, nodes).skip


@pytest.mark.parametrize(
    ("event", "before", "after", "wakes"),
    [
        (ClusterEvent.NODE_ADD, None, declares(RESTART, USERS), True),
        (ClusterEvent.NODE_ADD, None, declares(RESTART), False),
        (ClusterEvent.NODE_UPDATE_FEATURES, declares(RESTART), declares(RESTART, USERS), True),
        (ClusterEvent.NODE_UPDATE_FEATURES, declares(RESTART, USERS), declares(RESTART), False),
        (
            ClusterEvent.NODE_UPDATE_FEATURES,
            declares(RESTART, USERS),
            declares(RESTART, USERS, MOUNTS),
            False,
        ),
    ],
)
def test_a_node_that_declares_all_of_it_wakes_the_pod(
    event: ClusterEvent, before: node_pb2.Node | None, after: node_pb2.Node, wakes: bool
) -> None:
    hint = NodeDeclaredFeatures().hints[event]
    known = None if before is None else node_info(before)
    assert hint(pod_class(TWO), known, node_info(after)) is wakes


def test_explain_names_what_a_node_does_not_declare() -> None:
    nodes = table(declares(name="a"), declares(RESTART, name="b"), declares(RESTART, USERS, name="c"))
    groups, _ = remedies(evaluate(pod_class(TWO), nodes, default_profile()), 10)
    assert {tuple(group.nodes): [item.lack for item in group.refusals] for group in groups} == {
        ("a",): [f"does not declare {RESTART} and {USERS} (status.declaredFeatures)"],
        ("b",): [f"does not declare {USERS} (status.declaredFeatures)"],
    }
