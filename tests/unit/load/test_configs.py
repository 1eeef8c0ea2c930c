"""What is said of several configurations of the scheduler: where Pods are, and what room that leaves."""

import json
from pathlib import Path

import pytest

from bench.load import configs
from bench.load.configs import Once, Outcome
from bench.load.html_configs import page_of_configs
from bench.load.placement import (
    NodeUse,
    Placement,
    Size,
    by_group,
    compute_placement,
    elsewhere,
    median_size,
    quantiles,
    room,
    shares,
)
from bench.load.report import Verification
from tests.support.command import CommandLine
from tests.unit.load.loads import measurement, report
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
    assert [use.movable for use in found.nodes.values()] == [1, 0]
    assert len(found.sizes) == 2
    assert len(shares(found)["cpu"]) == 1


def test_pods_of_daemon_sets_need_no_node() -> None:
    there = make_pod("p", node="n1")
    there.metadata.owner_references.add(kind="DaemonSet", name="logs")
    found = compute_placement([make_node("n1")], [there])
    assert [(use.pods, use.movable) for use in found.nodes.values()] == [(1, 0)]


def test_pods_are_counted_by_zone_and_by_type_of_node() -> None:
    nodes = [make_node(name) for name in ("n1", "n2", "n3")]
    for node, zone, kind in zip(nodes, ("b", "a", "a"), ("small", "small", "large"), strict=True):
        node.metadata.labels["topology.kubernetes.io/zone"] = zone
        node.metadata.labels["node.kubernetes.io/instance-type"] = kind
    found = compute_placement(nodes, [make_pod(f"p{n}", node=f"n{n % 2 + 1}") for n in range(5)])
    assert by_group(found) == {
        "in zone a": 2,
        "in zone b": 3,
        "on nodes of type large": 0,
        "on nodes of type small": 5,
    }
    # Where all are in one zone that says nothing.
    assert by_group(compute_placement(nodes[1:], [])) == {
        "on nodes of type large": 0,
        "on nodes of type small": 0,
    }


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
    return [Outcome("", [Once(report(), spread, 0)]), Outcome("<b>.yaml", [Once(bad, packed, None)])]


def repeated(*rates: int) -> list[Once]:
    """Return runs of so many Pods in two seconds."""
    there = placed({"a": node_use(1000, 1)}, {"x/p": "a"})
    return [Once(report(measurement(pods=2 * rate)), there, 0) for rate in rates]


def found_rows(given: list[Outcome]) -> dict[str, configs.Row]:
    return {row.name: row for row in configs.rows(given)}


def test_the_figures_of_all_stand_side_by_side() -> None:
    lines = configs.table(outcomes())
    [head] = [line for line in lines if line.startswith(" ") and "A: default" in line]
    assert head.split() == ["A:", "default", "B:", "<b>.yaml"]
    found = {name: row.values for name, row in found_rows(outcomes()).items()}
    assert found["namespace-2: throughput"] == ["50", "50"]
    assert found["Pods on another node than in the first run of A"] == ["-", "1"]
    assert found["nodes with Pods"] == ["2", "1"]
    assert found["preempted Pods"] == ["0", "-"]
    assert found["Pods without a node"] == ["0", "0"]
    assert found["cpu asked for on a node, most"] == ["25", "50"]
    assert found["median Pods that still fit"] == ["6", "6"]
    assert found["fragmentation"] == ["0", "0"]
    assert any("B: <b>.yaml: verified: 1 VIOLATIONS" in line for line in lines)
    assert "B: <b>.yaml: note: it was busy" in lines


def test_of_several_runs_the_median_is_told_and_how_far_they_are_apart() -> None:
    given = [
        Outcome("", repeated(100, 110, 105)),
        Outcome("b.yaml", repeated(60, 50, 55)),
        Outcome("c.yaml", repeated(104, 60)),
    ]
    rate = found_rows(given)["namespace-2: throughput"]
    assert (rate.values, rate.spreads) == (["105", "55", "82"], ["10 %", "18 %", "54 %"])
    # Of C one run is as good as those of A.
    assert rate.verdicts == ["", "worse", ""]
    assert found_rows(given)["namespace-2: scheduler us"].verdicts[1] == "worse"
    lines = configs.table(given)
    assert any("55 (18 %) worse" in line for line in lines)
    assert any(line.startswith("B: b.yaml, run 3: ") for line in lines)
    assert any("each 2 or 3 times, in turn" in line for line in lines)


