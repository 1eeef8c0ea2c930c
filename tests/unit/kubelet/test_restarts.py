"""Containers that end, fail a probe or a hook, or lose their sandbox, and are started again."""

from kubelet.runtime.records import ContainerPhase
from tests.support.hollow import lose
from tests.unit.kubelet.harness import node
from tests.unit.kubelet.pods import is_running, pod_of, shell
from vaina.testing.builders import make_pod


async def test_restarts_back_off_and_say_so() -> None:
    async with node() as on:
        await on.create(pod_of(shell("app", "exit 1")))

        pod = await on.until(
            lambda pod: pod.status.container_statuses[0].state.waiting.reason == "CrashLoopBackOff"
        )

        [status] = pod.status.container_statuses
        # The first restart is immediate, the second comes after 10 s.
        assert status.restart_count == 1
        uid = pod.metadata.uid
        assert status.state.waiting.message == (
            f"back-off 10s restarting failed container=app pod=web_default({uid})"
        )
        assert status.last_state.terminated.exit_code == 1
        assert pod.status.phase == "Running"
        assert on.recorder.messages("BackOff") == [
            f"Back-off restarting failed container app in pod web_default({uid})"
        ]
        await on.clock.advance(9)
        assert (await on.get()).status.container_statuses[0].restart_count == 1
        await on.clock.advance(2)
        assert (await on.get()).status.container_statuses[0].restart_count == 2
        await on.clock.advance(20.5)
        assert (await on.get()).status.container_statuses[0].restart_count == 3


async def test_a_container_that_ran_well_for_ten_minutes_starts_with_a_clean_record() -> None:
    async with node() as on:
        await on.create(pod_of(shell("app", "sleep 700; exit 1")))
        await on.until(is_running)

        await on.clock.advance(1500)

        # Two ends by now, each after a good run: both restarts were immediate.
        pod = await on.get()
        assert pod.status.container_statuses[0].restart_count == 2
        assert pod.status.container_statuses[0].state.HasField("running")


async def test_a_post_start_hook_that_fails_ends_the_container() -> None:
    async with node() as on:
        pod = pod_of(shell("app", "sleep infinity"))
        pod.spec.containers[0].lifecycle.post_start.exec.command.extend(["false"])
        await on.create(pod)

        await on.until(lambda pod: pod.status.container_statuses[0].restart_count >= 1)

        assert on.recorder.messages("FailedPostStartHook")


async def test_a_sandbox_that_is_lost_is_made_anew_and_its_containers_restart() -> None:
    async with node() as on:
        await on.create(make_pod())
        await on.until(is_running)
        lose(on.runtime, sandboxes=True)

        pod = await on.until(lambda pod: pod.status.container_statuses[0].restart_count == 1)

        assert pod.status.phase == "Running"
        running = [
            state.sandbox_id for state in await on.containers() if state.phase is ContainerPhase.RUNNING
        ]
        assert running == [state.id for state in await on.runtime.list_pod_sandboxes()]


async def test_a_liveness_probe_that_fails_restarts_the_container() -> None:
    async with node() as on:
        pod = pod_of(shell("app", "sleep infinity"))
        probe = pod.spec.containers[0].liveness_probe
        probe.handler.exec.command.extend(["false"])
        probe.period_seconds, probe.failure_threshold = 2, 3
        await on.create(pod)
        await on.until(is_running)

        await on.clock.advance(3)
        assert (await on.get()).status.container_statuses[0].restart_count == 0
        pod = await on.until(lambda pod: pod.status.container_statuses[0].restart_count == 1)

        assert on.recorder.messages("Killing") == ["Container app failed liveness probe, will be restarted"]
        assert on.recorder.messages("Unhealthy")[0].startswith("Liveness probe failed:")


async def test_a_pod_is_not_ready_before_its_readiness_probe_succeeds() -> None:
    async with node() as on:
        pod = pod_of(shell("app", "sleep infinity"))
        probe = pod.spec.containers[0].readiness_probe
        probe.handler.exec.command.extend(["true"])
        probe.initial_delay_seconds, probe.period_seconds = 10, 1
        await on.create(pod)
        pod = await on.until(is_running)
        conditions = {item.type: item for item in pod.status.conditions}
        assert conditions["Ready"].status == "False"
        assert conditions["Ready"].message == "containers with unready status: [app]"

        await on.clock.advance(11)

        conditions = {item.type: item for item in (await on.get()).status.conditions}
        assert conditions["Ready"].status == "True"


async def test_a_startup_probe_holds_the_others_back() -> None:
    async with node() as on:
        pod = pod_of(shell("app", "sleep infinity"))
        container = pod.spec.containers[0]
        container.startup_probe.handler.exec.command.extend(["sh", "-c", "sleep 0.5; true"])
        container.startup_probe.initial_delay_seconds = 20
        container.liveness_probe.handler.exec.command.extend(["false"])
        container.liveness_probe.period_seconds = 1
        container.liveness_probe.failure_threshold = 1
        await on.create(pod)
        pod = await on.until(is_running)
        assert not pod.status.container_statuses[0].started

        await on.clock.advance(19)
        assert (await on.get()).status.container_statuses[0].restart_count == 0
        await on.until(lambda pod: pod.status.container_statuses[0].restart_count == 1)


async def test_the_end_of_the_log_stands_in_for_last_words_where_asked_for() -> None:
    async with node() as on:
        pod = pod_of(shell("app", "echo no disk left; exit 1"), restart="Never")
        pod.spec.containers[0].termination_message_policy = "FallbackToLogsOnError"
        await on.create(pod)

        pod = await on.until(lambda pod: pod.status.phase == "Failed")

        assert pod.status.container_statuses[0].state.terminated.message == "no disk left\n"
