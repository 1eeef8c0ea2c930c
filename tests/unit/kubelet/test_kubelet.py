"""The kubelet as a whole: Pods come alive, fail, end, and outlive their kubelet, over the apiserver in process."""

import asyncio
from collections.abc import Sequence

import pytest

from kubelet.config import KubeletConfig
from kubelet.runtime.hollow.stages import Delay, Stages
from kubelet.runtime.interface import RuntimeUnavailable
from kubelet.runtime.records import ContainerConfig, ContainerPhase, ContainerState, SandboxConfig, Uid
from tests.unit.kubelet.harness import NODE, node
from vaina.api.core.v1 import pod_pb2
from vaina.clock import timestamp
from vaina.steps import PodStep
from vaina.testing.builders import make_config_map, make_container, make_pod
from vaina.testing.clock import settle


def shell(name: str, script: str, image: str = "busybox") -> pod_pb2.Container:
    container = make_container(name, image)
    container.command.extend(["sh", "-c", script])
    return container


def pod_of(*containers: pod_pb2.Container, restart: str = "Always", grace: int = 30) -> pod_pb2.Pod:
    pod = make_pod(containers=containers)
    pod.spec.restart_policy = restart
    pod.spec.termination_grace_period_seconds = grace
    return pod


def is_running(pod: pod_pb2.Pod) -> bool:
    return pod.status.phase == "Running"


async def test_a_bound_pod_becomes_running_with_an_address() -> None:
    async with node() as on:
        await on.create(make_pod())

        pod = await on.until(is_running)

        assert pod.status.pod_ip == "10.244.1.2"
        assert pod.status.host_ip == "192.0.2.1"
        conditions = {item.type: item.status for item in pod.status.conditions}
        assert conditions == {
            "PodReadyToStartContainers": "True", "Initialized": "True", "Ready": "True", "ContainersReady": "True",
            "PodScheduled": "True",
        }  # fmt: skip
        [status] = pod.status.container_statuses
        assert status.state.HasField("running")
        assert status.ready
        assert status.container_id.startswith("hollow://")


async def test_the_five_steps_of_the_node_are_reported_in_order() -> None:
    async with node() as on:
        await on.create(make_pod())
        await on.until(is_running)

        assert on.recorder.steps == [
            PodStep.OBSERVED, PodStep.SANDBOXED, PodStep.MOUNTED, PodStep.STARTED, PodStep.REPORTED,
        ]  # fmt: skip


async def test_nothing_is_done_for_a_pod_of_another_node() -> None:
    async with node() as on:
        pod = make_pod(node="node-2")
        pod.metadata.uid = ""
        pod.status.Clear()
        await on.client.pods.create(pod)
        await on.clock.advance(30)

        assert on.runtime.history == []
        assert (await on.get()).status.phase == "Pending"


async def test_init_containers_run_one_after_the_other_and_then_the_main_ones() -> None:
    async with node() as on:
        pod = pod_of(shell("app", "sleep infinity"))
        pod.spec.init_containers.append(shell("one", "sleep 5"))
        pod.spec.init_containers.append(shell("two", "sleep 5"))
        await on.create(pod)
        seen = await on.get()
        assert seen.status.phase == "Pending"
        waiting = [item.state.waiting.reason for item in seen.status.init_container_statuses]
        assert waiting == ["", "PodInitializing"]

        await on.until(is_running)

        started = [name.split("_")[1] for verb, name in on.runtime.history if verb == "start_container"]
        assert started == ["one", "two", "app"]
        ends = {state.name: state for state in await on.containers()}
        assert ends["one"].finished_at <= ends["two"].started_at
        assert ends["two"].finished_at <= ends["app"].started_at


async def test_an_init_container_that_fails_is_retried_and_the_pod_waits() -> None:
    async with node() as on:
        pod = pod_of(shell("app", "sleep infinity"))
        pod.spec.init_containers.append(shell("prepare", "exit 2"))
        await on.create(pod)

        seen = await on.until(lambda pod: pod.status.init_container_statuses[0].restart_count >= 1)

        assert seen.status.phase == "Pending"
        [init] = seen.status.init_container_statuses
        assert init.last_state.terminated.exit_code == 2
        [app] = seen.status.container_statuses
        assert app.state.waiting.reason == "PodInitializing"
        assert "app" not in {state.name for state in await on.containers()}


