"""`vaina load` with real processes: what it measures, what it leaves behind, and how it ends."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from bench.load.cluster import RunningCluster
from bench.load.context import RunError
from bench.load.parse import find_workload, read_workloads
from bench.load.repeated import decode_runs
from bench.load.report import decode
from bench.load.session import run_workload
from bench.load.settings import RUN_LABEL, Settings
from bench.processes import ServiceProcess
from tests.support.apiserver_process import ROOT, ApiserverProcess
from tests.support.load import quiet, verified
from tests.support.marks import marked
from tests.support.signals import heard
from vaina.client.clientset import Clientset
from vaina.clock import SystemClock

pytestmark = [pytest.mark.component, pytest.mark.timeout(180)]

CLOCK = SystemClock()
PATIENCE_SECONDS = 60.0


@pytest.fixture
async def scheduler(server: ApiserverProcess) -> AsyncIterator[ServiceProcess]:
    process = ServiceProcess("scheduler", f"--apiserver={server.target}", "--log-level=warning")
    await asyncio.to_thread(process.wait_healthy)
    yield process
    process.close()


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Return when something holds."""
    end = CLOCK.monotonic() + PATIENCE_SECONDS
    while not await holds():
        assert CLOCK.monotonic() < end
        await CLOCK.sleep(0.05)


async def left(client: Clientset) -> list[str]:
    """Name what carries the label of a run; namespaces wait for a controller, which is not here."""
    pods = await client.pods.list(label_selector=RUN_LABEL)
    nodes = await client.nodes.list(label_selector=RUN_LABEL)
    classes = await client.priority_classes.list(label_selector=RUN_LABEL)
    spaces = await client.namespaces.list(label_selector=RUN_LABEL)
    assert all(one.metadata.HasField("deletion_timestamp") for one in spaces.items)
    return [one.metadata.name for found in (pods, nodes, classes) for one in found.items]


def cluster(server: ApiserverProcess, scheduler: ServiceProcess) -> RunningCluster:
    return RunningCluster(
        server.target, f"{scheduler.page}/metrics", f"http://127.0.0.1:{server.metrics_port}/metrics"
    )


def test_a_run_on_processes_of_its_own_measures_and_judges(tmp_path: Path) -> None:
    report, html, dash = tmp_path / "r.json", tmp_path / "r.html", tmp_path / "d.json"
    done = subprocess.run(
        [
            sys.executable, "-m", "cli", "load", "run", "SchedulingBasic/5Nodes_20Pods", "--local", "--verify-seconds=600",
            f"--output={report}", f"--html={html}", f"--perf-dash={dash}",
            "--slo=balance_most>=4,unscheduled<=0,create_to_bound_p50<=0.0001ms",
        ],
        cwd=ROOT, capture_output=True, text=True, timeout=150, check=False,
    )  # fmt: skip
    # One of the limits cannot hold.
    assert done.returncode == 1, done.stderr
    [line] = [line for line in done.stderr.splitlines() if line.startswith("limit:")]
    assert line.startswith("limit: namespace-2: create_to_bound_p50<=0.0001ms does not hold: ")
    assert "20 of 20 Pods bound" in done.stdout
    found = decode(report.read_bytes())
    [one] = found.measurements
    assert (one.pods, one.bound, one.attempts["scheduled"]) == (20, 20, 20)
    # What came with the first binding began the clock: where it was all there is no rate.
    assert sum(window.count for window in one.windows) < 20
    assert one.scheduled_events == 20
    assert one.latencies["create_to_bound"].summary.count == 20
    assert set(one.processes) == {"load", "etcd", "apiserver", "scheduler"}
    assert all(use.peak_memory_bytes > 10 * 2**20 for use in one.processes.values())
    assert one.etcd_requests["commit"] > 0
    assert (one.balance.nodes, one.balance.most) == (5, 4)
    assert found.how["fsync"] is True
    verified(found, 25)
    assert "verified: no violation in 25 bindings" in done.stdout
    text = html.read_text()
    assert "Placement" in text
    assert "SchedulingBasic/5Nodes_20Pods" in text
    assert one.events is not None
    assert (one.events.left, one.events.dropped) == (0, 0)
    assert sum(each.count for each in one.histograms if each.labels == ["scheduled"]) == 20
    assert one.histograms_absent == []
    assert one.quality is not None
    assert (one.quality.nodes, one.quality.used) == (5, 5)
    items = json.loads(dash.read_text())["dataItems"]
    said = {item["labels"]["Metric"] for item in items}
    assert "SchedulingDuration" in said
    assert ("SchedulingThroughput" in said) == bool(one.windows)


