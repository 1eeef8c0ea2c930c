"""Pods come alive: sandbox, volumes, init containers, main containers, and a final phase when they are done."""

import pytest

from tests.unit.kubelet.harness import node
from tests.unit.kubelet.pods import is_running, pod_of, shell
from vaina.steps import PodStep
from vaina.testing.builders import make_config_map, make_container, make_pod


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


async def test_a_key_that_was_missing_for_long_is_found_within_ten_seconds() -> None:
    async with node() as on:
        pod = pod_of(shell("app", "sleep infinity"))
        variable = pod.spec.containers[0].env.add(name="COLOUR")
        variable.value_from.config_map_key_ref.local_object_reference.name = "paint"
        variable.value_from.config_map_key_ref.key = "colour"
        await on.create(pod)
        await on.clock.advance(620)
        config_map = make_config_map("paint", data={"colour": "red"})
        config_map.metadata.uid = ""
        await on.client.config_maps.create(config_map)
        await on.clock.advance(11)

        assert is_running(await on.get())


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
