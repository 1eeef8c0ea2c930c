"""The process that plays the kubelets of a run's nodes, over an apiserver in memory."""

import pytest

from apiserver.storage.memory import MemoryStorage
from bench.load.settings import RUN_LABEL
from bench.load.simulated import Simulation, parse_delays
from kubelet.runtime.hollow.program import TIMED
from tests.support.direct import build_handlers
from tests.support.tasks import running
from vaina.client.clientset import Clientset
from vaina.client.transport import InProcessTransport
from vaina.clock import SystemClock
from vaina.testing.builders import make_node, make_pod

CLOCK = SystemClock()


@pytest.fixture
def client() -> Clientset:
    return Clientset(InProcessTransport(build_handlers(MemoryStorage(), CLOCK), clock=CLOCK))


async def create(client: Clientset, name: str, run: str = "r") -> None:
    pod = make_pod(name)
    pod.metadata.uid, pod.metadata.resource_version = "", ""
    pod.metadata.labels[RUN_LABEL] = run
    await client.pods.create(pod)
    await client.pods.bind(name, namespace="default", uid="", node="n1")


async def phases(client: Clientset) -> dict[str, str]:
    return {pod.metadata.name: pod.status.phase for pod in (await client.pods.list("default")).items}


async def until(client: Clientset, wanted: dict[str, str]) -> None:
    end = CLOCK.monotonic() + 60
    while await phases(client) != wanted:
        assert CLOCK.monotonic() < end, await phases(client)
        await CLOCK.sleep(0.01)


async def test_bound_pods_of_the_run_come_to_run_and_deleted_ones_go(client: Clientset) -> None:
    await client.nodes.create(make_node("n1"))
    await create(client, "before")
    simulation = Simulation(client, "r", parse_delays("start_container=0.01-0.05,stop_container=0.01"), 1)
    async with running(simulation.run()):
        await create(client, "after")
        await create(client, "other", run="another")
        await until(client, {"before": "Running", "after": "Running", "other": "Pending"})
        made = {pod.metadata.name: pod for pod in (await client.pods.list("default")).items}
        ready = {c.type for c in made["after"].status.conditions if c.status == "True"}
        assert ready >= {"PodScheduled", "Ready", "ContainersReady", "Initialized"}
        assert made["after"].status.container_statuses[0].state.HasField("running")
        assert made["after"].status.pod_ip != made["before"].status.pod_ip
        await client.pods.delete("after", "default")
        await until(client, {"before": "Running", "other": "Pending"})


def test_stages_are_those_of_hollow_kubelets() -> None:
    delays = parse_delays(",".join(f"{stage}=0.1-0.2" for stage in TIMED))
    assert delays == dict.fromkeys(TIMED, (0.1, 0.2))
    assert parse_delays("") == {}


@pytest.mark.parametrize(
    "text", ["sleep=1", "run_sandbox", "run_sandbox=", "run_sandbox=2-1", "run_sandbox=1-inf"]
)
def test_delays_that_cannot_be_read(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no stage|a delay is"):
        parse_delays(text)