async def test_a_failed_init_container_fails_a_pod_that_never_restarts() -> None:
    async with node() as on:
        pod = pod_of(shell("app", "sleep infinity"), restart="Never")
        pod.spec.init_containers.append(shell("prepare", "exit 2"))
        await on.create(pod)

        await on.until(lambda pod: pod.status.phase == "Failed")
        await on.clock.advance(60)

        assert [verb for verb, _ in on.runtime.history].count("start_container") == 1


@pytest.mark.parametrize(
    ("restart", "script", "phase"),
    [("Never", "exit 0", "Succeeded"), ("Never", "exit 3", "Failed"), ("OnFailure", "exit 0", "Succeeded")],
)
async def test_a_pod_whose_containers_are_done_has_a_final_phase(
    restart: str, script: str, phase: str
) -> None:
    async with node() as on:
        await on.create(pod_of(shell("app", script), restart=restart))

        await on.until(lambda pod: pod.status.phase == phase)
        await on.clock.advance(600)

        assert [verb for verb, _ in on.runtime.history].count("start_container") == 1
        # The address goes back while the ended container stays for its log.
        assert [state.ip for state in await on.runtime.list_pod_sandboxes()] == [""]
        assert len(await on.containers()) == 1


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


async def test_a_missing_image_is_told_and_backed_off() -> None:
    stages = Stages(images=("busybox",), missing_images=frozenset({"nosuch"}))
    async with node(stages) as on:
        await on.create(pod_of(shell("app", "sleep infinity", image="nosuch")))

        pod = await on.get()
        [status] = pod.status.container_statuses
        assert status.state.waiting.reason == "ErrImagePull"
        assert status.state.waiting.message == "manifest for nosuch:latest not found: manifest unknown"
        pod = await on.until(
            lambda pod: pod.status.container_statuses[0].state.waiting.reason == "ImagePullBackOff"
        )
        assert pod.status.container_statuses[0].state.waiting.message.startswith(
            'Back-off pulling image "nosuch": ErrImagePull: manifest'
        )
        assert pod.status.phase == "Pending"
        await on.clock.advance(31)
        assert on.images.pulls == ["nosuch:latest"] * 3
        assert on.recorder.messages("Failed")[:2] == [
            'Failed to pull image "nosuch": manifest for nosuch:latest not found: manifest unknown',
            "Error: ErrImagePull",
        ]


async def test_an_image_that_may_not_be_pulled_is_waited_for() -> None:
    async with node(Stages(images=())) as on:
        pod = pod_of(shell("app", "sleep infinity"))
        pod.spec.containers[0].image_pull_policy = "Never"
        await on.create(pod)

        [status] = (await on.get()).status.container_statuses
        assert status.state.waiting.reason == "ErrImageNeverPull"
        assert (
            status.state.waiting.message
            == 'Container image "busybox" is not present with pull policy of Never'
        )
        await on.images.pull_image("busybox")
        await on.until(is_running, steps=700)


async def test_pull_policy_always_pulls_before_each_start() -> None:
    async with node() as on:
        pod = pod_of(shell("app", "exit 1"))
        pod.spec.containers[0].image_pull_policy = "Always"
        await on.create(pod)
        await on.until(lambda pod: pod.status.container_statuses[0].restart_count == 2)

        assert len(on.images.pulls) == 3


async def test_a_deletion_cancels_a_pull_that_is_under_way() -> None:
    async with node(Stages(images=(), pull_image=Delay(3600, 3600))) as on:
        await on.create(make_pod())
        await on.clock.advance(5)
        await on.client.pods.delete("web", "default")

        await on.clock.advance(1)

        assert await on.find() is None
        assert await on.runtime.list_pod_sandboxes() == []


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


