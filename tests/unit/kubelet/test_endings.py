"""Pods that end: deleted, gone, active too long; hooks, grace, what stays."""

import pytest

from kubelet.decide.termination import Verdict
from kubelet.runtime.hollow.program import Delay, Stages
from kubelet.runtime.records import ContainerPhase
from tests.unit.kubelet.harness import node
from tests.unit.kubelet.pods import is_running, pod_of, shell
from vaina.testing.builders import make_pod


async def test_a_deleted_pod_is_asked_to_end_and_goes_when_its_containers_are_gone() -> None:
    async with node(Stages(stop_container=Delay(3, 3))) as on:
        await on.create(make_pod())
        await on.until(is_running)
        await on.client.pods.delete("web", "default")
        await on.clock.advance(1)

        pod = await on.get()
        assert pod.metadata.HasField("deletion_timestamp")
        assert [verb for verb, _ in on.runtime.history if "_container" in verb][-1] == "stop_container"
        await on.clock.advance(3)

        assert await on.find() is None
        assert await on.containers() == []
        assert await on.runtime.list_pod_sandboxes() == []
        assert len(on.kubelet.workers) == 0
        assert on.recorder.messages("Killing") == ["Stopping container app"]


async def test_a_container_that_does_not_listen_is_killed_at_the_end_of_its_grace() -> None:
    async with node() as on:
        await on.create(pod_of(shell("app", "trap '' TERM; sleep infinity"), grace=20))
        await on.until(is_running)
        await on.client.pods.delete("web", "default")

        await on.clock.advance(19)
        assert await on.find() is not None
        await on.clock.advance(2)

        assert await on.find() is None
        verbs = [verb for verb, _ in on.runtime.history]
        assert verbs.count("stop_container") == 1
        assert verbs.count("kill_container") == 1


async def test_a_shorter_grace_given_later_takes_effect_at_once() -> None:
    async with node() as on:
        await on.create(pod_of(shell("app", "trap '' TERM; sleep infinity"), grace=3600))
        await on.until(is_running)
        await on.client.pods.delete("web", "default")
        await on.clock.advance(10)
        await on.client.pods.delete("web", "default", grace_period_seconds=2)

        await on.clock.advance(3)

        assert await on.find() is None


async def test_a_pod_that_is_gone_from_the_api_is_ended() -> None:
    async with node() as on:
        await on.create(make_pod())
        await on.until(is_running)
        await on.client.pods.delete("web", "default", grace_period_seconds=0)

        await on.clock.advance(1)

        assert await on.containers() == []
        assert await on.runtime.list_pod_sandboxes() == []


async def test_pre_stop_runs_before_the_stop_signal() -> None:
    async with node() as on:
        pod = pod_of(shell("app", "sleep infinity"))
        pod.spec.containers[0].lifecycle.pre_stop.sleep.seconds = 5
        await on.create(pod)
        await on.until(is_running)
        await on.client.pods.delete("web", "default")

        await on.clock.advance(4)
        assert "stop_container" not in {verb for verb, _ in on.runtime.history}
        await on.clock.advance(2)

        assert await on.find() is None


async def test_a_pre_stop_hook_that_uses_up_the_grace_is_not_waited_for() -> None:
    async with node() as on:
        pod = pod_of(shell("app", "trap '' TERM; sleep infinity"), grace=10)
        pod.spec.containers[0].lifecycle.pre_stop.exec.command.extend(["sleep", "500"])
        await on.create(pod)
        await on.until(is_running)
        await on.client.pods.delete("web", "default")

        await on.clock.advance(13)

        assert await on.find() is None
        assert len(on.recorder.messages("FailedPreStopHook")) == 1


async def test_a_pod_that_is_active_too_long_fails() -> None:
    async with node() as on:
        pod = pod_of(shell("app", "sleep infinity"))
        pod.spec.active_deadline_seconds = 30
        await on.create(pod)
        await on.until(is_running)

        await on.clock.advance(31)

        pod = await on.get()
        assert (pod.status.phase, pod.status.reason) == ("Failed", "DeadlineExceeded")
        assert pod.status.message == "Pod was active on the node longer than the specified deadline"
        assert not [state for state in await on.containers() if state.phase is ContainerPhase.RUNNING]


async def test_a_finalizer_keeps_the_object_and_nothing_else() -> None:
    async with node() as on:
        pod = make_pod()
        pod.metadata.finalizers.append("example.com/wait")
        await on.create(pod)
        await on.until(is_running)
        await on.client.pods.delete("web", "default")
        await on.clock.advance(5)

        pod = await on.get()
        assert not [state for state in await on.containers() if state.phase is ContainerPhase.RUNNING]
        del pod.metadata.finalizers[:]
        await on.client.pods.update(pod)
        await on.clock.advance(2)

        assert await on.find() is None
        assert await on.containers() == []


@pytest.mark.parametrize("ends", ["deleted", "evicted"])
async def test_a_pod_that_is_to_end_while_its_first_container_is_made_starts_none(ends: str) -> None:
    async with node(Stages(create_container=Delay(3, 3))) as on:
        await on.create(
            pod_of(shell("app", "trap '' TERM; sleep infinity"), shell("other", "sleep infinity"))
        )
        await on.clock.advance(1)
        if ends == "deleted":
            await on.client.pods.delete("web", "default")
        else:
            [worker] = on.kubelet.workers.all()
            assert worker.evict(Verdict("Evicted", "no room", 0))
        await on.clock.advance(5)

        verbs = [verb for verb, _ in on.runtime.history]
        assert verbs.count("create_container") <= 1
        assert "start_container" not in verbs
        if ends == "deleted":
            assert await on.find() is None
            assert await on.containers() == []
        else:
            assert (await on.get()).status.phase == "Failed"
        assert on.recorder.messages("Failed") == []
