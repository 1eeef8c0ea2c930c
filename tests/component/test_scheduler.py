"""The real scheduler, as a process, with a real apiserver and etcd: killed, cut off, and never wrong."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing

import pytest

from bench.processes import ServiceProcess
from tests.support.apiserver_process import ApiserverProcess, is_serving
from tests.support.scheduler import SHORT_LEASE
from tests.support.tasks import running
from tests.unit.scheduler.objects import node, pod
from vaina.api.core.v1 import pod_pb2
from vaina.client.clientset import Clientset
from vaina.client.transport import GrpcTransport
from vaina.clock import SystemClock
from vaina.errors import ApiError, Expired
from vaina.objects.conditions import get_condition

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]

CLOCK = SystemClock()
#: for anything that must come to pass
PATIENCE_SECONDS = 60.0


@pytest.fixture
def schedulers(server: ApiserverProcess) -> Iterator[Callable[..., ServiceProcess]]:
    """Start schedulers; all are ended at the end."""
    started: list[ServiceProcess] = []

    def start(*flags: str) -> ServiceProcess:
        started.append(ServiceProcess("scheduler", f"--apiserver={server.target}", *SHORT_LEASE, *flags))
        return started[-1]

    yield start
    for process in started:
        process.close()


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Return when something holds."""
    end = CLOCK.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            if await holds():
                return
        except ApiError:
            assert CLOCK.monotonic() < end
        assert CLOCK.monotonic() < end
        await CLOCK.sleep(0.05)


async def bound(client: Clientset) -> Counter[str]:
    """Return how many Pods each node holds."""
    pods = await client.pods.list("default")
    return Counter(made.spec.node_name for made in pods.items if made.spec.node_name)


async def make_nodes(client: Clientset, count: int, *, cpu: str = "4") -> None:
    for number in range(count):
        await client.nodes.create(node(f"n{number}", cpu=cpu))


async def make_pods(client: Clientset, count: int, cpu: str = "1", *, first: int = 0) -> None:
    batch = [pod(f"p{number:03}", {"cpu": cpu}) for number in range(first, first + count)]
    for made in batch:
        made.metadata.uid = ""
    for start in range(0, count, 50):
        results = await client.pods.create_batch(batch[start : start + 50])
        assert not [item for item in results if isinstance(item, ApiError)]


class NodeNames:
    """Watches every Pod's spec.nodeName over all of history; resumes when the stream breaks."""

    def __init__(self, client: Clientset) -> None:
        self._client = client
        self.values: dict[str, list[str]] = {}

    async def run(self) -> None:
        version = ""
        while True:
            try:
                stream = self._client.pods.watch("default", resource_version=version)
                async with aclosing(stream) as batches:
                    async for batch in batches:
                        for event in batch.events:
                            self.seen(event.object)
                        version = batch.resource_version
            except Expired:
                raise
            except ApiError:
                await CLOCK.sleep(0.1)

    def seen(self, made: pod_pb2.Pod) -> None:
        if made.metadata.uid:
            values = self.values.setdefault(made.metadata.uid, [])
            if not values or values[-1] != made.spec.node_name:
                values.append(made.spec.node_name)

    def check(self) -> None:
        """A Pod's node goes from empty to a node, once (I1)."""
        for uid, values in self.values.items():
            assert len([value for value in values if value]) <= 1, (uid, values)


@pytest.mark.requirement("A2")
async def test_pods_are_bound_with_condition_event_and_step(
    client: Clientset, schedulers: Callable[..., ServiceProcess]
) -> None:
    await make_nodes(client, 3)
    await make_pods(client, 12)
    process = schedulers()
    await until(lambda: all_bound(client, 12))
    assert await bound(client) == {"n0": 4, "n1": 4, "n2": 4}
    made = (await client.pods.list("default")).items[0]
    condition = get_condition(made.status, "PodScheduled")
    assert condition is not None
    assert condition.status == "True"
    await until(lambda: has_event(client, "Scheduled"))
    await until(lambda: has_step(client, made))
    await until(lambda: has_scheduled(process, 12))
    transport = GrpcTransport(process.target)
    assert await is_serving(transport)
    await transport.close()


async def has_scheduled(process: ServiceProcess, count: int) -> bool:
    return process.metric("scheduler_schedule_attempts_total", 'result="scheduled"') == count


async def all_bound(client: Clientset, count: int) -> bool:
    return sum((await bound(client)).values()) == count


async def has_event(client: Clientset, reason: str) -> bool:
    return any(event.reason == reason for event in (await client.events.list("default")).items)


async def has_step(client: Clientset, made: pod_pb2.Pod) -> bool:
    trace = await client.pod_traces.get(made.metadata.uid, "default")
    return any(step.step == "SCHEDULED" for step in trace.status.steps)


@pytest.mark.requirement("B14")
async def test_a_pod_that_fits_nowhere_says_why_and_is_bound_when_room_comes(
    client: Clientset, schedulers: Callable[..., ServiceProcess]
) -> None:
    await make_nodes(client, 2)
    schedulers()
    await make_pods(client, 1, "8")

    async def says_why() -> bool:
        made = await client.pods.get("p000", "default")
        condition = get_condition(made.status, "PodScheduled")
        return condition is not None and condition.message == (
            "0/2 nodes are available: 2 Insufficient cpu. "
            "preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling."
        )

    await until(says_why)
    await until(lambda: has_event(client, "FailedScheduling"))
    await client.nodes.create(node("large", cpu="8"))
    await until(lambda: all_bound(client, 1))
    assert await bound(client) == {"large": 1}


