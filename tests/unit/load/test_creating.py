"""Creating at a pace and seeing what becomes of the Pods, over an apiserver in memory."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence

import pytest

from apiserver.storage.memory import MemoryStorage
from bench.load.create import Creator, Pace
from bench.load.making import Making
from bench.load.measure import page_of
from bench.load.observe import Observer
from bench.load.parse import WORKLOADS
from bench.load.podset import PodSet
from bench.load.scrape import Page
from bench.load.settings import Settings
from bench.load.steps import churn
from bench.load.templates import POD_DEFAULT, Template
from bench.load.workload import Churn
from tests.support.direct import build_handlers
from tests.support.tasks import running
from vaina.api.core.v1 import pod_pb2
from vaina.client.clientset import Clientset
from vaina.client.transport import InProcessTransport, Metadata
from vaina.clock import SystemClock
from vaina.errors import Invalid, TooManyRequests
from vaina.testing.builders import make_node

RUN = "load.vaina.dev/run"


class Refusing(InProcessTransport):
    """Refuses the first creations, and the first deletions."""

    refuse = refuse_deletions = 0
    #: that were not refused
    deletions = 0

    async def unary(
        self, method: str, request: bytes, *, timeout: float = 10.0, metadata: Metadata = ()
    ) -> bytes:
        if method.endswith(("/Create", "/CreateBatch")) and self.refuse:
            self.refuse -= 1
            raise TooManyRequests("too many requests", retry_seconds=1)
        if method.endswith("/Delete"):
            if self.refuse_deletions:
                self.refuse_deletions -= 1
                raise TooManyRequests("too many requests", retry_seconds=1)
            self.deletions += 1
        return await super().unary(method, request, timeout=timeout, metadata=metadata)


@pytest.fixture
def transport() -> Refusing:
    clock = SystemClock()
    return Refusing(build_handlers(MemoryStorage(), clock), clock=clock)


@pytest.fixture
def client(transport: Refusing) -> Clientset:
    return Clientset(transport)


def pods(count: int) -> PodSet:
    return PodSet("step", "default", [f"p{index}" for index in range(count)])


def make(index: int) -> pod_pb2.Pod:
    pod: pod_pb2.Pod = Template(POD_DEFAULT).maker("r").make(index, "")
    pod.metadata.name, pod.metadata.namespace = f"p{index}", "default"
    pod.metadata.labels[RUN] = "r"
    return pod


async def create(client: Clientset, made: PodSet, pace: Pace) -> Creator:
    creator = Creator(client, pace, Observer.now)
    await creator.create(made, make)
    return creator


@pytest.mark.parametrize("pace", [Pace(3, 1), Pace(2, 4), Pace(2, 1000)])
async def test_closed_loop_creates_each_once(client: Clientset, pace: Pace) -> None:
    made = pods(10)
    await create(client, made, pace)
    names = {pod.metadata.name for pod in (await client.pods.list("default")).items}
    assert names == set(made.names)
    assert all(begin <= end for begin, end in zip(made.intended, made.created, strict=True))


def test_a_pause_of_an_open_loop_is_not_taken_for_a_scheduler_that_stands_still() -> None:
    made = pods(2)
    assert made.is_idle
    made.asked_count = 1
    assert not made.is_idle
    made.see_bound(0, "n", 1.0)
    assert made.is_idle
    made.asked_count = 2
    made.see_bound(1, "n", 2.0)
    assert not made.is_idle


@pytest.mark.parametrize("batch", [1, 3])
async def test_open_loop_counts_from_when_a_pod_was_due(client: Clientset, batch: int) -> None:
    # One caller, and all due in one moment: the later ones wait, and their wait is part of what is measured.
    made = pods(6)
    await create(client, made, Pace(1, batch, [0.0, 0.0, 0.0, 0.0, 0.0, 0.05]))
    assert len(set(made.intended[:5])) == 1
    assert made.intended[5] == pytest.approx(made.intended[0] + 0.05)
    assert made.created[5] >= made.intended[5]
    # One call after the other: who was due with the first one has waited for it.
    assert made.created[0] < made.created[4]


async def test_open_loop_does_not_begin_before_a_pod_is_due(client: Clientset) -> None:
    made = pods(2)
    begun = time.perf_counter()
    await create(client, made, Pace(4, 1, [0.0, 0.1]))
    assert made.created[1] - begun >= 0.1


@pytest.mark.parametrize("batch", [1, 5])
async def test_what_is_refused_for_now_is_asked_again(
    client: Clientset, transport: Refusing, batch: int
) -> None:
    transport.refuse = 2
    made = pods(5)
    creator = await create(client, made, Pace(1, batch))
    assert len((await client.pods.list("default")).items) == 5
    assert creator.retries == {"TooManyRequests": 2 * batch}


async def test_what_is_wrong_ends_the_run(client: Clientset) -> None:
    def bad(index: int) -> pod_pb2.Pod:
        pod = make(index)
        pod.spec.containers[0].image = ""
        return pod

    with pytest.raises(ExceptionGroup) as caught:
        await Creator(client, Pace(1, 2), Observer.now).create(pods(2), bad)
    assert caught.group_contains(Invalid)


async def test_a_churn_goes_on_when_a_deletion_is_refused(client: Clientset, transport: Refusing) -> None:
    transport.refuse_deletions, notes = 1, list[str]()
    making = Making(client, Settings(run="r"), WORKLOADS / "templates")
    step = Churn(template_paths=["churn/config-map.yaml"], mode="recreate", number=2, interval_milliseconds=1)
    async with running(churn(client, making, step, "churning", Observer(client, ""), notes)):
        await until(lambda: transport.deletions >= 3)
    assert len(notes) == 1
    assert notes[0].endswith(": too many requests")


async def test_a_churn_goes_by_pods_where_it_is_told_to(client: Clientset) -> None:
    made, observer, notes = pods(25), Observer(client, f"{RUN}=r"), list[str]()
    observer.follow(made)
    await client.nodes.create(make_node("n0"))
    making = Making(client, Settings(run="r"), WORKLOADS / "templates")
    step = Churn(template_paths=["churn/config-map.yaml"], every_pods=10)

    async def has_made(rounds: int) -> bool:
        return len((await client.config_maps.list("r-churning")).items) == rounds

    async def bind(numbers: range) -> None:
        for index in numbers:
            await client.pods.bind(f"p{index}", namespace="default", uid="", node="n0")
        await observer.wait_bound(numbers.stop)

    async with running(observer.run()):
        await observer.ready.wait()
        await create(client, made, Pace(1, 25))
        async with running(churn(client, making, step, "churning", observer, notes)):
            # The first round is made at once, one after 10 Pods, and one after 20.
            await until_true(lambda: has_made(1))
            await bind(range(9))
            assert await has_made(1)
            await bind(range(9, 25))
            await until_true(lambda: has_made(3))
    assert notes == []


async def test_a_churn_that_cannot_keep_up_with_the_pods_says_so(client: Clientset) -> None:
    made, observer, notes = pods(25), Observer(client, f"{RUN}=r"), list[str]()
    observer.follow(made)
    making = Making(client, Settings(run="r"), WORKLOADS / "templates")
    step = Churn(template_paths=["churn/config-map.yaml"], every_pods=10)

    async def begun() -> bool:
        return len((await client.config_maps.list("r-churning")).items) == 1

    async with running(churn(client, making, step, "churning", observer, notes)):
        await until_true(begun)
        # All were bound before the churn came to know of it.
        for index in range(25):
            made.see_bound(index, "n0", 1.0)
    assert notes == ["churn: it could not keep up: 2 rounds were due and not made"]


async def test_the_observer_sees_bound_running_and_gone(client: Clientset) -> None:
    made, observer = pods(3), Observer(client, f"{RUN}=r")
    for name in ("n0", "n1"):
        await client.nodes.create(make_node(name))
    observer.follow(made)
    async with running(observer.run()):
        await observer.ready.wait()
        await create(client, made, Pace(1, 3))
        before = Observer.now()
        for index in (0, 1):
            await client.pods.bind(f"p{index}", namespace="default", uid="", node=f"n{index}")
        pod = await client.pods.get("p0", "default")
        pod.status.phase = "Running"
        await client.pods.update_status(pod, mask=["phase"])
        await client.pods.delete("p1", "default", grace_period_seconds=0)
        await until(lambda: made.progress == (2, 1, 1))
    assert made.nodes == ["n0", "n1", ""]
    assert made.first_bound >= before
    assert math.isnan(made.bound[2])
    assert made.unbound() == ["p2"]
    assert not made.settled.is_set()


async def until(holds: Callable[[], bool]) -> None:
    """Return when something holds that has no event of its own."""

    async def asked() -> bool:
        return holds()

    await until_true(asked)


async def until_true(holds: Callable[[], Awaitable[bool]]) -> None:
    """Return when something holds that is asked for."""
    clock = SystemClock()
    end = clock.monotonic() + 60
    while not await holds():
        assert clock.monotonic() < end
        await clock.sleep(0.005)


def settle(wants_running: bool, events: Sequence[tuple[str, int]]) -> bool:
    made = PodSet("step", "default", ["a", "b"], wants_running=wants_running)
    for what, index in events:
        match what:
            case "bound":
                made.see_bound(index, "n", 1.0)
            case "running":
                made.see_running(index, 2.0)
            case _:
                made.see_gone(index)
    return made.settled.is_set()


@pytest.mark.parametrize(
    ("wants_running", "events", "settled"),
    [
        (False, [], False),
        (False, [("bound", 0)], False),
        (False, [("bound", 0), ("bound", 0)], False),
        (False, [("bound", 0), ("bound", 1)], True),
        (True, [("bound", 0), ("bound", 1)], False),
        (True, [("bound", 0), ("bound", 1), ("running", 0), ("running", 0)], False),
        (True, [("bound", 0), ("bound", 1), ("running", 0), ("running", 1)], True),
        # Preempted before it ran: it never will.
        (True, [("bound", 0), ("bound", 1), ("running", 0), ("gone", 1)], True),
        # ... and after it ran it does not count twice.
        (True, [("bound", 0), ("bound", 1), ("running", 0), ("gone", 0)], False),
    ],
)
def test_when_a_step_is_settled(
    wants_running: bool, events: Sequence[tuple[str, int]], settled: bool
) -> None:
    assert settle(wants_running, events) is settled


def test_a_step_without_pods_is_settled() -> None:
    assert PodSet("step", "default", []).settled.is_set()


def test_a_page_of_metrics_is_read() -> None:
    page = Page(
        "# HELP a b\n"
        'scheduler_pending_pods{queue="active"} 3\n'
        'scheduler_pending_pods{queue="back,\\"off"} 2.0\n'
        "process_cpu_seconds_total 1.5\n"
        "broken\n"
    )
    assert page.by("scheduler_pending_pods", "queue") == {"active": 3, 'back,\\"off': 2}
    assert page.total("scheduler_pending_pods") == 5
    assert page.total("process_cpu_seconds_total") == 1.5
    assert page.total("nothing") == 0


def test_what_is_no_page_of_metrics_has_no_samples() -> None:
    assert Page("hello world\n<html> 5 </html>\n").total("hello") == 0


@pytest.mark.parametrize("url", ["nonsense", "http://{}/metrics"])
async def test_a_page_that_cannot_be_read_is_empty(url: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # As a gRPC server does: this is no HTTP/1.
        await reader.readline()
        writer.write(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        page = await page_of(url.format(f"{host}:{port}"))
    assert page.total("process_cpu_seconds_total") == 0
