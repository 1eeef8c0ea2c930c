"""Which Pods have a trace, and how everybody who would report a step of them knows (decision 171)."""

import random

import pytest

from apiserver.build import App, build
from apiserver.registry.direct import Direct
from apiserver.storage.memory import MemoryStorage
from vaina.api.core.v1 import namespace_pb2
from vaina.api.trace.v1 import trace_service_pb2
from vaina.client.clientset import Clientset
from vaina.client.transport import InProcessTransport
from vaina.steps import PodStep, may_have_trace
from vaina.testing.builders import make_pod
from vaina.testing.clock import FakeClock

#: as many as have one at once
CHOSEN = 200


class Apiserver:
    def __init__(self) -> None:
        self.clock = FakeClock()
        storage = MemoryStorage(self.clock)
        # Real uids: those of the test kit are no UUIDs, and say nothing.
        self.app: App = build(Direct(storage), self.clock, rng=random.Random(1))
        self.client = Clientset(InProcessTransport(self.app.handlers))

    async def begin(self) -> None:
        namespace = namespace_pb2.Namespace()
        namespace.metadata.name = "default"
        await self.client.namespaces.create(namespace)

    async def create(self, first: int, count: int) -> list[str]:
        pods = [_bare(f"p{number:03}") for number in range(first, first + count)]
        made = await self.client.pods.create_batch(pods)
        return [pod.metadata.uid for pod in made]  # type: ignore[union-attr]  # none is refused

    async def traces(self) -> set[str]:
        await self.app.trace_writer.flush(self.app.traces)
        return {trace.metadata.name for trace in (await self.client.pod_traces.list_all("default")).items}


def _bare(name: str):
    pod = make_pod(name)
    pod.metadata.uid = ""
    return pod


@pytest.fixture
async def api() -> Apiserver:
    api = Apiserver()
    await api.begin()
    return api


async def test_a_pod_has_a_trace_if_and_only_if_its_uid_does_not_deny_it(api: Apiserver) -> None:
    uids = await api.create(0, 250)
    assert len({*uids}) == 250
    traced = {uid for uid in uids if may_have_trace(uid)}
    assert len(traced) == CHOSEN
    assert await api.traces() == traced
    # Some time later one that comes alone has one again.
    await api.clock.advance(1)
    one = await api.client.pods.create(_bare("one"))
    assert may_have_trace(one.metadata.uid)
    assert one.metadata.uid in await api.traces()


async def test_trials_leave_the_traces_to_pods_that_come(api: Apiserver) -> None:
    for _ in range(CHOSEN):
        await api.client.pods.create(_bare("web"), dry_run=True)
    assert all(map(may_have_trace, await api.create(0, 50)))


async def test_a_report_of_a_pod_without_a_trace_begins_none(api: Apiserver) -> None:
    uids = await api.create(0, CHOSEN + 1)
    await api.clock.advance(60)
    report = trace_service_pb2.StepReport(namespace="default", pod_name="p200", pod_uid=uids[-1])
    report.record.step = PodStep.SCHEDULED
    await api.client.pod_traces.report([report])
    assert uids[-1] not in await api.traces()


async def test_a_trace_of_a_pod_that_goes_is_kept_and_one_without_leaves_nothing(api: Apiserver) -> None:
    uids = await api.create(0, CHOSEN + 1)
    await api.traces()
    for number in (0, CHOSEN):
        await api.client.pods.delete(f"p{number:03}", "default", grace_period_seconds=0)
    assert uids[-1] not in await api.traces()
    gone = await api.client.pod_traces.get(uids[0], "default")
    assert gone.status.HasField("pod_deleted_time")
