"""Load tests of the scheduler on the cluster that compose brings up."""

import json
from pathlib import Path

import pytest

from bench.load.report import decode
from bench.load.settings import RUN_LABEL
from tests.support.workspace import Workspace
from vaina.kinds import NAMESPACE, NODE, POD, PRIORITY_CLASS

#: SchedulingBasic without the Pods that are there before: ten of them fit on the three nodes of a machine
#: with two cores
TEN_PODS = """
- name: TenPods
  description: Ten small Pods.
  workloadTemplate:
  - {opcode: createPods, countParam: $measurePods, collectMetrics: true}
  workloads:
  - name: RealNodes
    params: {measurePods: 10}
"""


def load(space: Workspace, tmp_path: Path, workload: str, *options: str) -> Path:
    """Run a workload as a user does; return the report."""
    cluster, report = space.cluster, tmp_path / "report.json"
    pages = {
        "scheduler": ("https", "VAINA_SCHEDULER_METRICS_PORT"), "apiserver": ("https", "VAINA_METRICS_PORT"),
    }  # fmt: skip
    cluster.cli(
        "load", "run", workload, f"--output={report}", f"--html={tmp_path / 'report.html'}", *options,
        *(
            f"--{name}-metrics={scheme}://127.0.0.1:{cluster.env[port]}/metrics"
            for name, (scheme, port) in pages.items()
        ),
        timeout=120,
    )  # fmt: skip
    return report


def left(space: Workspace) -> list[str]:
    """Name what still carries the label of a run."""
    return [
        one.metadata.name
        for kind in (POD, NODE, PRIORITY_CLASS, NAMESPACE)
        for one in space.api.list(kind, label_selector=RUN_LABEL)
    ]


@pytest.mark.requirement("E3")
def test_a_load_test_measures_the_scheduler_of_the_real_cluster(space: Workspace, tmp_path: Path) -> None:
    limits = "--slo=unscheduled<=0,create_to_bound_p50<=600s"
    whole = "--verify-seconds=600"
    workloads = tmp_path / "workloads.yaml"
    workloads.write_text(TEN_PODS)
    path = load(space, tmp_path, "TenPods/RealNodes", f"--filename={workloads}", limits, whole)
    report = decode(path.read_bytes())
    [one] = report.measurements
    assert (one.pods, one.bound, one.running) == (10, 10, 10)
    # Real nodes with real containers: a Pod runs after it is bound.
    bound, running = (one.latencies[name].summary for name in ("create_to_bound", "create_to_running"))
    assert bound.count == running.count == 10
    assert bound.maximum < running.maximum
    # Where all came with the first binding there is no rate.
    assert (one.throughput.average > 0) == bool(one.windows)
    assert one.attempts["scheduled"] >= 10
    assert set(one.processes) == {"load", "apiserver", "scheduler"}
    assert all(use.cpu_seconds > 0 and use.peak_memory_bytes > 0 for use in one.processes.values())
    assert one.etcd_requests
    assert "<svg" in (tmp_path / "report.html").read_text()
    # Judged from what the watches brought, with all that others have on these nodes.
    assert report.verification is not None
    assert (report.verification.reason, report.verification.violations) == ("", [])
    assert (report.verification.bindings, report.verification.thorough) == (10, 10)
    assert json.loads(path.read_text())["how"]["nodes"].startswith("real")
    assert left(space) == []


@pytest.mark.requirement("E3")
def test_a_load_test_brings_its_own_nodes_and_keeps_its_pods_on_them(
    space: Workspace, tmp_path: Path
) -> None:
    path = load(
        space, tmp_path, "SchedulingPodAntiAffinity/5Nodes", "--nodes=hollow", "--create=unary", "--rate=50",
        "--stages=start_container=0.1-0.2",
    )  # fmt: skip
    [one] = decode(path.read_bytes()).measurements
    # Each Pod is on a node of its own, and none on the cluster's nodes.
    assert (one.bound, one.running) == (4, 4)
    assert (one.balance.nodes, one.balance.used, one.balance.most) == (5, 4, 1)
    assert left(space) == []
