"""Nodes full of less important Pods, and more important ones come: real etcd, apiserver and scheduler.

The history is judged.
"""

from collections.abc import AsyncIterator, Iterator

import pytest

from bench.processes import ServiceProcess
from tests.support.apiserver_process import ApiserverProcess
from tests.support.scheduling_recorder import SchedulingRecorder
from tests.support.tasks import running
from tests.unit.scheduler.objects import node, pod
from vaina.api.core.v1 import pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.api.scheduling.v1 import priority_class_pb2
from vaina.client.clientset import Clientset
from vaina.clock import SystemClock
from vaina.errors import ApiError

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]

CLOCK = SystemClock()
NODES = 20
#: for anything that must come to pass
PATIENCE_SECONDS = 60.0


@pytest.fixture
async def recorder(client: Clientset) -> AsyncIterator[SchedulingRecorder]:
    """Empty nodes of four cores, priority classes, and somebody who writes down what happens."""
    for name, value in (("low", 1), ("high", 1000)):
        await client.priority_classes.create(
            priority_class_pb2.PriorityClass(metadata=meta_pb2.ObjectMeta(name=name), value=value)
        )
    for number in range(NODES):
        await client.nodes.create(node(f"n{number}", cpu="4"))
    made = SchedulingRecorder(client)
    async with running(made.run()):
        yield made


@pytest.fixture
def scheduler(server: ApiserverProcess) -> Iterator[ServiceProcess]:
    process = ServiceProcess("scheduler", f"--apiserver={server.target}")
    yield process
    process.close()


async def create(client: Clientset, kind: str, count: int, cpu: str) -> None:
    pods = []
    for number in range(count):
        made = pod(f"{kind}-{number:03}", {"cpu": cpu})
        made.metadata.uid, made.spec.priority_class_name = "", kind
        made.spec.ClearField("priority")
        made.spec.termination_grace_period_seconds = 0
        pods.append(made)
    results = await client.pods.create_batch(pods)
    assert not [item for item in results if isinstance(item, ApiError)]


async def pods_of(client: Clientset, kind: str) -> list[pod_pb2.Pod]:
    """Return the Pods of a kind that have a node."""
    found = (await client.pods.list("default")).items
    return [item for item in found if item.metadata.name.startswith(kind) and item.spec.node_name]


async def test_all_important_pods_get_a_node_and_no_more_than_needed_go(
    client: Clientset, recorder: SchedulingRecorder, scheduler: ServiceProcess
) -> None:
    await create(client, "low", 4 * NODES, "900m")
    await recorder.until(lambda: len(recorder.bound) == 4 * NODES, seconds=PATIENCE_SECONDS)
    await create(client, "high", NODES, "3")
    end = CLOCK.monotonic() + PATIENCE_SECONDS
    high: list[pod_pb2.Pod] = []
    while len(high) < NODES:
        assert CLOCK.monotonic() < end
        await CLOCK.sleep(0.1)
        high = await pods_of(client, "high")
    assert len({item.spec.node_name for item in high}) == NODES
    assert not [item for item in high if item.status.nominated_node_name]
    # Three of each four had to go, and the fourth had not.
    assert len(await pods_of(client, "low")) == NODES
    uids = {item.metadata.uid for item in high}
    told: list[str] = []
    while len(told) < 3 * NODES:
        assert CLOCK.monotonic() < end
        await CLOCK.sleep(0.1)
        events = (await client.events.list("default", field_selector="reason=Preempted")).items
        told = [event.message for event in events]
    assert len(told) == 3 * NODES
    assert {message.split()[3] for message in told} == uids
    await recorder.caught_up()
    assert recorder.violations() == []