def test_a_workload_that_is_repeated_begins_anew_each_time(tmp_path: Path) -> None:
    report = tmp_path / "r.json"
    done = subprocess.run(
        [
            sys.executable, "-m", "cli", "load", "run", "SchedulingBasic/5Nodes_20Pods", "--local", "--no-fsync",
            "--repeat=2", f"--output={report}", "--slo=create_to_bound_p50<=0.0001ms",
        ],
        cwd=ROOT, capture_output=True, text=True, timeout=150, check=False,
    )  # fmt: skip
    # The limit is one of the medians, and cannot hold.
    assert done.returncode == 1, done.stderr
    assert len([line for line in done.stderr.splitlines() if line.startswith("limit:")]) == 1
    found = decode_runs(report.read_bytes())
    assert len({one.run for one in found.reports}) == 2
    for one in found.reports:
        # On the other run's nodes there would be room as well, and its Pods would be in the way.
        assert [(each.pods, each.bound, each.balance.nodes) for each in one.measurements] == [(20, 20, 5)]
        verified(one, 25)
    assert "namespace-2: 2 runs" in done.stdout
    # What all runs note is told once: that they were short, unless the machine stood still in one of them.
    first, second = (set(one.notes) for one in found.reports)
    told = [line.removeprefix("note: ") for line in done.stdout.splitlines() if line.startswith("note: ")]
    assert sorted(told) == sorted({*(first & second), *(f"{note} (1 of 2 runs)" for note in first ^ second)})


async def test_nodes_that_cannot_all_be_away_end_the_run(
    server: ApiserverProcess, scheduler: ServiceProcess, client: Clientset, tmp_path: Path
) -> None:
    (tmp_path / "w.yaml").write_text(
        """
- name: AllAway
  workloadTemplate:
  - {opcode: createNodes, count: 2}
  - {opcode: churnNodes, mode: drain, number: 2}
  - {opcode: createPods, count: 1, collectMetrics: true}
  workloads: [{name: 2Nodes}]
"""
    )
    [workload] = read_workloads([tmp_path / "w.yaml"])
    settings = Settings(run="load-test", clean_seconds=0.1)
    with pytest.raises(
        RunError, match=r"churnNodes \[1\]: number: 2 of 2 nodes cannot be away: one must stay"
    ):
        await run_workload(workload, cluster(server, scheduler), client, settings, quiet())
    assert await left(client) == []


async def test_a_run_against_a_cluster_leaves_nothing(
    server: ApiserverProcess, scheduler: ServiceProcess, client: Clientset
) -> None:
    workload = find_workload("Unschedulable/5Nodes/1Init/10Pods", read_workloads())
    settings = Settings(
        run="load-test", create="unary", rate=100.0, arrivals="poisson", clean_seconds=0.1, verify_seconds=600
    )
    report = await run_workload(workload, cluster(server, scheduler), client, settings, quiet())
    [one] = report.measurements
    assert (one.pods, one.bound) == (10, 10)
    # A Pod of the churn came at least once, and fits nowhere.
    assert one.attempts["unschedulable"] >= 1
    assert set(one.processes) == {"load", "apiserver", "scheduler"}
    verified(report, 11)
    assert await left(client) == []


