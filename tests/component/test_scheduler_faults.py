"""The real scheduler is killed, and what it stands on is slow, gone or says no.

Whatever happens, every Pod ends where it may be.

After each fault the history that etcd saw is judged (`bench/judge/history.py`), and the scheduler compares
its columns with the API objects (`Verify`). `SCHEDULER_SOAK=10` makes ten times as much of everything; `make
soak-scheduler` does it.
"""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from bench.processes import ServiceProcess
from scheduler.framework.registry import default_profile
from tests.support.apiserver_process import ApiserverProcess
from tests.support.etcd import EtcdServer
from tests.support.proxy import Proxy, proxy_to
from tests.support.refusals import RefusingTransport
from tests.support.scheduler import SHORT_LEASE, build
from tests.support.scheduling_recorder import SchedulingRecorder
from tests.support.tasks import running
from tests.unit.scheduler.judge import plugins
from tests.unit.scheduler.objects import node, pod
from vaina.api.core.v1 import pod_pb2
from vaina.api.scheduler.v1 import scheduler_service_pb2
from vaina.client.clientset import Clientset
from vaina.client.transport import GrpcTransport
from vaina.clock import SystemClock
from vaina.errors import ApiError, Forbidden, Invalid

SOAK = int(os.environ.get("SCHEDULER_SOAK", "1"))  # noqa: TID251 - a switch of the test run
pytestmark = [pytest.mark.component, pytest.mark.timeout(120 * SOAK)]

CLOCK = SystemClock()
#: for anything that must come to pass
PATIENCE_SECONDS = 60.0 * SOAK
NODES = 20
#: Pods of each test; the nodes have room for half as many more, for some Pods may not go to every node
PODS = 400 if SOAK == 1 else 1_000 * SOAK
PLUGINS = plugins(default_profile())
Start = Callable[..., ServiceProcess]


@pytest.fixture
async def proxy(etcd: EtcdServer) -> AsyncIterator[Proxy]:
    """Between the apiserver and etcd."""
    async with proxy_to(int(etcd.target.rpartition(":")[2])) as made:
        yield made


@pytest.fixture
async def server(proxy: Proxy) -> AsyncIterator[ApiserverProcess]:
    # Some Pods have host ports.
    process = ApiserverProcess(proxy.target, "--pod-security-enforce=privileged")
    await process.start()
    yield process
    process.close()


@pytest.fixture
async def recorder(client: Clientset) -> AsyncIterator[SchedulingRecorder]:
    """Nodes with room for all Pods, and somebody who writes down what happens."""
    each = PODS // NODES * 3 // 2
    for number in range(NODES):
        labels = {"kubernetes.io/hostname": f"n{number}", "zone": "abcd"[number % 4]}
        await client.nodes.create(node(f"n{number}", cpu=str(each), pods=str(each), labels=labels))
    made = SchedulingRecorder(client)
    async with running(made.run()):
        yield made


@pytest.fixture
def schedulers(server: ApiserverProcess) -> Iterator[Start]:
    """Start schedulers; all are ended at the end."""
    started: list[ServiceProcess] = []

    def start(*flags: str) -> ServiceProcess:
        started.append(ServiceProcess("scheduler", f"--apiserver={server.target}", *SHORT_LEASE, *flags))
        return started[-1]

    yield start
    for process in started:
        process.close()