def test_what_single_runs_say_may_be_chance() -> None:
    rate = found_rows([Outcome("", repeated(100)), Outcome("b.yaml", repeated(200))])[
        "namespace-2: throughput"
    ]
    assert rate.verdicts == ["", "better?"]
    assert any("may be chance" in line for line in configs.table(outcomes()))


def test_figures_of_where_pods_are_that_are_no_merit_are_not_judged() -> None:
    found = found_rows(outcomes())
    for name in (
        "nodes with Pods",
        "cpu asked for on a node, most",
        "Pods on another node than in the first run of A",
    ):
        assert found[name].verdicts == ["", ""], name


def test_how_far_two_runs_of_the_same_are_apart_is_told_of_the_first_too() -> None:
    one, other = (placed({"a": node_use(1000, 1)}, {"x/p": node}) for node in ("a", "b"))
    given = [
        Outcome("", [Once(report(), place, 0) for place in (one, other)]),
        Outcome("", [Once(report(), one, 0)]),
    ]
    assert found_rows(given)["Pods on another node than in the first run of A"].values == ["1", "0"]


def test_what_was_found_before_a_run_failed_is_compared_where_each_has_a_run() -> None:
    assert configs.complete(["a", "b"], [repeated(1), []]) == []
    [a, b] = configs.complete(["a", "b"], [repeated(1, 2), repeated(1)])
    assert (a.config, len(a.runs), b.config, len(b.runs)) == ("a", 2, "b", 1)


def test_everything_is_in_the_json() -> None:
    found = json.loads(configs.encode(outcomes()))
    assert found["medianPod"] == {"cpu_millis": 1000, "memory_bytes": GIB}
    first, [second] = (one["runs"] for one in found["configurations"])
    assert [one["elsewhere"] for one in (*first, second)] == [0, 1]
    assert (second["pods"]["x/q"], second["nodes"]["a"]["cpu_millis"]) == ("a", 2000)
    assert second["report"]["notes"] == ["it was busy"]
    assert found["figures"][0]["name"] == "namespace-2: throughput"


def test_the_page_has_the_figures_and_the_nodes_and_no_markup_of_others() -> None:
    html = page_of_configs(outcomes())
    # Latencies, and what is asked for of the nodes: of CPU and of memory.
    assert html.count("<svg") == 3
    assert "&lt;b&gt;.yaml" in html
    assert "<b>.yaml" not in html
    assert "on another node than in the first run of A" in html
    assert "://" not in html


def test_the_page_says_what_is_better_beside_each() -> None:
    html = page_of_configs([Outcome("", repeated(100, 110)), Outcome("b.yaml", repeated(200, 220))])
    assert "<td class=good>better</td>" in html
    assert "<th>beside A</th>" in html


def test_the_page_of_a_large_cluster_is_small() -> None:
    nodes = {f"node-{number}": node_use(number % 4000, number % 8) for number in range(5000)}
    big = Placement(
        nodes, {f"x/p{number}": f"node-{number % 5000}" for number in range(50_000)}, [Size(1, 1)]
    )
    assert (
        len(page_of_configs([Outcome(f"{name}.yaml", [Once(report(), big, 0)]) for name in "abcdefgh"]))
        < 500_000
    )


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ((), "--scheduler-config: 2 to 8 are compared, not 0"),
        (("default",), "2 to 8 are compared, not 1"),
        (("default",) * 9, "2 to 8 are compared, not 9"),
        (("default", "none.yaml"), "--scheduler-config: none.yaml: No such file or directory"),
        (("default", "bad.yaml"), "bad.yaml: profilez: unknown field (known: "),
        (("default", "default", "-s=127.0.0.1:1"), "No such option"),
        (("default", "default", "--create=pending", "--trace=/dev/null"), "--create pending has no --trace"),
        (("default", "default"), 'there is no workload "Imported/Pending"'),
    ],
)
def test_what_cannot_be_compared_is_told_before_anything_runs(
    options: tuple[str, ...], error: str, tmp_path: Path
) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("- {name: A, workloadTemplate: [{opcode: sleep, duration: 1s}], workloads: [{name: B}]}")
    (tmp_path / "bad.yaml").write_text(
        "{apiVersion: kubescheduler.config.k8s.io/v1, kind: KubeSchedulerConfiguration, profilez: []}"
    )
    options = tuple(str(tmp_path / one) if one == "bad.yaml" else one for one in options)
    given = [one if one.startswith("-") else f"--scheduler-config={one}" for one in options]
    done = CommandLine().run("load", "compare-configs", "Imported/Pending", "-f", str(own), *given)
    assert (done.code, error in done.err) == (1, True), done.err