async def test_a_post_start_hook_that_fails_ends_the_container() -> None:
    async with node() as on:
        pod = pod_of(shell("app", "sleep infinity"))
        pod.spec.containers[0].lifecycle.post_start.exec.command.extend(["false"])
        await on.create(pod)

        await on.until(lambda pod: pod.status.container_statuses[0].restart_count >= 1)

        assert on.recorder.messages("FailedPostStartHook")


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
        on.runtime.lose(sandboxes=True, containers=True)

        pod = await on.until(lambda pod: pod.status.phase == "Failed")

        [status] = pod.status.container_statuses
        assert status.state.terminated.reason == "ContainerStatusUnknown"
        assert status.state.terminated.exit_code == 137
        await on.clock.advance(60)
        assert [verb for verb, _ in on.runtime.history].count("start_container") == 1


async def test_a_sandbox_that_is_lost_is_made_anew_and_its_containers_restart() -> None:
    async with node() as on:
        await on.create(make_pod())
        await on.until(is_running)
        on.runtime.lose(sandboxes=True)

        pod = await on.until(lambda pod: pod.status.container_statuses[0].restart_count == 1)

        assert pod.status.phase == "Running"
        running = [
            state.sandbox_id for state in await on.containers() if state.phase is ContainerPhase.RUNNING
        ]
        assert running == [state.id for state in await on.runtime.list_pod_sandboxes()]


async def test_a_status_that_somebody_else_wrote_is_put_right() -> None:
    async with node() as on:
        await on.create(make_pod())
        pod = await on.until(is_running)
        pod.status.phase, pod.status.reason = "Unknown", "NodeLost"
        await on.client.pods.update_status(pod, mask=["phase", "reason"])

        pod = await on.until(is_running)

        assert pod.status.reason == ""


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


async def test_a_missing_config_map_holds_the_start_until_it_is_there() -> None:
    async with node() as on:
        pod = pod_of(shell("app", "sleep infinity"))
        variable = pod.spec.containers[0].env.add(name="COLOUR")
        variable.value_from.config_map_key_ref.local_object_reference.name = "paint"
        variable.value_from.config_map_key_ref.key = "colour"
        await on.create(pod)

        [status] = (await on.get()).status.container_statuses
        assert status.state.waiting.reason == "CreateContainerConfigError"
        assert status.state.waiting.message == 'configmap "paint" not found'
        config_map = make_config_map("paint", data={"colour": "red"})
        config_map.metadata.uid = ""
        await on.client.config_maps.create(config_map)
        await on.until(is_running)


async def test_a_command_that_is_not_there_shows_as_start_error() -> None:
    async with node() as on:
        container = make_container("app", "busybox")
        container.command.extend(["nosuchcommand"])
        await on.create(pod_of(container, restart="Never"))

        pod = await on.until(lambda pod: pod.status.phase == "Failed")

        ended = pod.status.container_statuses[0].state.terminated
        assert (ended.reason, ended.exit_code) == ("StartError", 128)


async def test_a_pod_that_is_too_big_is_rejected_for_good() -> None:
    async with node() as on:
        pod = make_pod(requests={"cpu": "33"})
        await on.create(pod)

        pod = await on.until(lambda pod: pod.status.phase == "Failed")

        assert pod.status.reason == "OutOfcpu"
        assert pod.status.message == (
            "Pod was rejected: Node didn't have enough resource: cpu, requested: 33000, used: 0, capacity: 32000"
        )
        assert on.runtime.history == []
        await on.client.pods.delete("web", "default")
        await on.clock.advance(1)
        assert await on.find() is None
        assert len(on.kubelet.workers) == 0


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


async def test_the_lease_is_renewed() -> None:
    async with node() as on:
        first = await on.client.leases.get(NODE, "kube-node-lease")
        await on.clock.advance(11)
        second = await on.client.leases.get(NODE, "kube-node-lease")

        assert second.spec.renew_time.seconds - first.spec.renew_time.seconds == 10
        assert second.spec.holder_identity == NODE
        [owner] = second.metadata.owner_references
        assert (owner.kind, owner.name) == ("Node", NODE)


