"""Kubernetes' own scheduler and controllers, each in place of ours, run Pods on our nodes."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bench.etcd import free_port
from bench.reference.cluster import scheduler_config
from bench.reference.programs import ProgramProcess
from tests.exchange.programs import needs_programs, program
from tests.support.cluster import Cluster
from tests.support.manifests import container, pod, pod_spec, replica_set
from tests.support.workspace import Workspace, ready
from vaina.kinds import DEPLOYMENT, JOB, Kind

pytestmark = [needs_programs, pytest.mark.timeout(600)]

Start = Callable[..., ProgramProcess]
#: the leader that was stopped gives its lease back; one that was killed would keep it for some seconds
PATIENCE = 120.0


@pytest.fixture
def start(tmp_path: Path, cluster: Cluster) -> Iterator[Start]:
    """Start a program with the administrator's kubeconfig; all end with the test."""
    started: list[ProgramProcess] = []

    def begin(name: str, *flags: str) -> ProgramProcess:
        ports = (f"--secure-port={free_port()}", f"--cert-dir={tmp_path / name}", "--bind-address=127.0.0.1")
        started.append(ProgramProcess(program(name), (*ports, *flags), tmp_path / f"{name}.log"))
        return started[-1]

    yield begin
    for process in started:
        process.close()


def kubeconfig(cluster: Cluster) -> Path:
    return cluster.cert_dir / "kubeconfig"


def deployment(name: str, replicas: int) -> dict[str, object]:
    return {**replica_set(name, replicas, container()), "kind": "Deployment"}


def job(name: str) -> dict[str, object]:
    template = {"spec": {**pod_spec(container("main", "true")), "restartPolicy": "Never"}}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"template": template},
    }


def wait(space: Workspace, kind: Kind[Any], name: str, accept: Callable[[Any], object], what: str) -> None:
    space.api.wait(kind, name, accept, what, namespace=space.namespace, timeout=PATIENCE)


def wait_serving(space: Workspace, name: str, replicas: int) -> None:
    """Wait until all of a Deployment's Pods are ready, and its status says so."""
    wait(space, DEPLOYMENT, name, lambda found: found.status.ready_replicas == replicas, "is ready")
    assert sum(map(ready, space.pods(f"app={name}"))) == replicas


def test_kube_scheduler_places_pods_on_our_nodes(
    space: Workspace, cluster: Cluster, start: Start, tmp_path: Path
) -> None:
    config = tmp_path / "scheduler.json"
    wanted = scheduler_config(str(tmp_path))
    wanted["clientConnection"] = {"kubeconfig": str(kubeconfig(cluster))}
    wanted["leaderElection"] = {"leaderElect": True}
    config.write_bytes(msgspec.json.encode(wanted))
    with cluster.stopped("scheduler"):
        theirs = start("kube-scheduler", f"--config={config}")
        space.apply(deployment("web", 4))
        wait_serving(space, "web", 4)
        assert theirs.code is None, theirs.log()
        [event] = {
            item.source.component
            for item in space.events(space.pods("app=web")[0].metadata.name, "Scheduled")
        }
        assert event in ("default-scheduler", "")
    # And ours takes over again.
    space.apply(pod("after", container()))
    space.running("after", timeout=PATIENCE)


def test_kube_controller_manager_runs_deployments_and_jobs(
    space: Workspace, cluster: Cluster, start: Start
) -> None:
    with cluster.stopped("controller"):
        theirs = start(
            "kube-controller-manager", f"--kubeconfig={kubeconfig(cluster)}",
            "--controllers=deployment-controller,replicaset-controller,job-controller",
        )  # fmt: skip
        space.apply(deployment("web", 3), job("once"))
        wait_serving(space, "web", 3)
        wait(space, JOB, "once", lambda found: found.status.succeeded == 1, "is done")
        space.cli("scale", "deployment", "web", "--replicas=1")
        wait(space, DEPLOYMENT, "web", lambda found: found.status.replicas == 1, "is scaled down")
        assert theirs.code is None, theirs.log()
    # What ours finds it goes on with.
    space.cli("scale", "deployment", "web", "--replicas=2")
    wait_serving(space, "web", 2)
