"""What a Pod lives through besides the usual.

Sidecars, policies of its containers, lost sandboxes, restarts of the kubelet.
"""

import asyncio

import pytest

from kubelet.runtime.records import ContainerPhase
from tests.support.hollow import lose
from tests.unit.kubelet.harness import Node, node
from vaina.api.core.v1 import pod_pb2
from vaina.testing.builders import make_container, make_pod
from vaina.testing.clock import settle


def shell(name: str, script: str, restart: str = "") -> pod_pb2.Container:
    container = make_container(name, "busybox")
    container.command.extend(["sh", "-c", script])
    if restart:
        container.restart_policy = restart
    return container


def pod_of(
    *containers: pod_pb2.Container, init: tuple[pod_pb2.Container, ...] = (), restart: str = "Always"
) -> pod_pb2.Pod:
    pod = make_pod(containers=containers)
    pod.spec.init_containers.extend(init)
    pod.spec.restart_policy, pod.spec.termination_grace_period_seconds = restart, 30
    return pod


def is_running(pod: pod_pb2.Pod) -> bool:
    return pod.status.phase == "Running"


async def running(on: Node) -> set[str]:
    return {state.name for state in await on.containers() if state.phase is ContainerPhase.RUNNING}


FOREVER = "sleep infinity"


@pytest.mark.requirement("B11")
async def test_a_sidecar_holds_no_pod_open_and_its_phase_is_final_when_it_has_ended() -> None:
    async with node() as on:
        await on.create(
            pod_of(shell("app", "sleep 5; exit 0"), init=(shell("side", FOREVER, "Always"),), restart="Never")
        )
        await on.until(is_running)
        pod = await on.until(lambda pod: pod.status.phase == "Succeeded")
        assert pod.status.init_container_statuses[0].state.HasField("terminated")
        assert pod.status.init_container_statuses[0].restart_count == 0
        assert await running(on) == set()


@pytest.mark.requirement("B11")
async def test_a_deaf_sidecar_is_killed_at_the_end_of_the_grace() -> None:
    async with node() as on:
        deaf = shell("side", f"trap '' TERM; {FOREVER}", "Always")
        await on.create(pod_of(shell("app", "sleep 5; exit 0"), init=(deaf,), restart="Never"))
        await on.until(is_running)
        await on.clock.advance(20)
        assert await running(on) == {"side"}
        assert (await on.get()).status.phase == "Running"
        pod = await on.until(lambda pod: pod.status.phase == "Succeeded")
        assert pod.status.init_container_statuses[0].state.terminated.exit_code == 137


@pytest.mark.requirement("B11")
async def test_deaf_sidecars_of_a_pod_that_is_done_have_one_grace_together() -> None:
    async with node() as on:
        deaf = tuple(shell(name, f"trap '' TERM; {FOREVER}", "Always") for name in ("one", "two"))
        await on.create(pod_of(shell("app", "sleep 5; exit 0"), init=deaf, restart="Never"))
        await on.until(is_running)
        await on.clock.advance(6)
        done = on.clock.now()
        await on.until(lambda pod: pod.status.phase == "Succeeded", steps=400)
        assert on.clock.now() - done < 32


@pytest.mark.requirement("B11")
async def test_main_containers_wait_for_the_startup_probe_of_a_sidecar() -> None:
    async with node() as on:
        side = shell("side", FOREVER, "Always")
        side.startup_probe.handler.exec.command.append("true")
        side.startup_probe.initial_delay_seconds = 7
        pod = pod_of(shell("app", FOREVER), init=(side,))
        await on.create(pod)
        await on.clock.advance(5)
        assert await running(on) == {"side"}
        await on.until(is_running)
        assert await running(on) == {"side", "app"}


@pytest.mark.requirement("B11")
async def test_a_sidecar_that_ends_while_init_containers_run_is_started_again() -> None:
    async with node() as on:
        init = (shell("side", "sleep 2; exit 1", "Always"), shell("prepare", "sleep 8; exit 0"))
        await on.create(pod_of(shell("app", FOREVER), init=init))
        pod = await on.until(lambda pod: pod.status.init_container_statuses[0].restart_count == 1)
        assert pod.status.phase == "Pending"
        pod = await on.until(is_running)
        assert pod.status.init_container_statuses[1].restart_count == 0


@pytest.mark.requirement("B8")
async def test_a_container_that_may_begin_again_keeps_a_pod_going_that_may_not() -> None:
    async with node() as on:
        await on.create(
            pod_of(shell("app", "sleep 3; exit 0", "Always"), shell("once", "exit 0"), restart="Never")
        )
        pod = await on.until(lambda pod: pod.status.container_statuses[0].restart_count == 2, steps=400)
        assert pod.status.container_statuses[1].restart_count == 0
        assert pod.status.phase == "Running"


