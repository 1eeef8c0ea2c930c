"""Replication over a bad network, with processes that die, and with two that both think they lead.

Never a Pod too many (I10, I18).
"""

import random
from contextlib import AsyncExitStack

import pytest

from controller.config import ControllerConfig
from controller.pods import pod_names
from tests.support.apiserver import make_apiserver
from tests.support.controlplane import controllers
from tests.support.faults import FaultyTransport
from vaina.api.core.v1 import pod_pb2, pod_service_pb2
from vaina.client.clientset import Clientset
from vaina.client.transport import InProcessTransport
from vaina.errors import Forbidden
from vaina.kinds import POD
from vaina.serving.handlers import Method, RequestContext
from vaina.testing.builders import make_pod, make_replica_set

REPLICAS = 20
CONFIG = ControllerConfig(controllers=("replicaset",))


class Counting:
    """Counts the Pods that the apiserver has created, and the most there were at once."""

    def __init__(self, server):
        self.server, self.created = server, 0
        inner = server.app.handlers[POD.method("CreateBatch")]

        async def create_batch(request: bytes, ctx: RequestContext) -> bytes:
            answer = await inner.fn(request, ctx)
            results = pod_service_pb2.PodBatchResponse.FromString(answer).results
            self.created += sum(not result.HasField("error") for result in results)
            return answer

        self.handlers = {**server.app.handlers, POD.method("CreateBatch"): Method(inner.kind, create_batch)}

    def transport(self) -> InProcessTransport:
        return InProcessTransport(self.handlers)


async def live(server) -> list[pod_pb2.Pod]:
    pods = (await server.client.pods.list("default")).items
    return [pod for pod in pods if not pod.metadata.HasField("deletion_timestamp")]


def all_there(server, count=REPLICAS):
    async def check():
        status = (await server.client.replica_sets.get("web", "default")).status
        return len(await live(server)) == count and status.replicas == count

    return check


async def start(replicas=REPLICAS):
    server = make_apiserver()
    await server.app.bootstrap()
    await server.client.replica_sets.create(make_replica_set("web", replicas=replicas))
    return server, Counting(server)


@pytest.mark.parametrize("seed", range(6))
async def test_answers_that_are_lost_never_make_a_pod_too_many(seed):
    server, counting = await start()
    faulty = FaultyTransport(
        counting.transport(), random.Random(seed), lose_request=0.1, lose_answer=0.4, break_stream=0.05,
        verbs=("CreateBatch", "UpdateStatus"),
    )  # fmt: skip
    async with controllers(server, CONFIG, client=Clientset(faulty)) as plane:
        await plane.until(all_there(server), seconds=600)
        await plane.clock.advance(60)
    assert faulty.lost > 0
    assert counting.created == REPLICAS


@pytest.mark.parametrize("seed", range(4))
async def test_a_controller_that_is_killed_again_and_again_makes_no_pod_too_many(seed):
    server, counting = await start()
    rng = random.Random(seed)
    for _ in range(8):
        async with controllers(server, CONFIG, client=Clientset(counting.transport())) as plane:
            await plane.clock.advance(rng.random() * 0.02)
    async with controllers(server, CONFIG, client=Clientset(counting.transport())) as plane:
        await plane.until(all_there(server))
    assert counting.created == REPLICAS


@pytest.mark.parametrize("seed", range(4))
async def test_two_that_both_think_they_lead_make_one_set_of_pods(seed):
    server, counting = await start()
    rng = random.Random(seed)
    async with AsyncExitStack() as stack:
        for _ in range(2):
            faulty = FaultyTransport(counting.transport(), rng, break_stream=0.2)
            plane = await stack.enter_async_context(controllers(server, CONFIG, client=Clientset(faulty)))
        await plane.until(all_there(server), seconds=120)
        scale = await server.client.replica_sets.get_scale("web", "default")
        scale.spec.replicas = REPLICAS + 10
        await server.client.replica_sets.update_scale(scale)
        await plane.until(all_there(server, REPLICAS + 10), seconds=120)
        await plane.clock.advance(30)
        assert len(await live(server)) == REPLICAS + 10
    assert counting.created == REPLICAS + 10


async def test_when_every_creation_is_refused_it_is_tried_once_a_sync_and_told():
    server, counting = await start(5)
    tried = []

    async def refuse(request: bytes, ctx: RequestContext) -> bytes:
        tried.append(len(pod_service_pb2.CreatePodBatchRequest.FromString(request).requests))
        answer = pod_service_pb2.PodBatchResponse()
        for _ in range(tried[-1]):
            answer.results.add(error=Forbidden("exceeded quota").to_status())
        return answer.SerializeToString()

    working = counting.handlers[POD.method("CreateBatch")]
    counting.handlers[POD.method("CreateBatch")] = Method(working.kind, refuse)
    async with controllers(server, CONFIG, client=Clientset(counting.transport())) as plane:
        await plane.clock.advance(3)
        assert set(tried) == {1}, "slow start: no second Pod is tried when the first is refused"
        (condition,) = (await server.client.replica_sets.get("web", "default")).status.conditions
        assert (condition.type, condition.reason, condition.message) == (
            "ReplicaFailure", "FailedCreate", "exceeded quota",
        )  # fmt: skip
        events = [event for event in await plane.events() if event.reason == "FailedCreate"]
        assert {(event.type, event.message) for event in events} == {
            ("Warning", "Error creating: exceeded quota")
        }
        counting.handlers[POD.method("CreateBatch")] = working
        await plane.until(all_there(server, 5), seconds=120)

        async def told():
            return not (await server.client.replica_sets.get("web", "default")).status.conditions

        await plane.until(told)


async def test_a_taken_name_that_is_somebody_elses_is_gone_around():
    server, counting = await start(0)
    made = await server.client.replica_sets.get("web", "default")
    (name,) = pod_names("web", made.metadata.uid, 1)
    await server.client.pods.create(make_pod(name, labels={"app": "stranger"}))
    async with controllers(server, CONFIG, client=Clientset(counting.transport())) as plane:
        scale = await server.client.replica_sets.get_scale("web", "default")
        scale.spec.replicas = 2
        await server.client.replica_sets.update_scale(scale)

        async def both():
            pods = (await server.client.pods.list("default", label_selector="app=web")).items
            return len(pods) == 2

        await plane.until(both)
    stranger = await server.client.pods.get(name, "default")
    assert not stranger.metadata.owner_references
