"""What a configuration of the scheduler changes of how its decisions are judged."""

from dataclasses import dataclass
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import Any, ClassVar

import pytest

from bench.judge.history import History
from bench.judge.scores import WEIGHTS
from bench.load.judging import Judging, Others, of_configuration
from scheduler.framework.interface import PreFilterResult
from scheduler.framework.plugin import Filter, Score
from tests.unit.scheduler.objects import node, pod
from tests.unit.support.played import Played

HEAD = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n"


class Green(Filter):
    """Keeps off nodes that run on diesel."""

    reason = "node(s) ran on diesel"

    @dataclass(frozen=True)
    class Args:
        label: str = "energy"

    def __init__(self, args: Args) -> None:
        self.label = args.label

    def filter(self, state: Any, asks: Any, nodes: Any, rows: Any) -> Any:
        import numpy as np

        return np.array([nodes.names[row].startswith("diesel") for row in range(nodes.size)])[rows]


class Picky(Filter):
    """Names the only nodes, or refuses Pods outright."""

    refused: ClassVar[bool] = False

    def pre_filter(self, state: Any, asks: Any, nodes: Any) -> PreFilterResult:
        if self.refused:
            return PreFilterResult(rejected="not today")
        return PreFilterResult(names=frozenset(["sun"]))

    def filter(self, state: Any, asks: Any, nodes: Any, rows: Any) -> Any:
        return None


class Busy(Filter):
    """Takes two Pods a node."""

    reason = "node(s) had two Pods"

    def filter(self, state: Any, asks: Any, nodes: Any, rows: Any) -> Any:
        import numpy as np

        return np.array([nodes.pod_count[row] >= 2 for row in range(nodes.size)])[rows]


class Shiny(Score):
    """Prefers."""

    def score(self, state: Any, asks: Any, nodes: Any, rows: Any) -> Any:
        import numpy as np

        return np.zeros(nodes.size, np.int64)[rows]


def installed(monkeypatch: pytest.MonkeyPatch, *kinds: type) -> dict[str, EntryPoint]:
    import sys

    module = ModuleType("strangers")
    for kind in kinds:
        setattr(module, kind.__name__, kind)
    monkeypatch.setitem(sys.modules, "strangers", module)
    return {
        kind.__name__: EntryPoint(kind.__name__, f"strangers:{kind.__name__}", "vaina.scheduler.plugins")
        for kind in kinds
    }


def judging(profile: str, points: dict[str, EntryPoint] | None = None) -> Judging:
    return of_configuration(f"{HEAD}profiles:\n- {profile}\n".encode(), points or {})


def enabled(*names: str) -> str:
    wanted = ", ".join(f"{{name: {name}}}" for name in names)
    return f"{{plugins: {{multiPoint: {{enabled: [{wanted}]}}}}}}"


def test_the_default_profile_is_judged_by_everything() -> None:
    found = judging("schedulerName: default-scheduler")
    assert (found.weights, found.without_scores, found.not_judged, found.others) == (
        dict(WEIGHTS),
        "",
        (),
        (),
    )
    assert found.takes_the_best


def test_what_is_taken_away_is_not_judged_and_is_named() -> None:
    found = judging("{plugins: {multiPoint: {disabled: [{name: NodePorts}, {name: TaintToleration}]}}}")
    assert found.plugins is not None
    assert not found.plugins & {"NodePorts", "TaintToleration"}
    assert found.weights["TaintToleration"] == 0
    assert found.not_judged == ("plugin NodePorts", "plugin TaintToleration")
    played = Played()
    played.set_node(node("n1", taints=[("dedicated", "", "NoSchedule")]))
    made = pod("p")
    made.metadata.uid = "p"
    played.add("ADDED", made)
    played.bind(made, "n1")
    for plugins, wrong in ((found.plugins, 0), (None, 1)):
        history = History(lag=0, plugins=plugins)
        for one in played.happened:
            history.take(one)
        assert len(history.found) == wrong


def test_other_weights_are_taken_over() -> None:
    found = judging(
        "{plugins: {score: {disabled: [{name: ImageLocality}], enabled: [{name: NodeAffinity, weight: 9}]}}}"
    )
    assert (found.weights["NodeAffinity"], found.weights["ImageLocality"], found.without_scores) == (9, 0, "")


def test_scores_that_the_reference_does_not_know_are_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    packs = "{pluginConfig: [{name: NodeResourcesFit, args: {scoringStrategy: {type: MostAllocated}}}]}"
    assert judging(packs).without_scores == "arguments of NodeResourcesFit"
    found = judging(enabled("Shiny"), installed(monkeypatch, Shiny))
    assert found.without_scores == "Shiny scores"


def bindings(
    monkeypatch: pytest.MonkeyPatch, kind: type, *on: str, seconds: float = 60.0
) -> tuple[list[str], Others]:
    """Return what is found of Pods on nodes, with a plugin of others."""
    found = judging(enabled(kind.__name__), installed(monkeypatch, kind))
    others = Others(found.others, seconds)
    played = Played()
    for name in ("diesel", "sun"):
        played.set_node(node(name))
    for index, name in enumerate(on):
        made = pod(f"p{index}")
        made.metadata.uid = made.metadata.name
        played.add("ADDED", made)
        played.bind(made, name)
    history = History(lag=0, plugins=found.plugins, ask_others=others)
    for one in played.happened:
        history.take(one)
    return history.found, others


def test_a_filter_of_others_is_asked_about_each_binding(monkeypatch: pytest.MonkeyPatch) -> None:
    found, others = bindings(monkeypatch, Green, "sun", "diesel", "sun")
    assert found == ["default/p1 was bound to diesel, but Green: node(s) ran on diesel"]
    assert others.asked > others.not_asked == 0


def test_a_filter_of_others_sees_the_pods_that_were_there(monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = bindings(monkeypatch, Busy, "sun", "sun", "sun", "diesel")
    assert found == ["default/p2 was bound to sun, but Busy: node(s) had two Pods"]


def test_a_filter_of_others_that_names_nodes_or_refuses_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = bindings(monkeypatch, Picky, "sun", "diesel")
    assert found == ["default/p1 was bound to diesel, but Picky: it names other nodes"]
    monkeypatch.setattr(Picky, "refused", True)
    found, _ = bindings(monkeypatch, Picky, "sun")
    assert found == ["default/p0 was bound to sun, but Picky: not today"]


def test_when_the_time_is_over_nobody_is_asked_and_it_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    found, others = bindings(monkeypatch, Green, "diesel", seconds=0.0)
    assert (found, others.asked, others.not_asked) == ([], 0, 1)
