"""A kubelet that was restarted: it adopts what runs, goes on with what ends, and starts nothing twice."""

import asyncio

from tests.support.hollow import lose
from tests.unit.kubelet.harness import node
from tests.unit.kubelet.pods import is_running, pod_of, shell
from vaina.testing.builders import make_pod


async def test_a_restarted_kubelet_adopts_what_runs_and_restarts_nothing() -> None:
    async with node() as on, asyncio.TaskGroup() as group:
        await on.create(make_pod())
        before = await on.until(is_running)
        history = [*on.runtime.history]
        await on.stop_kubelet()
        await on.clock.advance(60)

        await on.start_kubelet(group)
        await on.clock.advance(60)

        after = await on.get()
        assert on.runtime.history == history
        assert after.status == before.status
        assert after.metadata.resource_version == before.metadata.resource_version
        await on.stop_kubelet()


async def test_a_restarted_kubelet_ends_what_was_deleted_meanwhile() -> None:
    async with node() as on, asyncio.TaskGroup() as group:
        await on.create(make_pod())
        await on.until(is_running)
        await on.stop_kubelet()
        await on.client.pods.delete("web", "default", grace_period_seconds=0)

        await on.start_kubelet(group)
        await on.clock.advance(on.config.relist_seconds + 1)

        assert await on.containers() == []
        assert await on.runtime.list_pod_sandboxes() == []
        await on.stop_kubelet()


async def test_a_restarted_kubelet_goes_on_with_a_grace_that_began_before() -> None:
    async with node() as on, asyncio.TaskGroup() as group:
        await on.create(pod_of(shell("app", "trap '' TERM; sleep infinity"), grace=60))
        await on.until(is_running)
        await on.client.pods.delete("web", "default")
        await on.clock.advance(30)
        await on.stop_kubelet()
        await on.start_kubelet(group)

        await on.clock.advance(33)

        assert await on.find() is None
        await on.stop_kubelet()


async def test_a_never_container_whose_record_is_lost_does_not_start_again() -> None:
    async with node() as on:
        await on.create(pod_of(shell("app", "sleep infinity"), restart="Never"))
        await on.until(is_running)
        lose(on.runtime, sandboxes=True, containers=True)

        pod = await on.until(lambda pod: pod.status.phase == "Failed")

        [status] = pod.status.container_statuses
        assert status.state.terminated.reason == "ContainerStatusUnknown"
        assert status.state.terminated.exit_code == 137
        await on.clock.advance(60)
        assert [verb for verb, _ in on.runtime.history].count("start_container") == 1
