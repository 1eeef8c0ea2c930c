"""`vaina load import` and what runs what it wrote, with real processes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.load.report import decode
from tests.support.apiserver_process import ROOT
from tests.unit.load.exports import a_list, node, pod, thing

pytestmark = [pytest.mark.component, pytest.mark.timeout(180)]


def vaina(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "cli", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=150, check=False
    )  # fmt: skip


def cpu(amount: str, **more: object) -> dict[str, object]:
    """Return the spec of a Pod that asks for so much."""
    return {
        "containers": [{"name": "main", "image": "web", "resources": {"requests": {"cpu": amount}}}],
        **more,
    }


def test_an_imported_cluster_is_as_it_was_and_its_pending_pods_are_measured(tmp_path: Path) -> None:
    budget = thing(
        "PodDisruptionBudget", "kept", "policy/v1", metadata={"namespace": "a"},
        spec={"minAvailable": 1, "selector": {"matchLabels": {"app": "kept"}}},
        status={"disruptionsAllowed": 0, "currentHealthy": 1, "desiredHealthy": 1, "expectedPods": 1},
    )  # fmt: skip
    (tmp_path / "export.json").write_bytes(
        a_list(
            node("n1"), node("n2"), budget,
            pod("guarded", metadata={"labels": {"app": "kept"}}, spec=cpu("3", nodeName="n1")),
            pod("victim", spec=cpu("3", nodeName="n2")),
            pod("fits", "b", spec=cpu("500m")),
            pod("urgent", "b", spec=cpu("3", priority=100)),
            pod("huge", spec=cpu("100")),
            pod("gated", spec=cpu("1m", schedulingGates=[{"name": "wait"}])),
        )
    )  # fmt: skip
    mine, report = tmp_path / "mine", tmp_path / "r.json"
    done = vaina("load", "import", str(tmp_path / "export.json"), "-o", str(mine), "--scrub")
    assert done.returncode == 0, done.stderr
    assert "measured: 4 Pods; 2 are there before" in done.stdout
    done = vaina(
        "load", "run", "-f", str(mine / "workload.yaml"), "Imported/Pending", "--local", f"--output={report}", "--no-fsync"
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = decode(report.read_bytes())
    [one] = found.measurements
    # The urgent one took the place of a Pod that no budget guards; what fits nowhere, and what is not to be
    # tried, is counted.
    assert (one.pods, one.bound, one.balance.nodes) == (4, 2, 2)
    assert any("2 of 4 Pods have no node in the end" in note for note in found.notes)
    assert any("Insufficient cpu" in note for note in found.notes)
    assert found.verification is not None
    assert (found.verification.violations, found.verification.bindings) == ([], 2)


def test_a_line_that_is_no_object_is_told_by_its_number(tmp_path: Path) -> None:
    (tmp_path / "export.json").write_bytes(a_list(node(), pod()))
    assert vaina("load", "import", str(tmp_path / "export.json"), "-o", str(tmp_path)).returncode == 0
    (tmp_path / "pods.jsonl").write_text('{"kind": "Pod"}\n')
    done = vaina("load", "run", "-f", str(tmp_path / "workload.yaml"), "Imported/Pending", "--local")
    assert done.returncode == 1
    assert "pods.jsonl: line 1: " in done.stderr


def test_two_configurations_of_the_scheduler_are_compared(tmp_path: Path) -> None:
    (tmp_path / "export.json").write_bytes(
        a_list(*(node(f"n{number}") for number in range(4)), *(pod(f"p{n}", spec=cpu("500m")) for n in range(8)))
    )  # fmt: skip
    (tmp_path / "packed.yaml").write_text(
        """
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
profiles:
- schedulerName: default-scheduler
  plugins: {multiPoint: {disabled: [{name: PodTopologySpread}, {name: NodeResourcesBalancedAllocation}]}}
  pluginConfig:
  - name: NodeResourcesFit
    args: {scoringStrategy: {type: MostAllocated, resources: [{name: cpu, weight: 1}]}}
"""
    )
    assert vaina("load", "import", str(tmp_path / "export.json"), "-o", str(tmp_path)).returncode == 0
    out, html = tmp_path / "c.json", tmp_path / "c.html"
    done = vaina(
        "load", "compare-configs", "Imported/Pending", "-f", str(tmp_path / "workload.yaml"), "--local", "--no-fsync",
        "--repeat=2", f"--trace={tmp_path / 'arrivals.txt'}",
        "--scheduler-config=default", f"--scheduler-config={tmp_path / 'packed.yaml'}", f"--output={out}", f"--html={html}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    [spread, again], [packed, _] = (one["runs"] for one in json.loads(out.read_bytes())["configurations"])
    used = [sum(use["pods"] > 0 for use in one["nodes"].values()) for one in (spread, packed)]
    assert used == [4, 1]
    assert (
        packed["elsewhere"] == sum(spread["pods"][name] != node for name, node in packed["pods"].items()) > 0
    )
    assert set(again["pods"]) == set(spread["pods"])
    assert "B: packed.yaml, run 2: verified: no violation in 8 bindings" in done.stdout
    assert "Figures" in html.read_text()
