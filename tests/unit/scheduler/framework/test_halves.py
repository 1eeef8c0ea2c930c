"""Each extension point of a profile is switched by itself: what preFilter and filter do alone."""

from dataclasses import dataclass

import pytest

from scheduler.columns.node_table import NodeTable
from scheduler.configuration.load import read_configuration
from scheduler.configuration.profiles import make_profiles
from scheduler.decide.cycle import schedule_pod
from scheduler.explain.evaluate import evaluate
from scheduler.framework.registry import default_profile
from scheduler.framework.runtime import Framework, Profile
from scheduler.framework.status import Scheduled
from tests.unit.scheduler.objects import node, pod, pod_class, table, term
from vaina.api.core.v1 import pod_pb2

HOSTNAME = "kubernetes.io/hostname"
HEAD = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n"


def profile(text: str) -> Profile:
    [made] = make_profiles(read_configuration(f"{HEAD}profiles: [{{plugins: {{{text}}}}}]").profiles)
    return made


def cluster() -> NodeTable:
    """Return three nodes; on the last there is a Pod of the app web with port 80."""
    made = table(
        node("n1", cpu="2", labels={"disk": "ssd", HOSTNAME: "n1"}),
        node("n2", cpu="4", labels={HOSTNAME: "n2"}),
        node("n3", cpu="2", labels={"disk": "ssd", HOSTNAME: "n3"}),
    )
    there = pod("there", ports=[(80, "")])
    there.metadata.labels["app"] = "web"
    made.add_pod(2, pod_class(there))
    return made


def conflicting() -> pod_pb2.Pod:
    """Return a Pod that must be on two nodes at once, which preFilter refuses outright."""
    both = term(name=["n1"])
    both.match_fields.add(key="metadata.name", operator="In", values=["n2"])
    return pod(required=[both])


def beside(app: str) -> pod_pb2.Pod:
    made = pod()
    one = made.spec.affinity.pod_affinity.required_during_scheduling_ignored_during_execution.add(
        topology_key=HOSTNAME
    )
    one.label_selector.match_labels["app"] = app
    return made


def spread() -> pod_pb2.Pod:
    made = pod()
    made.metadata.labels["app"] = "web"
    one = made.spec.topology_spread_constraints.add(
        max_skew=1, topology_key=HOSTNAME, when_unsatisfiable="DoNotSchedule"
    )
    one.label_selector.match_labels["app"] = "web"
    return made


@dataclass(frozen=True)
class Case:
    name: str
    text: str
    pod: pod_pb2.Pod
    want: set[str]


AFFINITY, EVERY = "{disabled: [{name: NodeAffinity}]}", {"n1", "n2", "n3"}
#: whoever has something to bind keeps all its points (test_bad_configurations.py)
ALL_PRE = (
    "preFilter: {disabled: [{name: '*'}]}, reserve: {enabled: [{name: VolumeBinding}]}, "
    "preBind: {enabled: [{name: VolumeBinding}]}"
)
SSD = {"disk": "ssd"}
CASES = [
    Case("both: labels and names", "", pod(selector=SSD, required=[term(name=["n1", "n2"])]), {"n1"}),
    Case("filter alone: the labels", f"preFilter: {AFFINITY}", pod(selector=SSD), {"n1", "n3"}),
    Case("filter alone: names are terms like others", f"preFilter: {AFFINITY}", pod(required=[term(name=["n2"])]), {"n2"}),
    Case("filter alone refuses each node by itself", f"preFilter: {AFFINITY}", conflicting(), set()),
    Case("preFilter alone: the names, whatever the labels", f"filter: {AFFINITY}",
         pod(selector=SSD, required=[term(name=["n1", "n2"])]), {"n1", "n2"}),
    Case("preFilter alone: no names, every node", f"filter: {AFFINITY}", pod(selector=SSD), EVERY),
    Case("preFilter alone refuses outright", f"filter: {AFFINITY}", conflicting(), set()),
    Case("neither", f"preFilter: {AFFINITY}, filter: {AFFINITY}", conflicting(), EVERY),
    Case("a filter prepares for itself: room", ALL_PRE, pod(requests={"cpu": "3"}), {"n2"}),
    Case("a filter prepares for itself: a port", ALL_PRE, pod(ports=[(80, "")]), {"n1", "n2"}),
    Case("a filter prepares for itself: affinity", ALL_PRE, beside("web"), {"n3"}),
    Case("a filter prepares for itself: spread", ALL_PRE, spread(), {"n1", "n2"}),
    Case("what a point says goes before what multiPoint says",
         f"multiPoint: {AFFINITY}, filter: {{enabled: [{{name: NodeAffinity}}]}}", pod(selector=SSD), {"n1", "n3"}),
    Case("a point keeps out what multiPoint enables",
         "multiPoint: {enabled: [{name: NodeAffinity}]}, filter: {disabled: [{name: NodeAffinity}]}", pod(selector=SSD), EVERY),
    Case("room, its preFilter alone", "filter: {disabled: [{name: NodeResourcesFit}]}", pod(requests={"cpu": "30"}), EVERY),
    Case("spread, its preFilter alone", "filter: {disabled: [{name: PodTopologySpread}]}", spread(), EVERY),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_extension_point_is_switched_by_itself(case: Case) -> None:
    made, nodes, asking = profile(case.text), cluster(), pod_class(case.pod)
    found = evaluate(asking, nodes, made)
    assert {found.name(index) for index in range(found.count) if found.failing[index] == 0} == case.want
    # What decides says the same as what explains.
    framework = Framework(made)
    decision = schedule_pod(asking, nodes, framework, tie_break=lambda _: 0)
    assert (decision.node_name in case.want) if isinstance(decision, Scheduled) else not case.want


def test_hints_stay_while_either_half_does() -> None:
    names = "{disabled: [{name: NodePorts}]}"
    for text in (f"filter: {names}", f"preFilter: {names}"):
        assert any("NodePorts" in hints for hints in Framework(profile(text)).hints.values())


def test_the_default_profile_has_whole_plugins() -> None:
    whole = default_profile()
    assert [type(one) for one in profile("").filters] == [type(one) for one in whole.filters]


def test_scores_prepare_for_themselves() -> None:
    made = profile("preScore: {disabled: [{name: '*'}]}")
    assert [(one.plugin.name, one.weight) for one in made.scores] == [
        (one.plugin.name, one.weight) for one in default_profile().scores
    ]
    nodes, asking = cluster(), pod_class(spread())
    assert (
        evaluate(asking, nodes, made).total.tolist()
        == evaluate(asking, nodes, default_profile()).total.tolist()
    )