async def test_pods_where_they_may_not_be_are_told(
    server: ApiserverProcess, client: Clientset, tmp_path: Path
) -> None:
    config = tmp_path / "scheduler.yaml"
    config.write_text(
        "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n"
        "profiles: [{plugins: {multiPoint: {disabled: [{name: NodeResourcesFit}, {name: VolumeBinding}]}}}]\n"
    )
    (tmp_path / "w.yaml").write_text(
        """
- name: TooMany
  workloadTemplate:
  - {opcode: createNodes, count: 1}
  - {opcode: createAny, templatePath: volume.yaml}
  - {opcode: createAny, templatePath: claim.yaml, namespace: default}
  - {opcode: createPods, count: 1, namespace: default, podTemplatePath: pod.yaml}
  - {opcode: createPods, count: 45, collectMetrics: true}
  workloads: [{name: 1Node}]
"""
    )
    # A volume that no node reaches, its claim, and a Pod that has it.
    (tmp_path / "volume.yaml").write_text(
        """
apiVersion: v1
kind: PersistentVolume
metadata: {name: far}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce]
  csi: {driver: disk.example.com, volumeHandle: far}
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: far, operator: Exists}]}]}}
"""
    )
    (tmp_path / "claim.yaml").write_text(
        """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, annotations: {pv.kubernetes.io/bind-completed: "yes"}}
spec: {volumeName: far, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
"""
    )
    (tmp_path / "pod.yaml").write_text(
        """
apiVersion: v1
kind: Pod
metadata: {generateName: far-}
spec:
  containers: [{name: pause, image: pause}]
  volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]
"""
    )
    careless = ServiceProcess(
        "scheduler", f"--apiserver={server.target}", "--log-level=warning", f"--config={config}"
    )
    # The command, because its exit code is what scripts go by. Nothing is deleted: no controller ends
    # namespaces here.
    try:
        await asyncio.to_thread(careless.wait_healthy)
        done = await asyncio.to_thread(
            subprocess.run,
            [
                sys.executable, "-m", "cli", f"--server={server.target}", "load", "run", "TooMany/1Node",
                f"--filename={tmp_path / 'w.yaml'}", "--nodes=objects", f"--scheduler-metrics={careless.page}/metrics",
                "--apiserver-metrics=", "--etcd-metrics=http://127.0.0.1:9/metrics", "--keep",
                f"--controller-metrics=http://127.0.0.1:{server.metrics_port}/metrics",
                "--kubelet-metrics=http://127.0.0.1:9/metrics",
            ],
            cwd=ROOT, capture_output=True, text=True, timeout=100, check=False,
        )  # fmt: skip
    finally:
        careless.close()
    assert done.returncode == 1, done.stderr
    told = [line for line in done.stderr.splitlines() if line.startswith("violation:")]
    # The node takes forty.
    assert len(told) == 6, told
    assert all(line.endswith("but NodeResourcesFit: Insufficient cpu") for line in told[1:]), told
    assert told[0].endswith("but VolumeBinding: node(s) didn't match PersistentVolume's node affinity")
    assert "6 VIOLATIONS in 46 bindings" in done.stdout
    assert "note: CPU and memory of etcd are not known" in done.stdout
    [silent] = [line for line in done.stdout.splitlines() if "memory of kubelet-0 are not known" in line]
    assert silent.endswith("(--kubelet-metrics)")
    # Any page that tells of its process will do.
    [cpu] = [line for line in done.stdout.splitlines() if "CPU µs per Pod" in line]
    assert [word for word in cpu.split() if word.isalpha()][-3:] == ["load", "scheduler", "controller"]


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
async def test_a_run_that_is_interrupted_leaves_nothing(
    server: ApiserverProcess,
    scheduler: ServiceProcess,
    client: Clientset,
    signum: signal.Signals,
    tmp_path: Path,
) -> None:
    # Few nodes, and Pods for as long as it is let: what is interrupted is the making of Pods.
    (tmp_path / "w.yaml").write_text(
        """
- name: Endless
  workloadTemplate:
  - {opcode: createNodes, count: 5}
  - {opcode: createPods, count: 100000, collectMetrics: true}
  workloads: [{name: 5Nodes}]
"""
    )
    with heard(signum):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "cli", f"--server={server.target}", "load", "run", "Endless/5Nodes",
            f"--filename={tmp_path / 'w.yaml'}", "--nodes=objects", "--rate=50", cwd=ROOT,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip

    async def measures() -> bool:
        assert process.returncode is None
        found = await client.pods.list_page(label_selector=RUN_LABEL, limit=1000)
        return len(found.items) > 50

    try:
        await until(measures)
        process.send_signal(signum)
        # The namespaces stay: no controller runs here, and it is not waited for another half minute.
        await until(lambda: nothing_left(client))
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def test_a_run_that_is_ended_while_its_processes_start_leaves_none() -> None:
    mark = f"LOAD_TEST_MARK={uuid.uuid4().hex}"

    async def others() -> list[int]:
        """The processes that have inherited the mark from the command."""
        return [pid for pid in marked(mark) if pid != process.pid]

    async def starts() -> bool:
        return bool(await others())

    async def none_is_left() -> bool:
        return not await others()

    process = await asyncio.create_subprocess_exec(
        "env", mark, sys.executable, "-m", "cli", "load", "run", "SchedulingBasic/5Nodes", "--local",
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await until(starts)
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 128 + signal.SIGTERM
        await until(none_is_left)
    finally:
        for pid in marked(mark):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


async def nothing_left(client: Clientset) -> bool:
    try:
        return await left(client) == []
    except AssertionError:
        return False


async def test_pods_that_fit_nowhere_end_the_run_with_the_schedulers_words(
    server: ApiserverProcess, scheduler: ServiceProcess, client: Clientset, tmp_path: Path
) -> None:
    (tmp_path / "w.yaml").write_text(
        """
- name: TooMany
  workloadTemplate:
  - {opcode: createNodes, count: 1}
  - {opcode: createPods, count: 45, collectMetrics: true}
  workloads: [{name: 1Node}]
"""
    )
    [workload] = read_workloads([tmp_path / "w.yaml"])
    # Longer than a busy machine may stand still, with time for what it has to do then.
    settings = Settings(run="load-test", patience_seconds=8, clean_seconds=0.1)
    with pytest.raises(
        RunError, match=r"40 of 45 Pods have a node.*0/1 nodes are available: 1 Insufficient cpu"
    ):
        await run_workload(workload, cluster(server, scheduler), client, settings, quiet())
    assert await left(client) == []


async def test_hollow_nodes_take_pods_to_running_after_their_delays(
    server: ApiserverProcess, scheduler: ServiceProcess, client: Clientset
) -> None:
    workload = find_workload("SchedulingNodeAffinity/5Nodes", read_workloads())
    settings = Settings(
        run="load-test",
        nodes="hollow",
        wait_running=True,
        clean_seconds=0.1,
        stages="start_container=0.5-0.6",
        verify_seconds=600,
    )
    report = await run_workload(workload, cluster(server, scheduler), client, settings, quiet())
    [one] = report.measurements
    assert one.running == 10
    running = one.latencies["create_to_running"].summary
    assert running.count == 10
    assert running.p50 >= 0.5
    assert "kubelets-0" in one.processes
    verified(report, 15)
    assert await left(client) == []
