"""What a run leaves in the cluster of how far it is."""

from pathlib import Path

import pytest

from apiserver.storage.memory import MemoryStorage
from bench.load.cluster import RunningCluster
from bench.load.context import RunError
from bench.load.parse import read_workloads
from bench.load.podset import PodSet
from bench.load.publishing import SAMPLE, config_of, figures_so_far
from bench.load.run import Run
from bench.load.settings import Settings
from tests.support.direct import build_handlers
from tests.support.load import quiet
from vaina.client.clientset import Clientset
from vaina.client.transport import InProcessTransport
from vaina.clock import SystemClock
from vaina.objects.load_progress import ANNOTATION, LoadProgress, decode_progress

WORKLOADS = """
- name: Small
  workloadTemplate:
  - {opcode: createNodes, count: 2}
  - {opcode: createPods, countParam: $size, skipWaitToCompletion: true}
  workloads: [{name: Ends, params: {size: 3}}]
- name: Never
  workloadTemplate:
  - {opcode: createPods, count: 1, collectMetrics: true}
  workloads: [{name: Fails}]
"""


@pytest.fixture
def client() -> Clientset:
    return make_client()


def make_client() -> Clientset:
    clock = SystemClock()
    return Clientset(InProcessTransport(build_handlers(MemoryStorage(), clock), clock=clock))


async def told(client: Clientset) -> LoadProgress:
    found = await client.namespaces.get("r-progress")
    return decode_progress(found.metadata.annotations[ANNOTATION])


def run_of(number: int, client: Clientset, folder: Path, **how: object) -> Run:
    (folder / "w.yaml").write_text(WORKLOADS)
    settings = Settings(run="r", verify=False, keep=True, **how)  # type: ignore[arg-type]  # as tests name them
    workload = read_workloads([folder / "w.yaml"])[number]
    return Run(workload, RunningCluster("127.0.0.1:9"), client, settings, quiet())


async def test_a_run_that_is_kept_says_what_it_was_and_that_it_ended(
    client: Clientset, tmp_path: Path
) -> None:
    run = run_of(0, client, tmp_path)
    assert run.publishing is not None
    run.publishing.config = config_of({"nodes": "objects", "stages": ""}, {"size": 3}, "abc")
    await run.execute()
    found = await told(client)
    assert (found.workload, found.state, found.step) == ("Small/Ends", "ended", "createPods [1]")
    assert (found.wanted, found.asked, found.bound) == (3, 3, 0)
    assert found.config == {"size": "3", "nodes": "objects", "commit": "abc"}


async def test_a_run_that_fails_says_so_with_what_it_measured_until_then(
    tmp_path: Path,
) -> None:
    said = ""
    # On a busy machine so little patience may be over before the run has begun: then another one.
    while not said or "not let the run watch" in said:
        client = make_client()
        with pytest.raises(RunError) as caught:
            await run_of(1, client, tmp_path, patience_seconds=0.05).execute()
        said = str(caught.value)
    assert "nothing has happened" in said
    found = await told(client)
    assert (found.state, found.step) == ("failed", "createPods [0]")
    [measured] = found.measurements
    assert (measured.pods, measured.bound, measured.seconds) == (1, 0, 0.0)
    assert "create_p50" in measured.figures


def test_figures_so_far_are_of_those_that_have_come() -> None:
    pods = PodSet("step", "a", ["p0", "p1", "p2"])
    for index in range(3):
        pods.intended[index] = 10.0
    pods.see_created(0, 10.5)
    pods.see_bound(0, "n", 11.0)
    pods.see_bound(1, "n", 12.0)
    found = figures_so_far([pods], 10.0)
    assert (found["throughput"], found["create_p99"]) == (1.0, 0.5)
    assert (found["create_to_bound_p50"], found["create_to_bound_maximum"]) == (1.0, 2.0)
    assert "create_to_running_p50" not in found
    assert figures_so_far([], 10.0) == {}


def test_of_many_pods_some_are_looked_at_evenly() -> None:
    pods = PodSet("step", "a", [f"p{index}" for index in range(4 * SAMPLE)])
    for index in range(len(pods)):
        pods.intended[index] = 0.0
        pods.see_bound(index, "n", 1.0 + index / len(pods))
    assert figures_so_far([pods], 0.0)["create_to_bound_p50"] == pytest.approx(1.5, abs=0.001)