@pytest.mark.requirement("B8")
async def test_a_rule_has_a_container_started_again_for_its_code_alone() -> None:
    async with node() as on:
        retried, given_up = (
            shell("app", "sleep 2; exit 42", "Never"),
            shell("other", "sleep 2; exit 1", "Never"),
        )
        for container in (retried, given_up):
            rule = container.restart_policy_rules.add(action="Restart")
            rule.exit_codes.operator = "In"
            rule.exit_codes.values.append(42)
        await on.create(pod_of(retried, given_up, restart="Never"))
        pod = await on.until(lambda pod: pod.status.container_statuses[0].restart_count == 1)
        assert pod.status.container_statuses[1].state.terminated.exit_code == 1
        assert pod.status.container_statuses[1].restart_count == 0


async def test_a_pod_with_a_container_that_may_begin_again_outlives_its_sandbox() -> None:
    async with node() as on:
        await on.create(pod_of(shell("app", FOREVER, "Always"), restart="Never"))
        before = await on.until(is_running)
        lose(on.runtime, sandboxes=True)
        pod = await on.until(lambda pod: pod.status.container_statuses[0].restart_count == 1)
        assert pod.status.phase == "Running"
        assert pod.metadata.uid == before.metadata.uid


async def test_init_containers_run_again_in_a_new_sandbox() -> None:
    async with node() as on:
        await on.create(pod_of(shell("app", FOREVER), init=(shell("prepare", "exit 0"),)))
        await on.until(is_running)
        for sandbox in await on.runtime.list_pod_sandboxes():
            await on.runtime.stop_pod_sandbox(sandbox.id)
        pod = await on.until(lambda pod: pod.status.container_statuses[0].restart_count == 1)
        assert pod.status.init_container_statuses[0].restart_count == 1


@pytest.mark.requirement("B12")
async def test_a_restarted_kubelet_runs_no_debug_container_again() -> None:
    async with node() as on, asyncio.TaskGroup() as group:
        pod = await on.create(pod_of(shell("app", FOREVER)))
        await on.until(is_running)
        pod = await on.get()
        common = pod.spec.ephemeral_containers.add().ephemeral_container_common
        common.name, common.image = "debug", "busybox"
        common.command.extend(["sh", "-c", "exit 3"])
        await on.client.pods.update_ephemeral_containers(pod)
        await settle()
        await on.until(
            lambda pod: (
                bool(pod.status.ephemeral_container_statuses)
                and pod.status.ephemeral_container_statuses[0].state.HasField("terminated")
            )
        )
        await on.stop_kubelet()
        await on.start_kubelet(group)
        await on.clock.advance(70)
        pod = await on.get()
        (item,) = pod.status.ephemeral_container_statuses
        assert (item.state.terminated.exit_code, item.restart_count) == (3, 0)
        assert len([state for state in await on.containers() if state.name == "debug"]) == 1
        await on.stop_kubelet()


@pytest.mark.requirement("B9")
async def test_a_restarted_kubelet_does_not_ask_again_whether_a_container_has_started() -> None:
    async with node() as on, asyncio.TaskGroup() as group:
        pod = pod_of(shell("app", FOREVER))
        probe = pod.spec.containers[0].startup_probe
        probe.handler.exec.command.extend(["true"])
        probe.period_seconds = probe.failure_threshold = 1
        await on.create(pod)
        await on.until(lambda pod: pod.status.container_statuses[0].started)
        await on.stop_kubelet()
        await on.start_kubelet(group)
        await on.clock.advance(3)
        pod = await on.get()
        (item,) = pod.status.container_statuses
        assert (item.started, item.ready, item.restart_count) == (True, True, 0)
        await on.stop_kubelet()


async def test_a_deadline_that_is_over_is_an_event() -> None:
    async with node() as on:
        pod = pod_of(shell("app", FOREVER))
        pod.spec.active_deadline_seconds = 10
        await on.create(pod)
        await on.until(lambda pod: pod.status.reason == "DeadlineExceeded")
        assert on.recorder.messages("DeadlineExceeded") == [
            "Pod was active on the node longer than the specified deadline"
        ]


async def test_a_forced_deletion_waits_for_nobody_and_leaves_nothing_behind() -> None:
    async with node() as on:
        await on.create(pod_of(shell("app", f"trap '' TERM; {FOREVER}")))
        await on.until(is_running)
        await on.client.pods.delete("web", "default", grace_period_seconds=0)
        await settle()
        assert await on.find() is None
        # Its containers have the grace that the Pod gave them.
        await on.clock.advance(33)
        assert await running(on) == set()
        assert not await on.runtime.list_pod_sandboxes()


async def test_a_stop_signal_of_the_pods_own_is_said() -> None:
    async with node() as on:
        pod = pod_of(shell("app", FOREVER))
        pod.spec.os.name = "linux"
        pod.spec.containers[0].lifecycle.stop_signal = "SIGUSR1"
        await on.create(pod)
        pod = await on.until(is_running)
        assert pod.status.container_statuses[0].stop_signal == "SIGUSR1"
