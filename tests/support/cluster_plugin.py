"""Fixtures and marks of the tests on a real cluster (tests/flow, tests/cluster). Loaded by tests/conftest.py.

`VAINA_KEEP_CLUSTER=1` leaves the cluster running after the tests, to look at;
`COMPOSE_PROJECT_NAME=vaina-test deploy/down.sh` then removes it, and the next run takes it as it is.
`VAINA_TEST_PROJECT` names another project than vaina-test, `VAINA_TEST_NODES` and
`VAINA_TEST_CONTAINERD_NODES` say of how many nodes (3 and 1): some tests need all of these.
`VAINA_TEST_APISERVER` takes a cluster that runs, its nodes on another machine's engine (tools/vm_test.sh).
"""

import fcntl
import json
import os
import re
import subprocess
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest

from tests.support.api import Api
from tests.support.cluster import ROOT, SLOWER, Cluster, engine_answers, run
from tests.support.kubectl import PROGRAM, Kubectl
from tests.support.workspace import RUNTIME_TAINT, Workspace

LOGS = ROOT / ".cache" / "cluster-logs"
FOLDERS = (ROOT / "tests" / "flow", ROOT / "tests" / "cluster")
ENDED = re.compile(r"segfault|general protection|traps:|oom-kill|[Oo]ut of memory|blocked for more than")
OUTCOME = pytest.StashKey[bool]()
#: what makes a cluster notice within seconds that a node is gone; a user's own keeps Kubernetes' patience
SETTINGS = {
    "VAINA_NODE_MONITOR_GRACE_SECONDS": "14",
    "VAINA_NODE_MONITOR_PERIOD_SECONDS": "1",
    "VAINA_LEASE_RENEW_SECONDS": "3",
    # Tests kill the scheduler and the controller: what they leave behind need not be waited for so long. They
    # kill the apiserver too, which is away for some seconds: a leader must not end for that.
    "VAINA_LEADER_ELECT_LEASE_DURATION_SECONDS": "10",
    "VAINA_LEADER_ELECT_RENEW_DEADLINE_SECONDS": "8",
    "VAINA_LEADER_ELECT_RETRY_PERIOD_SECONDS": "1",
    # Nodes look at themselves and their containers more often, and no Pod can take all process ids of the
    # machine.
    "VAINA_EVICTION_INTERVAL_SECONDS": "2",
    "VAINA_SAMPLE_SECONDS": "3",
    "VAINA_HORIZONTAL_POD_AUTOSCALER_SYNC_PERIOD_SECONDS": "3",
    "VAINA_POD_PIDS_LIMIT": "300",
}


def setting(name: str) -> str:
    """Read one setting of the test run itself."""
    return os.environ.get(name, "")  # noqa: TID251