def made(number: int) -> pod_pb2.Pod:
    """Return the Pod of a number: most are plain, some want a zone, a port, or nobody of their kind beside
    them.
    """
    one = pod(f"p{number:05}", {"cpu": "1"})
    one.metadata.uid = ""
    match number % 10:
        case 7:
            one.spec.node_selector["zone"] = "abcd"[number // 10 % 4]
        case 8 if "InterPodAffinity" in PLUGINS:
            kind = f"kind-{number // 100}"
            one.metadata.labels["kind"] = kind
            apart = (
                one.spec.affinity.pod_anti_affinity.required_during_scheduling_ignored_during_execution.add()
            )
            apart.topology_key = "kubernetes.io/hostname"
            apart.label_selector.match_labels["kind"] = kind
        case 9:
            one.spec.containers[0].ports.add(
                container_port=80, host_port=1000 + number // 100, protocol="TCP"
            )
    return one


async def create(client: Clientset, first: int = 0, last: int = PODS) -> None:
    """Create Pods, however often it takes."""
    for start in range(first, last, 100):
        batch = [made(number) for number in range(start, min(start + 100, last))]
        while batch:
            try:
                results = await client.pods.create_batch(batch)
            except ApiError:
                await CLOCK.sleep(0.2)
                continue
            batch = [
                one
                for one, result in zip(batch, results, strict=True)
                if isinstance(result, ApiError) and result.reason != "AlreadyExists"
            ]
            if refused := next((one for one in results if isinstance(one, Forbidden | Invalid)), None):
                raise refused


async def all_bound(recorder: SchedulingRecorder, count: int = PODS) -> None:
    await recorder.until(lambda: len(recorder.bound) >= count, seconds=PATIENCE_SECONDS)


async def check(recorder: SchedulingRecorder, scheduler: ServiceProcess) -> None:
    """The history is in order, and the columns are those that follow from the objects."""
    await recorder.caught_up()
    # Of 10,000 Pods it takes a minute: beside the loop, on which etcd's proxy runs, or leases are lost
    # meanwhile.
    assert await asyncio.to_thread(recorder.violations) == []
    assert len(recorder.bound) == PODS
    assert await differences(scheduler.target) == []


async def differences(target: str) -> list[str]:
    """Return where the scheduler's columns are not what the objects say. What is under way is given time."""
    transport = GrpcTransport(target)
    request = scheduler_service_pb2.VerifyRequest(against_apiserver=True)
    found: list[str] = []
    try:
        for _ in range(50):
            answer = await transport.unary(
                "/vaina.api.scheduler.v1.SchedulerService/Verify", request.SerializeToString()
            )
            result = scheduler_service_pb2.VerifyResponse.FromString(answer)
            found = [str(one) for one in result.differences]
            if not found and not result.assumed:
                break
            await CLOCK.sleep(0.1)
    finally:
        await transport.close()
    return found


async def test_a_scheduler_that_is_killed_again_and_again(
    client: Clientset, schedulers: Start, recorder: SchedulingRecorder
) -> None:
    kills = 3 if SOAK == 1 else 10
    process = schedulers("--leader-elect=false")
    part = PODS // (kills + 1)
    for kill in range(kills):
        await create(client, kill * part, (kill + 1) * part)
        # In the middle of its work, wherever that is.
        await all_bound(recorder, kill * part + part // 3)
        process.kill()
        process = schedulers("--leader-elect=false")
    await create(client, kills * part, PODS)
    await all_bound(recorder)
    await check(recorder, process)


async def test_an_etcd_that_is_slow(
    proxy: Proxy, client: Clientset, schedulers: Start, recorder: SchedulingRecorder
) -> None:
    process = schedulers("--leader-elect=false")
    await create(client, 0, PODS // 2)
    await all_bound(recorder, PODS // 6)
    proxy.answers_late_seconds = 0.1
    await create(client, PODS // 2)
    await all_bound(recorder)
    proxy.answers_late_seconds = 0.0
    await check(recorder, process)


async def test_an_apiserver_that_is_restarted(
    server: ApiserverProcess, client: Clientset, schedulers: Start, recorder: SchedulingRecorder
) -> None:
    process = schedulers("--leader-elect=false")
    await create(client, 0, PODS // 2)
    await all_bound(recorder, PODS // 6)
    server.kill()
    await asyncio.to_thread(server.spawn)
    await create(client, PODS // 2)
    await all_bound(recorder)
    await check(recorder, process)


async def test_one_binding_in_a_hundred_is_refused(
    server: ApiserverProcess, client: Clientset, recorder: SchedulingRecorder
) -> None:
    transport = RefusingTransport(GrpcTransport(server.target), random.Random(1), share=0.01)
    scheduler = build(Clientset(transport), CLOCK)
    async with running(scheduler.run()):
        await create(client)
        await all_bound(recorder)
    await transport.close()
    await recorder.caught_up()
    assert transport.refused > 0
    assert recorder.violations() == []
    assert len(recorder.bound) == PODS


async def test_a_hand_over_between_two_schedulers(
    client: Clientset, schedulers: Start, recorder: SchedulingRecorder
) -> None:
    pair = [schedulers(), schedulers()]
    for process in pair:
        await asyncio.to_thread(process.wait_healthy)
    await create(client, 0, PODS // 2)
    await all_bound(recorder, PODS // 6)
    leader, standby = sorted(pair, key=lambda one: one.metric("leader_election_master_status"), reverse=True)
    leader.kill()
    await create(client, PODS // 2)
    await all_bound(recorder)
    await check(recorder, standby)
