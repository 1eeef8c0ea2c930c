"""The real scheduler and controllers, as processes, speaking Kubernetes' REST API instead of gRPC."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bench.etcd import free_port
from bench.processes import ServiceProcess
from tests.component.test_scheduler import make_nodes, until
from tests.support.apiserver_process import ApiserverProcess
from vaina.api.apps.v1 import apps_pb2
from vaina.pki.kubeconfig import with_files

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]


@pytest.fixture
async def rest() -> AsyncIterator[tuple[ApiserverProcess, int]]:
    """Give an apiserver with a REST port, in the clear."""
    port = free_port()
    process = ApiserverProcess("", f"--rest-listen=127.0.0.1:{port}")
    await process.start()
    yield process, port
    process.close()


def replica_set(name: str, replicas: int) -> apps_pb2.ReplicaSet:
    made = apps_pb2.ReplicaSet()
    made.metadata.name, made.metadata.namespace, made.spec.replicas = name, "default", replicas
    made.spec.selector.match_labels["app"] = name
    made.spec.template.metadata.labels["app"] = name
    made.spec.template.spec.containers.add(name="main", image="busybox")
    return made


async def test_pods_are_made_bound_and_ended_over_rest(
    rest: tuple[ApiserverProcess, int], tmp_path: Path
) -> None:
    server, port = rest
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(with_files("here", f"http://127.0.0.1:{port}", "", "", ""))
    over_rest = f"--kubeconfig={kubeconfig}"
    scheduler = ServiceProcess("scheduler", over_rest)
    controller = ServiceProcess("controller", over_rest)
    client = server.client()
    try:
        await make_nodes(client, 2)
        await client.replica_sets.create(replica_set("web", 5))

        async def all_run() -> bool:
            pods = (await client.pods.list("default")).items
            return len(pods) == 5 and all(pod.spec.node_name for pod in pods)

        await until(all_run)

        async def counted() -> bool:
            return (await client.replica_sets.get("web", "default")).status.replicas == 5

        await until(counted)
        await client.replica_sets.delete("web", "default")

        async def all_end() -> bool:
            # There is no kubelet to end them.
            pods = (await client.pods.list("default")).items
            return all(pod.metadata.HasField("deletion_timestamp") for pod in pods)

        await until(all_end)
    finally:
        scheduler.close()
        controller.close()
        await client.close()