def on_cluster(path: Path) -> bool:
    """Say whether a test file needs the cluster."""
    return any(path.is_relative_to(folder) for folder in FOLDERS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests, and give them the time that real containers take (the first one's includes the start)."""
    for item in items:
        if on_cluster(item.path):
            item.add_marker(pytest.mark.cluster)
            runtime = (
                item.callspec.params.get("runtime")
                if isinstance(item, pytest.Function) and hasattr(item, "callspec")
                else ""
            )
            if runtime == "containerd" and item.get_closest_marker("own_node"):
                item.add_marker(pytest.mark.other_side)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(900 * SLOWER))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember whether a try of a test failed, preparing included, for the fixture that saves the logs."""
    report = yield
    if report.when != "teardown":
        item.stash[OUTCOME] = report.failed
    return report


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Keep other processes of tests on this checkout out of a `with` block."""
    LOGS.mkdir(parents=True, exist_ok=True)
    with (LOGS / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def keep_apart(running: Cluster) -> None:
    """Taint the nodes with containerd.

    Pods go there that were sent there (`Workspace.pinned`), and no others.
    """
    patch = {"spec": {"taints": [{"key": RUNTIME_TAINT, "value": "containerd", "effect": "NoSchedule"}]}}
    with Api(running.apiserver, running.credentials) as client:
        for node in running.containerd_nodes:
            client.call(
                client.clients.nodes.patch(
                    node, json.dumps(patch).encode(), patch_type="application/merge-patch+json"
                )
            )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests that are marked so on both sorts of nodes."""
    if "space" in metafunc.fixturenames and metafunc.definition.get_closest_marker("both_runtimes"):
        metafunc.parametrize("runtime", ["docker", "containerd"])


@pytest.fixture
def runtime() -> str:
    """Say on which sort of nodes a test's Pods run."""
    return "docker"


@pytest.fixture(scope="session")
def whole_cluster() -> Iterator[Cluster]:
    """Bring the cluster up once for all tests, and see at the end that nothing of it is left."""
    if not engine_answers():
        reason = "no Docker engine answers; `make test-cluster` sees to one"
        pytest.fail(reason) if setting("CI") else pytest.skip(reason)
    # Of several processes of tests the first brings it up; the others find it.
    with one_at_a_time():
        running = Cluster(
            setting("VAINA_TEST_PROJECT") or "vaina-test", int(setting("VAINA_TEST_NODES") or 3), SETTINGS,
            containerd_nodes=int(setting("VAINA_TEST_CONTAINERD_NODES") or 1),
            apiserver=setting("VAINA_TEST_APISERVER"),
        )  # fmt: skip
        if not running.runs_already:
            running.up()
        keep_apart(running)
    yield running
    if not setting("VAINA_KEEP_CLUSTER") and not running.runs_already:
        # The hard way: a node that is killed cannot clear up after itself.
        run("docker", "kill", running.nodes[-1])
        running.down()
        assert running.leftovers() == []


def ends_told_by_the_kernel() -> str:
    """Return its last lines about processes that it ended (memory, faults): their parents do not know why.

    Empty: none, or it tells nothing.
    """
    ring = subprocess.run(["dmesg"], capture_output=True, text=True, check=False).stdout
    return "\n".join([line for line in ring.splitlines() if ENDED.search(line)][-20:])


@pytest.fixture
def cluster(whole_cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """Lend the running cluster to one test.

    Of a try that fails it shows what the services said meanwhile, and saves what they said before, too.
    """
    begin = datetime.now(UTC)  # noqa: TID251 (the engine's clock is this machine's)
    yield whole_cluster
    if request.node.stash.get(OUTCOME, False):
        LOGS.mkdir(parents=True, exist_ok=True)
        number = getattr(request.node, "execution_count", 1)
        file = LOGS / f"{request.node.name.replace('/', '_')}-{number}.log"
        file.write_text(whole_cluster.logs(lines=2000))
        logs = whole_cluster.logs(lines=2000, since=begin)
        request.node.add_report_section("teardown", "cluster", f"{logs}\n(more in {file.relative_to(ROOT)})")
        request.node.add_report_section("teardown", "kernel", ends_told_by_the_kernel())


@pytest.fixture(scope="session")
def api(whole_cluster: Cluster) -> Iterator[Api]:
    """Lend a client of the apiserver."""
    with Api(whole_cluster.apiserver, whole_cluster.credentials) as client:
        yield client


@pytest.fixture(scope="session")
def numbers() -> Iterator[int]:
    """Number the workspaces of a session."""
    return count(1)


@pytest.fixture
def space(
    cluster: Cluster, api: Api, numbers: Iterator[int], runtime: str, request: pytest.FixtureRequest
) -> Iterator[Workspace]:
    """Give one test a namespace of its own, named after it; everything in it goes when the test ends."""
    words = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower().removeprefix("test_")).strip("-")
    name = f"t{os.getpid() % 1000}-{next(numbers)}-{words[:40].strip('-')}"
    workspace = Workspace(cluster, api, name, runtime)
    workspace.open()
    yield workspace
    workspace.close()


@pytest.fixture(scope="session")
def kubectl_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keep what kubectl remembers of the cluster for a session: it asks once what is served."""
    if PROGRAM is None:
        reason = "kubectl is not installed (deploy/trixie.sh kubectl)"
        pytest.fail(reason) if setting("CI") else pytest.skip(reason)
    return tmp_path_factory.mktemp("kubectl")


@pytest.fixture
def kubectl(space: Workspace, kubectl_home: Path, tmp_path: Path) -> Kubectl:
    """Lend the administrator's kubectl in a test's namespace; its files are those of `tmp_path`."""
    return Kubectl(space.cluster.cert_dir / "kubeconfig", space.namespace, tmp_path, kubectl_home)