async def test_a_scheduler_that_is_killed_again_and_again_binds_nothing_twice(
    client: Clientset, schedulers: Callable[..., ServiceProcess]
) -> None:
    await make_nodes(client, 10, cpu="30")
    names = NodeNames(client)
    async with running(names.run()):
        process = schedulers()
        for round_ in range(3):
            await make_pods(client, 100, first=100 * round_)
            await until(lambda least=100 * round_ + 20: at_least(client, least))
            process.kill()
            process = schedulers()
        await until(lambda: all_bound(client, 300))
        names.check()
    assert await bound(client) == {f"n{number}": 30 for number in range(10)}


async def at_least(client: Clientset, count: int) -> bool:
    return sum((await bound(client)).values()) >= count


async def test_an_apiserver_that_is_killed_leaves_every_pod_with_one_node(
    server: ApiserverProcess, client: Clientset, schedulers: Callable[..., ServiceProcess]
) -> None:
    await make_nodes(client, 5, cpu="40")
    names = NodeNames(client)
    async with running(names.run()):
        # On a busy machine the apiserver may be away for longer than a short lease: its holder would end.
        schedulers("--leader-elect=false")
        await make_pods(client, 200)
        await until(lambda: at_least(client, 10))
        server.kill()
        await asyncio.to_thread(server.spawn)
        await server.wait_healthy()
        await until(lambda: all_bound(client, 200))
        names.check()
    # Exactly full: had an outcome been guessed wrong, a node would hold more, or a Pod would be left.
    assert await bound(client) == {f"n{number}": 40 for number in range(5)}


async def test_two_schedulers_at_once_do_no_harm(
    client: Clientset, schedulers: Callable[..., ServiceProcess]
) -> None:
    await make_nodes(client, 5, cpu="100")
    names = NodeNames(client)
    async with running(names.run()):
        schedulers("--leader-elect=false")
        schedulers("--leader-elect=false")
        await make_pods(client, 200)
        await until(lambda: all_bound(client, 200))
        names.check()


def leads(process: ServiceProcess) -> bool:
    return process.metric("leader_election_master_status", 'name="kube-scheduler"') == 1


async def test_of_two_schedulers_one_works_and_the_other_takes_over_when_it_is_killed(
    client: Clientset, schedulers: Callable[..., ServiceProcess]
) -> None:
    await make_nodes(client, 5, cpu="40")
    names = NodeNames(client)
    async with running(names.run()):
        pair = [schedulers(), schedulers()]
        for process in pair:
            # A standby is healthy: its caches are filled.
            process.wait_healthy()
        await make_pods(client, 20)
        await until(lambda: all_bound(client, 20))
        (leader,) = [process for process in pair if leads(process)]
        (standby,) = [process for process in pair if process is not leader]
        assert standby.metric("scheduler_schedule_attempts_total") == 0
        await make_pods(client, 180, first=20)
        await until(lambda: at_least(client, 40))
        leader.kill()
        await until(lambda: all_bound(client, 200))
        names.check()
        # The old one may have bound them all before it died; the other leads when the lease is over.
        await until(lambda: has_lead(standby))
    # Exactly full: had the new leader forgotten what the old one bound, a node would hold more.
    assert await bound(client) == {f"n{number}": 40 for number in range(5)}
    lease = await client.leases.get("kube-scheduler", "kube-system")
    assert lease.spec.lease_transitions == 1
    # Events come when they come.
    await until(lambda: has_leader_events(client, 2))


async def has_lead(process: ServiceProcess) -> bool:
    return leads(process)


async def has_leader_events(client: Clientset, count: int) -> bool:
    events = (await client.events.list("kube-system")).items
    return (
        sum(event.reason == "LeaderElection" and "became leader" in event.message for event in events)
        == count
    )


async def test_a_leader_that_ends_in_good_order_is_followed_at_once(
    client: Clientset, schedulers: Callable[..., ServiceProcess]
) -> None:
    await make_nodes(client, 2)
    usual = ("--leader-elect-lease-duration-seconds=600", "--leader-elect-renew-deadline-seconds=500")
    first = schedulers(*usual)
    first.wait_healthy()
    await make_pods(client, 2)
    await until(lambda: all_bound(client, 2))
    first.close()
    # Had the lease not been given back, the second would wait ten minutes.
    schedulers(*usual)
    await make_pods(client, 2, first=2)
    await until(lambda: all_bound(client, 4))


async def test_a_leader_that_was_stopped_binds_nothing_when_it_wakes(
    client: Clientset, schedulers: Callable[..., ServiceProcess]
) -> None:
    await make_nodes(client, 4, cpu="50")
    names = NodeNames(client)
    async with running(names.run()):
        first = schedulers()
        await make_pods(client, 100)
        await until(lambda: at_least(client, 20))
        first.stop()
        second = schedulers()
        await make_pods(client, 100, first=100)
        await until(lambda: all_bound(client, 200))
        first.resume()
        # It finds that it lost the lease, and ends.
        assert await asyncio.to_thread(first.wait, 60) != 0
        names.check()
        assert leads(second)
    assert await bound(client) == {f"n{number}": 50 for number in range(4)}
