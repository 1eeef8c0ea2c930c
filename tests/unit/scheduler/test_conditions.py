"""PodScheduled=False: written once, again when the words change, and never over a binding."""

import random
from collections.abc import Callable

from scheduler.columns.pod_info import PodInfo
from scheduler.conditions import ConditionWriter
from tests.support.apiserver import Harness, make_apiserver
from tests.support.faults import FaultyTransport
from tests.support.tasks import running
from tests.unit.scheduler.objects import info, pod
from vaina.client.clientset import Clientset
from vaina.client.transport import Metadata
from vaina.objects.conditions import get_condition
from vaina.testing.clock import settle


class Counting(FaultyTransport):
    """Counts the calls of each verb."""

    def __init__(self, harness: Harness) -> None:
        super().__init__(harness.client.transport, random.Random(1), verbs=["UpdateStatusBatch"])
        self.calls = 0
        #: called while a write is under way
        self.meanwhile: Callable[[], None] = lambda: None

    async def unary(
        self, method: str, request: bytes, *, timeout: float = 10.0, metadata: Metadata = ()
    ) -> bytes:
        if method.endswith("/UpdateStatusBatch"):
            self.calls += 1
            self.meanwhile()
        return await super().unary(method, request, timeout=timeout, metadata=metadata)


async def created(server: Harness, name: str) -> PodInfo:
    made = pod(name)
    made.metadata.uid = ""
    return info(await server.client.pods.create(made))


async def test_the_newest_words_are_written_and_the_same_words_are_not() -> None:
    server = make_apiserver()
    transport = Counting(server)
    writer = ConditionWriter(Clientset(transport).pods, server.clock)
    web = await created(server, "web")
    async with running(writer.run()):
        writer.unschedulable(web, "too small")
        writer.unschedulable(web, "much too small")
        await server.clock.advance(1.0)
        made = await server.client.pods.get("web", "default")
        condition = get_condition(made.status, "PodScheduled")
        assert condition is not None
        assert (condition.reason, condition.message) == ("Unschedulable", "much too small")
        assert transport.calls == 1
        writer.unschedulable(info(made), "much too small")
        await server.clock.advance(1.0)
        assert transport.calls == 1


async def test_nothing_is_said_of_a_pod_that_was_dropped() -> None:
    server = make_apiserver()
    transport = Counting(server)
    writer = ConditionWriter(Clientset(transport).pods, server.clock)
    web = await created(server, "web")
    async with running(writer.run()):
        writer.unschedulable(web, "too small")
        writer.drop(web.uid)
        await server.clock.advance(1.0)
    assert transport.calls == 0


async def test_a_write_that_was_lost_is_tried_again_and_newer_words_win() -> None:
    server = make_apiserver()
    transport = Counting(server)
    transport.lose_request = 1.0
    writer = ConditionWriter(Clientset(transport).pods, server.clock)
    web = await created(server, "web")
    gone = info(pod("gone", uid="nobody"))
    async with running(writer.run()):
        writer.unschedulable(web, "old")
        writer.unschedulable(gone, "old")
        await server.clock.advance(0.5)
        writer.unschedulable(web, "new")
        transport.lose_request = 0.0
        await server.clock.advance(3.0)
        condition = get_condition((await server.client.pods.get("web", "default")).status, "PodScheduled")
        assert condition is not None
        assert condition.message == "new"


async def test_a_pod_that_is_dropped_while_its_write_is_lost_is_left_alone() -> None:
    server = make_apiserver()
    transport = Counting(server)
    transport.lose_request = 1.0
    writer = ConditionWriter(Clientset(transport).pods, server.clock)
    web = await created(server, "web")
    transport.meanwhile = lambda: writer.drop(web.uid)
    async with running(writer.run()):
        writer.unschedulable(web, "too small")
        await server.clock.advance(3.0)
    assert transport.calls == 1


async def test_a_binding_waits_for_the_write_that_is_under_way() -> None:
    server = make_apiserver()
    writer = ConditionWriter(server.client.pods, server.clock)
    web = await created(server, "web")
    order: list[str] = []

    async def bind() -> None:
        await writer.landed([web.uid])
        order.append("bound")

    await writer.landed([web.uid])
    writer._flying = frozenset({web.uid})
    async with running(bind()):
        await settle()
        assert order == []
        writer._flying = frozenset()
        writer._landed.set()
        await settle()
        assert order == ["bound"]
