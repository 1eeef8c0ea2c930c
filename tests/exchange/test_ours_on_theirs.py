"""Our scheduler and our controllers, each alone, on a real kube-apiserver over its REST API."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from bench.processes import ServiceProcess
from bench.reference.cluster import KubeCluster
from tests.component.test_scheduler import SHORT_LEASE, make_nodes, until
from tests.exchange.programs import needs_programs, program
from tests.unit.scheduler.objects import pod
from vaina.api.apps.v1 import apps_pb2
from vaina.client.clientset import Clientset
from vaina.objects.conditions import get_condition

pytestmark = [needs_programs, pytest.mark.timeout(300)]


@pytest.fixture(params=[False, True], ids=["token", "certificates"])
async def theirs(request: pytest.FixtureRequest) -> AsyncIterator[KubeCluster]:
    """Give a kube-apiserver that nobody schedules on."""
    programs = program("kube-apiserver"), program("kube-scheduler")
    async with KubeCluster(*programs, fsync=False, certificates=request.param) as cluster:
        yield cluster


@pytest.fixture
async def client(theirs: KubeCluster) -> AsyncIterator[Clientset]:
    async with Clientset(theirs.transport()) as made:
        yield made


@pytest.fixture
def ours(theirs: KubeCluster, tmp_path: Path) -> Iterator[Callable[..., ServiceProcess]]:
    """Start a service of ours as an administrator of theirs; all end with the test."""
    started: list[ServiceProcess] = []
    kubeconfig, shown = tmp_path / "kubeconfig", theirs.connection()
    user = {"token": shown.token.decode()} if isinstance(shown.token, bytes) else {
        "client-certificate": str(shown.certificate), "client-key": str(shown.key),
    }  # fmt: skip
    cluster = {"server": shown.server, "certificate-authority": str(shown.authority)}
    kubeconfig.write_text(json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "theirs",
        "clusters": [{"name": "theirs", "cluster": cluster}], "users": [{"name": "me", "user": user}],
        "contexts": [{"name": "theirs", "context": {"cluster": "theirs", "user": "me"}}],
    }))  # fmt: skip

    def start(service: str, *flags: str) -> ServiceProcess:
        started.append(ServiceProcess(service, f"--kubeconfig={kubeconfig}", *SHORT_LEASE, *flags))
        return started[-1]

    yield start
    for process in started:
        process.close()


def replica_set(replicas: int) -> apps_pb2.ReplicaSet:
    made = apps_pb2.ReplicaSet()
    made.metadata.name, made.metadata.namespace, made.spec.replicas = "web", "default", replicas
    made.spec.selector.match_labels["app"] = "web"
    made.spec.template.metadata.labels["app"] = "web"
    made.spec.template.spec.containers.add(name="main", image="busybox")
    return made


def bound(client: Clientset, count: int) -> Callable[[], Awaitable[bool]]:
    async def holds() -> bool:
        pods = (await client.pods.list("default")).items
        return len([one for one in pods if one.spec.node_name]) == count

    return holds


async def test_our_scheduler_binds_pods_and_says_why_others_wait(
    ours: Callable[..., ServiceProcess], client: Clientset
) -> None:
    ours("scheduler")
    await make_nodes(client, 3)
    for number in range(12):
        made = pod(f"p{number}", {"cpu": "1"})
        made.metadata.uid = ""
        await client.pods.create(made)
    await until(bound(client, 12))
    large = pod("large", {"cpu": "64"})
    large.metadata.uid = ""
    await client.pods.create(large)

    async def told() -> bool:
        condition = get_condition((await client.pods.get("large", "default")).status, "PodScheduled")
        return condition is not None and condition.reason == "Unschedulable"

    await until(told)


async def test_our_replica_set_controller_makes_pods_and_takes_them_away(
    ours: Callable[..., ServiceProcess], client: Clientset
) -> None:
    ours("controller", "--controllers=replicaset")
    await client.replica_sets.create(replica_set(5))

    def counted(count: int) -> Callable[[], Awaitable[bool]]:
        async def holds() -> bool:
            found = await client.replica_sets.get("web", "default")
            return found.status.replicas == count and len((await client.pods.list("default")).items) == count

        return holds

    await until(counted(5))
    scale = await client.replica_sets.get_scale("web", "default")
    scale.spec.replicas = 2
    await client.replica_sets.update_scale(scale)
    await until(counted(2))
