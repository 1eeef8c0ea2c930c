"""Each score by itself, with the numbers that upstream's formulas give."""

import numpy as np
import pytest

from scheduler.columns.node_table import NodeTable
from scheduler.framework.interface import CycleState, ScorePlugin
from scheduler.framework.registry import default_profile
from scheduler.plugins.node_affinity import NodeAffinity
from scheduler.plugins.node_filters import TaintToleration
from scheduler.plugins.node_resources import BalancedAllocation, NodeResourcesFit
from tests.unit.scheduler.objects import node, pod, pod_class, table, term
from vaina.api.core.v1 import pod_pb2


def scores(plugin: ScorePlugin, on: NodeTable, made: pod_pb2.Pod) -> list[int]:
    """Ask for all rows, for some and for each one: the same answers; scaled where the plugin scales."""
    asked, nodes, state = pod_class(made), on.snapshot(), CycleState()
    assert plugin.pre_score(state, asked, nodes)
    raw = plugin.score(state, asked, nodes, nodes.all)
    assert plugin.score(state, asked, nodes, np.arange(nodes.size)).tolist() == raw.tolist()
    assert [plugin.score_row(state, asked, nodes, row) for row in range(nodes.size)] == raw.tolist()
    if plugin.scales:
        return plugin.scale(raw, int(raw.min()), int(raw.max())).tolist()
    return raw.tolist()


def test_least_allocated_is_the_mean_of_the_free_shares() -> None:
    on = table(node("a", cpu="4", memory="8Gi"), node("b", cpu="10", memory="8Gi"))
    # a: (4000 - 1000) / 4000 = 75, (8 - 2) / 8 = 75; b: 90 and 75
    assert scores(NodeResourcesFit(), on, pod(requests={"cpu": "1", "memory": "2Gi"})) == [75, 82]


def test_least_allocated_counts_100m_and_200mi_for_containers_that_name_nothing() -> None:
    on = table(node("a", cpu="1", memory="1000Mi"))
    assert scores(NodeResourcesFit(), on, pod()) == [(90 + 80) // 2]
    on.add_pod(0, pod_class(pod("other")))
    assert scores(NodeResourcesFit(), on, pod()) == [(80 + 60) // 2]


def test_least_allocated_leaves_out_what_a_node_does_not_have() -> None:
    on = table(node("a", cpu="4", memory="0"), node("b", cpu="0", memory="0"))
    assert scores(NodeResourcesFit(), on, pod(requests={"cpu": "1"})) == [75, 0]


def test_balance_is_judged_by_what_the_pod_does_to_it() -> None:
    on = table(node("even", cpu="4", memory="4Gi"), node("uneven", cpu="4", memory="4Gi"))
    on.add_pod(1, pod_class(pod("hungry", {"cpu": "2"})))
    # even: 0/0 -> 0.25/0.5: 100 -> 87; uneven: 0.5/0 -> 0.75/0.5: 75 -> 87
    made = pod(requests={"cpu": "1", "memory": "2Gi"})
    assert scores(BalancedAllocation(), on, made) == [50 + (50 - 13) // 2, 50 + (50 + 12) // 2]


def test_balance_cuts_towards_zero_as_go_does() -> None:
    on = table(node("a", cpu="1", memory="100Gi"))
    # 0/0 -> 1.0/0: 100 -> 50: (50 - 50) / 2
    assert scores(BalancedAllocation(), on, pod(requests={"cpu": "1"})) == [50]


def test_balance_of_one_resource_is_perfect() -> None:
    assert scores(BalancedAllocation(), table(node("a", memory="0")), pod(requests={"cpu": "1"})) == [75]


def test_balance_has_nothing_to_say_about_pods_without_requests() -> None:
    assert not BalancedAllocation().pre_score(CycleState(), pod_class(pod()), table(node()).snapshot())


def test_preferred_terms_add_their_weights() -> None:
    on = table(node("a", labels={"zone": "a", "disk": "ssd"}), node("b", labels={"zone": "a"}), node("c"))
    made = pod(preferred=[(30, term(("zone", "In", ["a"]))), (10, term(("disk", "Exists", [])))])
    assert scores(NodeAffinity(), on, made) == [100, 75, 0]


def test_preferred_terms_that_match_nowhere_change_nothing() -> None:
    made = pod(preferred=[(30, term(("zone", "In", ["x"])))])
    assert scores(NodeAffinity(), table(node("a"), node("b")), made) == [0, 0]


def test_fewer_taints_that_ask_are_better() -> None:
    asks = ("spot", "", "PreferNoSchedule")
    on = table(node("a"), node("b", taints=[asks]), node("c", taints=[asks, ("old", "", "PreferNoSchedule")]))
    assert scores(TaintToleration(), on, pod()) == [100, 50, 0]
    tolerant = pod(tolerations=[("spot", "Exists", "", "")])
    assert scores(TaintToleration(), on, tolerant) == [100, 100, 0]


def test_taints_say_nothing_where_none_asks() -> None:
    on = table(node("a"), node("b", taints=[("a", "", "NoSchedule")]))
    assert not TaintToleration().pre_score(CycleState(), pod_class(pod()), on.snapshot())


def test_the_default_profile_has_upstreams_order_and_weights() -> None:
    profile = default_profile("mine")
    assert profile.name == "mine"
    assert [plugin.name for plugin in profile.filters] == [
        "NodeName", "NodeUnschedulable", "TaintToleration", "NodeAffinity", "NodePorts", "NodeResourcesFit",
        "VolumeRestrictions", "NodeVolumeLimits", "VolumeBinding", "VolumeZone", "PodTopologySpread", "InterPodAffinity",
        "NodeDeclaredFeatures",
    ]  # fmt: skip
    assert [(weighted.plugin.name, weighted.weight) for weighted in profile.scores] == [
        ("TaintToleration", 3),
        ("NodeAffinity", 2),
        ("NodeResourcesFit", 1),
        ("VolumeBinding", 1),
        ("PodTopologySpread", 2),
        ("InterPodAffinity", 2),
        ("NodeResourcesBalancedAllocation", 1),
        ("ImageLocality", 1),
    ]


@pytest.mark.parametrize("weighted", default_profile().scores, ids=lambda item: item.plugin.name)
def test_scores_of_free_rows_do_no_harm(weighted: object) -> None:
    plugin = weighted.plugin  # type: ignore[attr-defined]
    on = table(node("a", taints=[("spot", "", "PreferNoSchedule")]), node("b"))
    on.remove("a")
    made = pod_class(pod(requests={"cpu": "1"}, preferred=[(1, term(("zone", "In", ["a"])))]))
    state, nodes = CycleState(), on.snapshot()
    if plugin.pre_score(state, made, nodes):
        assert len(plugin.score(state, made, nodes, nodes.all)) == 2
