"""Statuses on their way: deduplicated, in order, again when lost."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from prometheus_client import CollectorRegistry

from kubelet.metrics import KubeletMetrics
from kubelet.status.manager import PARALLEL, StatusManager
from tests.unit.kubelet.harness import Recorder
from vaina.api.core.v1 import pod_pb2
from vaina.backoff import Backoff
from vaina.errors import ApiError, Conflict, NotFound, Unavailable
from vaina.steps import PodStep
from vaina.testing.builders import make_pod
from vaina.testing.clock import FakeClock, settle


@dataclass
class Pods:
    """The part of the client that the manager uses; answers are errors while there are any."""

    errors: list[ApiError] = field(default_factory=list)
    written: list[tuple[str, str]] = field(default_factory=list)
    deleted: list[tuple[str, int | None, str | None]] = field(default_factory=list)
    calls: int = 0
    #: of the objects in the answers
    version: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    async def update_status(self, pod: pod_pb2.Pod, *, mask: Sequence[str] = ()) -> pod_pb2.Pod:
        self.calls += 1
        await self.gate.wait()
        if self.errors:
            raise self.errors.pop(0)
        self.written.append((pod.metadata.name, pod.status.phase))
        if self.version:
            pod.metadata.resource_version = str(self.version)
        return pod

    async def update_status_batch(
        self, changes: Sequence[tuple[pod_pb2.Pod, Sequence[str]]]
    ) -> Sequence[pod_pb2.Pod | ApiError]:
        self.calls += 1
        await self.gate.wait()
        results: list[pod_pb2.Pod | ApiError] = []
        for pod, _ in changes:
            if self.errors:
                results.append(self.errors.pop(0))
            else:
                self.written.append((pod.metadata.name, pod.status.phase))
                results.append(pod)
        return results

    async def delete(
        self, name: str, namespace: str, *, grace_period_seconds: int | None = None, uid: str | None = None
    ) -> pod_pb2.Pod:
        if self.errors:
            raise self.errors.pop(0)
        self.deleted.append((name, grace_period_seconds, uid))
        return pod_pb2.Pod()

    async def delete_batch(
        self, objects: Sequence[tuple[str, str, str]], *, grace_period_seconds: int | None = None
    ) -> Sequence[pod_pb2.Pod | ApiError]:
        results: list[pod_pb2.Pod | ApiError] = []
        for _, name, uid in objects:
            if self.errors:
                results.append(self.errors.pop(0))
            else:
                self.deleted.append((name, grace_period_seconds, uid))
                results.append(pod_pb2.Pod())
        return results


@dataclass
class Given:
    manager: StatusManager
    pods: Pods
    clock: FakeClock
    steps: Recorder


@asynccontextmanager
async def running() -> AsyncIterator[Given]:
    clock, pods, steps = FakeClock(), Pods(), Recorder()
    manager = StatusManager(
        cast(Any, pods), clock, steps=steps, node_name="node-1",
        metrics=KubeletMetrics(CollectorRegistry(), clock), backoff=Backoff(0.5, 10.0), rng=random.Random(4),
    )  # fmt: skip
    async with asyncio.TaskGroup() as group:
        task = group.create_task(manager.run())
        yield Given(manager, pods, clock, steps)
        task.cancel()


def phase(name: str) -> pod_pb2.PodStatus:
    return pod_pb2.PodStatus(phase=name)


async def test_a_status_is_written_once() -> None:
    async with running() as on:
        on.manager.set(make_pod(), phase("Running"))
        await settle()
        on.manager.set(make_pod(), phase("Running"))
        await settle()

        assert on.pods.written == [("web", "Running")]
        assert on.steps.steps == [PodStep.REPORTED]


async def test_what_the_apiserver_has_already_is_not_written() -> None:
    async with running() as on:
        pod = make_pod(phase="Running")
        on.manager.set(pod, phase("Running"))
        await settle()

        assert on.pods.calls == 0


async def test_of_several_that_wait_only_the_newest_goes_out() -> None:
    async with running() as on:
        on.pods.gate.clear()
        on.manager.set(make_pod(), phase("Pending!"))
        await settle()
        on.manager.set(make_pod(), phase("Running"))
        on.manager.set(make_pod(), phase("Succeeded"))
        await settle()
        assert on.pods.calls == 1, "a Pod's second write waits for its first"
        on.pods.gate.set()
        await settle()

        assert on.pods.written == [("web", "Pending!"), ("web", "Succeeded")]


async def test_what_comes_together_goes_out_together() -> None:
    async with running() as on:
        for index in range(10):
            on.manager.set(make_pod(f"web-{index}"), phase("Running"))
        await settle()

        assert on.pods.calls == 1
        assert len(on.pods.written) == 10


async def test_a_write_that_failed_is_repeated() -> None:
    async with running() as on:
        on.pods.errors.append(Unavailable("away"))
        on.manager.set(make_pod(), phase("Running"))
        await on.clock.advance(1)

        assert on.pods.written == [("web", "Running")]


async def test_a_pod_that_is_gone_is_not_tried_again() -> None:
    async with running() as on:
        on.pods.errors += [NotFound("gone")]
        on.manager.set(make_pod(), phase("Running"))
        await on.clock.advance(60)

        assert on.pods.calls == 1


async def test_an_ended_pod_is_deleted_after_its_last_status() -> None:
    async with running() as on:
        pod = make_pod()
        on.pods.gate.clear()
        on.manager.set(pod, phase("Failed"))
        on.manager.finish(pod)
        await settle()
        assert on.pods.deleted == []
        on.pods.gate.set()
        await settle()

        assert on.pods.deleted == [("web", 0, pod.metadata.uid)]
        on.manager.finish(pod)
        await on.clock.advance(60)
        assert len(on.pods.deleted) == 1


async def test_a_deletion_that_failed_is_repeated_unless_there_is_nothing_to_delete() -> None:
    async with running() as on:
        pod = make_pod(phase="Failed")
        on.manager.set(pod, phase("Failed"))
        on.pods.errors += [Unavailable("away")]
        on.manager.finish(pod)
        await on.clock.advance(2)
        assert len(on.pods.deleted) == 1

        other = make_pod("other", phase="Failed")
        on.manager.set(other, phase("Failed"))
        on.pods.errors += [Conflict("another Pod has the name")]
        on.manager.finish(other)
        await on.clock.advance(60)

        assert len(on.pods.deleted) == 1


async def test_of_pods_that_end_together_those_are_deleted_again_whose_deletion_failed() -> None:
    async with running() as on:
        pods = [make_pod(name, phase="Failed") for name in ("away", "gone", "last")]
        on.pods.errors += [Unavailable("away"), NotFound("gone")]
        for pod in pods:
            on.manager.set(pod, phase("Failed"))
            on.manager.finish(pod)
        await settle()
        assert on.pods.deleted == [("last", 0, pods[2].metadata.uid)]

        await on.clock.advance(60)
        assert on.pods.deleted[1:] == [("away", 0, pods[0].metadata.uid)]


async def test_what_somebody_else_wrote_is_put_right() -> None:
    async with running() as on:
        on.manager.set(make_pod(), phase("Running"))
        await settle()
        on.manager.reconcile(make_pod(phase="Running"))
        await settle()
        assert len(on.pods.written) == 1

        on.manager.reconcile(make_pod(phase="Unknown"))
        await settle()

        assert len(on.pods.written) == 2


async def test_a_condition_of_somebody_else_is_left_alone() -> None:
    async with running() as on:
        on.manager.set(make_pod(), phase("Running"))
        await settle()
        pod = make_pod(phase="Running")
        pod.status.conditions.add(type="example.com/ok", status="True")
        on.manager.reconcile(pod)
        await settle()

        assert len(on.pods.written) == 1


async def test_what_the_first_running_waits_for_on_its_way_is_told() -> None:
    async with running() as on:
        on.pods.errors.append(Unavailable("etcd is away"))
        on.manager.set(make_pod(), phase("Running"))
        await settle()
        await on.clock.advance(1)

        assert on.steps.waits == [(PodStep.REPORTED, True, "another try: etcd is away")]
        assert on.steps.steps == [PodStep.REPORTED]


async def test_a_status_that_waits_for_the_writes_of_others_says_so() -> None:
    async with running() as on:
        on.pods.gate.clear()
        for number in range(PARALLEL + 1):
            on.manager.set(make_pod(f"p{number}"), phase("Running"))
            await settle()
        assert on.pods.calls == PARALLEL
        await on.clock.advance(3)
        on.pods.gate.set()
        await settle()

        told = (PodStep.REPORTED, True, "its turn among the node's writes of statuses")
        assert on.steps.waits == [told]
        assert on.steps.steps == [PodStep.REPORTED] * (PARALLEL + 1)


async def test_what_somebody_else_changes_while_a_status_is_written_is_written_again() -> None:
    async with running() as on:
        on.pods.version = 7
        on.pods.gate.clear()
        on.manager.set(make_pod(), phase("Running"))
        await settle()
        on.manager.reconcile(make_pod(phase="Pending", resource_version="6"))
        on.manager.reconcile(make_pod(phase="Unknown", resource_version="8"))
        on.pods.gate.set()
        await settle()

        assert on.pods.written == [("web", "Running"), ("web", "Running")]


async def test_what_is_shown_of_before_while_a_status_is_written_costs_no_write() -> None:
    async with running() as on:
        on.pods.version = 7
        on.pods.gate.clear()
        on.manager.set(make_pod(), phase("Running"))
        await settle()
        on.manager.reconcile(make_pod(phase="Pending", resource_version="6"))
        on.pods.gate.set()
        await settle()

        assert on.pods.written == [("web", "Running")]


async def test_what_somebody_else_changed_is_written_again_though_the_newest_is_what_was_written() -> None:
    async with running() as on:
        on.manager.set(make_pod(), phase("Running"))
        await settle()
        on.manager.set(make_pod(), phase("Failed"))
        on.manager.reconcile(make_pod(phase="Unknown", resource_version="8"))
        on.manager.set(make_pod(), phase("Running"))
        await settle()

        assert on.pods.written == [("web", "Running"), ("web", "Running")]
