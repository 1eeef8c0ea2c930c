"""What is in the way between Pods: the domain, and how many Pods of which labels are there."""

import pytest

from scheduler.columns.node_table import NodeTable
from scheduler.explain.evaluate import evaluate
from scheduler.explain.remedies import remedies
from scheduler.framework.registry import default_profile
from tests.unit.scheduler.objects import node, pod, pod_class, table
from vaina.api.core.v1 import pod_pb2

PROFILE = default_profile()
WEB = {"app": "web"}


def web(*, kind: str = "", key: str = "zone", spread: int = 0) -> pod_pb2.Pod:
    """Make a Pod app=web with a required term of one kind about Pods app=web, or a spread constraint."""
    made = pod("web", {"cpu": "1m"})
    made.metadata.labels.update(WEB)
    if kind:
        affinity = getattr(made.spec.affinity, kind)
        term = affinity.required_during_scheduling_ignored_during_execution.add(topology_key=key)
        term.label_selector.match_labels.update({"app": "db"} if kind == "pod_affinity" else WEB)
    if spread:
        made.spec.topology_spread_constraints.add(
            max_skew=spread, topology_key=key, when_unsatisfiable="DoNotSchedule"
        ).label_selector.match_labels.update(WEB)
    return made


def zones() -> NodeTable:
    return table(node("a1", labels={"zone": "a"}), node("a2", labels={"zone": "a"}), node("none"))


def lacks(asks: pod_pb2.Pod, nodes: NodeTable) -> dict[tuple[str, ...], str]:
    groups, _ = remedies(evaluate(pod_class(asks), nodes, PROFILE), 10)
    return {tuple(group.nodes): "; ".join(item.lack for item in group.refusals) for group in groups}


@pytest.mark.parametrize(
    ("asks", "there", "expected"),
    [
        (
            web(kind="pod_anti_affinity"),
            [web()],
            {("a1", "a2"): "1 Pod app=web in zone=a (anti-affinity)"},
        ),
        (
            web(kind="pod_affinity"),
            [web()],
            {
                ("a1", "a2"): "no Pods app=db in zone=a (affinity)",
                ("none",): "has no label zone, which its affinity asks for",
            },
        ),
        (
            web(),
            [web(kind="pod_anti_affinity")],
            {("a1", "a2"): "Pods in zone=a keep away from Pods app=web (their anti-affinity)"},
        ),
        (
            web(spread=1),
            [],
            {("none",): "has no label zone, by which it is spread"},
        ),
    ],
    ids=["anti-affinity", "affinity", "existing", "spread-without-label"],
)
def test_what_other_pods_are_in_the_way(
    asks: pod_pb2.Pod, there: list[pod_pb2.Pod], expected: dict[tuple[str, ...], str]
) -> None:
    nodes = zones()
    for other in there:
        nodes.add_pod(0, pod_class(other))
    assert lacks(asks, nodes) == expected


def test_a_domain_that_is_too_full_says_how_full() -> None:
    nodes = table(node("a", labels={"zone": "a"}), node("b", labels={"zone": "b"}, unschedulable=True))
    for _ in range(2):
        nodes.add_pod(0, pod_class(web()))
    found = lacks(web(spread=1), nodes)
    assert found["a",] == "zone=a has 2 Pods app=web (maxSkew 1)"
