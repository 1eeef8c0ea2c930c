"""Which Pods have a trace, and how everybody who would report a step of them knows (decision 171)."""

import random

import pytest

from apiserver.build import App, build
from apiserver.registry.pod_traces import MAX_MESSAGE, MAX_WAITS
from apiserver.storage.memory import MemoryStorage
from tests.support.direct import Direct
from vaina.api.core.v1 import namespace_pb2, pod_pb2
from vaina.api.trace.v1 import trace_service_pb2
from vaina.client.clientset import Clientset
from vaina.client.transport import InProcessTransport
from vaina.client.verbs import binding
from vaina.steps import TRACE_ANNOTATION, PodStep, may_have_trace
from vaina.testing.builders import make_node, make_pod
from vaina.testing.clock import FakeClock

#: as many as have one at once
CHOSEN = 200


class Apiserver:
    def __init__(self, traces_per_second: float = 50.0) -> None:
        self.clock = FakeClock()
        storage = MemoryStorage(self.clock)
        # Real uids: those of the test kit are no UUIDs, and say nothing.
        self.app: App = build(
            Direct(storage), self.clock, rng=random.Random(1), traces_per_second=traces_per_second
        )
        self.warnings: list[str] = []
        self.client = Clientset(InProcessTransport(self.app.handlers, on_warning=self.warnings.append))

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
        return {trace.metadata.name for trace in (await self.client.pod_traces.list("default")).items}


def _bare(name: str) -> pod_pb2.Pod:
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


async def test_who_asks_for_a_trace_beforehand_has_one_however_many_there_are(api: Apiserver) -> None:
    await api.create(0, CHOSEN)
    asked = [_bare(f"asked-{number}") for number in range(3)]
    for pod in asked:
        pod.metadata.annotations[TRACE_ANNOTATION] = "true"
    made = await api.client.pods.create_batch(asked)
    lone = _bare("lone")
    lone.metadata.annotations[TRACE_ANNOTATION] = "true"
    uids = {pod.metadata.uid for pod in (*made, await api.client.pods.create(lone))}  # type: ignore[union-attr]
    assert len(uids) == 4
    assert uids <= await api.traces()


async def ask(api: Apiserver, first: int, count: int) -> list[str]:
    """Make Pods that ask for a trace, in batches; return the uids of those that have one."""
    uids = list[str]()
    for begin in range(first, first + count, 500):
        pods = [_bare(f"asked-{number:04}") for number in range(begin, min(begin + 500, first + count))]
        for pod in pods:
            pod.metadata.annotations[TRACE_ANNOTATION] = "true"
        made = await api.client.pods.create_batch(pods)
        uids.extend(pod.metadata.uid for pod in made)  # type: ignore[union-attr]  # none is refused
    return [uid for uid in uids if may_have_trace(uid)]


async def test_who_asks_for_a_trace_leaves_the_sample_its_places_and_is_told_when_there_are_too_many(
    api: Apiserver,
) -> None:
    assert len(await ask(api, 0, 1000)) == 1000
    assert [text for text in api.warnings if "trace" in text] == []
    assert await ask(api, 1000, 20) == []
    warning = next(text for text in api.warnings if "trace" in text)
    assert warning.startswith("metadata.annotations[vaina.dev/trace]: more than 1000 pods at once")
    assert len([uid for uid in await api.create(0, 250) if may_have_trace(uid)]) == CHOSEN
    await api.clock.advance(1)
    assert len(await ask(api, 2000, 60)) == 50


async def test_without_a_sample_those_alone_have_a_trace_that_ask_for_one() -> None:
    api = Apiserver(traces_per_second=0)
    await api.begin()
    assert not any(map(may_have_trace, await api.create(0, 10)))
    [asked] = await ask(api, 0, 1)
    await api.clock.advance(10)
    lone = await api.client.pods.create(_bare("lone"))
    assert await api.traces() == {asked}
    assert not may_have_trace(lone.metadata.uid)


@pytest.mark.parametrize(("per_second", "at_once"), [(0.1, 1), (10, 40), (50, 200)])
async def test_a_sample_has_four_seconds_worth_of_places_and_one_at_least(
    per_second: float, at_once: int
) -> None:
    api = Apiserver(traces_per_second=per_second)
    await api.begin()
    assert sum(map(may_have_trace, await api.create(0, 250))) == at_once


async def test_a_pod_that_is_bound_by_hand_has_its_step(api: Apiserver) -> None:
    pod = await api.client.pods.create(_bare("web"))
    await api.client.nodes.create(make_node("n1"))
    await api.client.pods.bind("web", namespace="default", uid=pod.metadata.uid, node="n1")
    batch = await api.client.pods.create(_bare("batch"))
    await api.client.pods.bind_batch([binding("default", "batch", batch.metadata.uid, "n1")])
    named = _bare("named")
    named.spec.node_name = "n1"
    await api.client.pods.create(named)
    await api.traces()
    said = {
        trace.spec.pod_name: next(step.message for step in trace.status.steps if step.step == "SCHEDULED")
        for trace in (await api.client.pod_traces.list("default")).items
    }
    assert said == {
        "web": "n1, by hand",
        "batch": "n1, by hand",
        "named": "n1, by whoever made the pod",
    }


async def test_what_a_step_waits_for_is_kept_and_ends(api: Apiserver) -> None:
    pod = await api.client.pods.create(_bare("web"))
    await api.traces()
    report = trace_service_pb2.StepReport(
        namespace="default", pod_name="web", pod_uid=pod.metadata.uid, wait=True
    )
    report.record.step, report.record.component, report.record.message = "STARTED", "kubelet", "image busybox"
    report.record.start_time.seconds = 100
    await api.client.pod_traces.report([report])
    report.record.end_time.seconds = 102
    await api.client.pod_traces.report([report])
    trace = await api.client.pod_traces.get(pod.metadata.uid, "default")
    assert [(wait.message, wait.end_time.seconds) for wait in trace.status.waits] == [("image busybox", 102)]
    assert [step.step for step in trace.status.steps] == ["ADMITTED"]


async def test_of_waits_so_many_are_kept_and_of_what_they_say_so_much(api: Apiserver) -> None:
    pod = await api.client.pods.create(_bare("web"))
    await api.traces()
    for number in range(MAX_WAITS + 5):
        report = trace_service_pb2.StepReport(
            namespace="default", pod_name="web", pod_uid=pod.metadata.uid, wait=True
        )
        report.record.step, report.record.component = "STARTED", "kubelet"
        report.record.message = f"{number} {'x' * 100_000}"
        report.record.start_time.seconds = 100 + number
        await api.client.pod_traces.report([report])
        # Its end finds it, though it was cut off.
        report.record.end_time.seconds = 200
        await api.client.pod_traces.report([report])
    waits = (await api.client.pod_traces.get(pod.metadata.uid, "default")).status.waits
    assert [wait.start_time.seconds for wait in waits] == [*range(100, 100 + MAX_WAITS)]
    assert {(len(wait.message), wait.end_time.seconds) for wait in waits} == {(MAX_MESSAGE, 200)}