async def test_a_node_that_somebody_deleted_is_registered_again() -> None:
    async with node() as on:
        await on.client.nodes.delete(NODE)
        await on.clock.advance(on.config.node_report_seconds + 20)

        found = await on.client.nodes.get(NODE)
        assert {item.type: item.status for item in found.status.conditions}["Ready"] == "True"


async def test_a_node_that_was_written_off_says_that_it_is_well() -> None:
    async with node() as on:
        written_off = await on.client.nodes.get(NODE)
        for condition in written_off.status.conditions:
            condition.status, condition.reason = "Unknown", "NodeStatusUnknown"
        await on.client.nodes.update_status(written_off)
        await on.clock.advance(11)
        found = await on.client.nodes.get(NODE)
        assert {item.type: item.status for item in found.status.conditions}["Ready"] == "True"


async def test_a_name_that_another_live_machine_holds_is_not_taken_over() -> None:
    async with node(config=KubeletConfig(node_name=NODE)) as on, asyncio.TaskGroup() as group:
        await on.stop_kubelet()
        found = await on.client.nodes.get(NODE)
        found.status.node_info.machine_id = "another"
        await on.client.nodes.update_status(found, mask=["node_info"])
        lease = await on.client.leases.get(NODE, "kube-node-lease")
        lease.spec.renew_time.CopyFrom(timestamp(on.clock.now()))
        await on.client.leases.update(lease)
        await on.start_kubelet(group)
        await on.clock.advance(20)
        assert (await on.client.nodes.get(NODE)).status.node_info.machine_id == "another"

        # Its machine dies; the lease runs out.
        await on.clock.advance(25)
        await settle()
        assert (await on.client.nodes.get(NODE)).status.node_info.machine_id == NODE
        await on.stop_kubelet()


async def test_a_bug_that_one_pod_brings_out_does_not_end_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with node() as on:
        await on.create(make_pod("good"))
        await on.until(is_running, name="good")
        create = on.runtime.create_container

        async def broken(sandbox_id: str, config: ContainerConfig, sandbox: SandboxConfig) -> str:
            raise ZeroDivisionError

        monkeypatch.setattr(on.runtime, "create_container", broken)
        await on.create(make_pod())
        await on.clock.advance(5)
        assert (await on.get("good")).status.phase == "Running"
        assert (await on.get()).status.phase == "Pending"

        monkeypatch.setattr(on.runtime, "create_container", create)
        await on.until(is_running)


async def test_a_runtime_that_is_away_for_a_while_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async with node() as on:
        await on.create(make_pod("before"))
        await on.until(is_running, name="before")
        history = [*on.runtime.history]

        async def away(pod_uid: Uid | None = None) -> Sequence[ContainerState]:
            raise RuntimeUnavailable("no socket")

        monkeypatch.setattr(on.runtime, "list_containers", away)
        await on.create(make_pod())
        await on.clock.advance(60)
        assert on.runtime.history == history
        assert (await on.get("before")).status.phase == "Running"

        monkeypatch.undo()
        await on.until(is_running)
        assert [name for verb, name in on.runtime.history if verb == "start_container"].count(
            f"{(await on.get('before')).metadata.uid}_app_0"
        ) == 1


async def test_the_end_of_the_log_stands_in_for_last_words_where_asked_for() -> None:
    async with node() as on:
        pod = pod_of(shell("app", "echo no disk left; exit 1"), restart="Never")
        pod.spec.containers[0].termination_message_policy = "FallbackToLogsOnError"
        await on.create(pod)

        pod = await on.until(lambda pod: pod.status.phase == "Failed")

        assert pod.status.container_statuses[0].state.terminated.message == "no disk left\n"


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


async def test_a_pod_of_the_same_name_is_another_pod() -> None:
    async with node() as on:
        first = await on.create(make_pod())
        await on.until(is_running)
        await on.client.pods.delete("web", "default", grace_period_seconds=0)
        second = await on.create(make_pod())
        assert first.metadata.uid != second.metadata.uid

        await on.until(is_running)
        await on.clock.advance(5)

        assert {state.pod_uid for state in await on.containers()} == {second.metadata.uid}
