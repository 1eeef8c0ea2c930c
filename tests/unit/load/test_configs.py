"""What is said of several configurations of the scheduler: where Pods are, and what room that leaves."""

import json
from pathlib import Path

import pytest

from bench.load import configs
from bench.load.configs import Outcome
from bench.load.placement import (
    NodeUse,
    Placement,
    Size,
    compute_placement,
    elsewhere,
    median_size,
    quantiles,
    room,
    shares,
)
from bench.load.report import Verification
from tests.support.command import CommandLine
from tests.unit.load.loads import report
from vaina.testing.builders import make_node, make_pod

GIB = 2**30


def node_use(cpu: int, memory: int, pods: int = 1, *, takes_pods: bool = True) -> NodeUse:
    """Return the use of a node that has 4 CPU, 8 GiB and room for 10 Pods."""
    return NodeUse(pods, cpu, memory * GIB, 10, 4000, 8 * GIB, takes_pods)


def placed(nodes: dict[str, NodeUse], pods: dict[str, str] | None = None) -> Placement:
    """Return a placement whose Pods are all of one size."""
    return Placement(nodes, pods or {}, [Size(1000, GIB)])


def test_the_room_is_what_whole_pods_find_on_single_nodes() -> None:
    size = Size(1000, GIB)
    # 1.5 CPU are free on each of two nodes: one Pod each, and three if it were one piece.
    found = room(placed({"a": node_use(2500, 1), "b": node_use(2500, 1)}), size)
    assert (found.fits, found.whole) == (2, 3)
    assert found.fragmentation == pytest.approx(1 / 3)
    # Memory or the number of Pods may be what is short.
    assert room(placed({"a": node_use(0, 6)}), size).fits == 2
    assert room(placed({"a": node_use(0, 0, pods=9)}), size).fits == 1
    # Where nothing is free nothing is in pieces.
    full = room(placed({"a": node_use(4000, 8), "b": node_use(0, 0, takes_pods=False)}), size)
    assert (full.fits, full.whole, full.fragmentation) == (0, 0, 0.0)


def test_a_node_that_has_more_than_it_takes_lends_no_room() -> None:
    found = room(placed({"a": node_use(9000, 1), "b": node_use(0, 0)}), Size(1000, GIB))
    assert (found.fits, found.whole) == (4, 4)


def test_pods_that_ask_for_nothing_take_a_place() -> None:
    assert room(placed({"a": node_use(4000, 8, pods=3)}), Size(0, 0)).fits == 7


def test_the_median_is_taken_of_each_resource_by_itself() -> None:
    assert median_size([Size(100, 3), Size(300, 1), Size(200, 2)]) == Size(200, 2)
    assert median_size([]) == Size(0, 0)


def test_where_pods_are_is_read_from_the_cluster() -> None:
    nodes = [make_node("n1"), make_node("n2")]
    nodes[1].spec.unschedulable = True
    there = make_pod("p", namespace="load-1-apps", node="n1")
    waits, over = make_pod("q", namespace="load-1-apps"), make_pod("r", node="n1")
    over.status.phase = "Succeeded"
    found = compute_placement(nodes, [there, waits, over], run="load-1")
    assert found.pods == {"apps/p": "n1", "apps/q": ""}
    assert [use.pods for use in found.nodes.values()] == [1, 0]
    assert [use.takes_pods for use in found.nodes.values()] == [True, False]
    assert len(found.sizes) == 2
    assert len(shares(found)["cpu"]) == 1


def test_pods_without_a_node_in_either_are_not_elsewhere() -> None:
    one = placed({}, {"a": "n1", "b": "n1", "c": "", "d": "n1"})
    other = placed({}, {"a": "n1", "b": "n2", "c": "n1"})
    assert elsewhere(one, other) == elsewhere(other, one) == 1
    assert elsewhere(one, one) == 0


def test_quantiles_of_nodes_go_to_the_fullest() -> None:
    assert quantiles([0.1, 0.2, 0.3, 1.0]) == {"p10": 0.1, "p50": 0.2, "p90": 1.0, "most": 1.0}
    assert set(quantiles([]).values()) == {0.0}


def outcomes() -> list[Outcome]:
    spread = placed({"a": node_use(1000, 1), "b": node_use(1000, 1)}, {"x/p": "a", "x/q": "b"})
    packed = placed({"a": node_use(2000, 2, 2), "b": node_use(0, 0, 0)}, {"x/p": "a", "x/q": "a"})
    bad = report(verification=Verification(bindings=2, violations=["p: bound twice"]), notes=["it was busy"])
    return [Outcome("", report(), spread, 0), Outcome("<b>.yaml", bad, packed, None)]


def test_the_figures_of_all_stand_side_by_side() -> None:
    lines = configs.table(outcomes())
    [head] = [line for line in lines if line.startswith(" ") and "A: default" in line]
    assert head.split() == ["A:", "default", "B:", "<b>.yaml"]
    found = {row.name: row.values for row in configs.rows(outcomes())}
    assert found["namespace-2: throughput"] == ["50", "50"]
    assert found["on another node than in A"] == ["0", "1"]
    assert found["nodes with Pods"] == ["2", "1"]
    assert found["preempted Pods"] == ["0", "-"]
    assert found["Pods without a node"] == ["0", "0"]
    assert found["cpu asked for on a node, most"] == ["25 %", "50 %"]
    assert found["median Pods that still fit"] == ["6", "6"]
    assert found["fragmentation"] == ["0 %", "0 %"]
    assert any("B: <b>.yaml: verified: 1 VIOLATIONS" in line for line in lines)
    assert "B: <b>.yaml: note: it was busy" in lines


def test_everything_is_in_the_json() -> None:
    found = json.loads(configs.encode(outcomes()))
    assert found["medianPod"] == {"cpu_millis": 1000, "memory_bytes": GIB}
    assert [one["elsewhere"] for one in found["configurations"]] == [0, 1]
    second = found["configurations"][1]
    assert (second["pods"]["x/q"], second["nodes"]["a"]["cpu_millis"]) == ("a", 2000)
    assert second["report"]["notes"] == ["it was busy"]


def test_the_page_has_the_figures_and_the_nodes_and_no_markup_of_others() -> None:
    html = configs.page(outcomes())
    assert html.count("<svg") == 2
    assert "&lt;b&gt;.yaml" in html
    assert "<b>.yaml" not in html
    assert "on another node than in A" in html


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ((), "--scheduler-config: 2 to 8 are compared, not 0"),
        (("default",), "2 to 8 are compared, not 1"),
        (("default",) * 9, "2 to 8 are compared, not 9"),
        (("default", "none.yaml"), "none.yaml: there is no such file"),
        (("default", "default"), 'there is no workload "Imported/Pending"'),
    ],
)
def test_what_cannot_be_compared_is_told_before_anything_runs(
    options: tuple[str, ...], error: str, tmp_path: Path
) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("- {name: A, workloadTemplate: [{opcode: sleep, duration: 1s}], workloads: [{name: B}]}")
    given = [f"--scheduler-config={one}" for one in options]
    done = CommandLine().run("load", "compare-configs", "Imported/Pending", "-f", str(own), *given)
    assert (done.code, error in done.err) == (1, True), done.err
