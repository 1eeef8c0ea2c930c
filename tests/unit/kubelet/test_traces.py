"""The trace of a Pod, as its kubelet and the apiserver write it: its steps, and what they waited for."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from kubelet.config import KubeletConfig
from kubelet.runtime.hollow.program import Delay, Stages
from kubelet.runtime.interface import SandboxFailed
from kubelet.runtime.records import SandboxConfig, SandboxState
from tests.unit.kubelet.harness import NODE, Node, node
from tests.unit.kubelet.pods import is_running, pod_of, shell
from tests.unit.kubelet.test_static_pods import NAME, folder, manifest, until
from tests.unit.kubelet.test_volumes_first import paint, says, with_config_map
from tests.unit.kubelet.test_volumes_first import until as until_mounted
from vaina.api.core.v1 import pod_pb2
from vaina.api.trace.v1 import trace_pb2
from vaina.clock import seconds_of

STEPS = ["ADMITTED", "SCHEDULED", "OBSERVED", "SANDBOXED", "MOUNTED", "STARTED", "REPORTED"]


async def trace_of(on: Node, pod: pod_pb2.Pod) -> trace_pb2.PodTrace:
    # What is reported travels with what comes soon after.
    await on.clock.advance(1)
    return await on.client.pod_traces.get(pod.metadata.uid, pod.metadata.namespace)


@dataclass(frozen=True)
class Wait:
    step: str
    words: str
    seconds: float


async def waits_of(on: Node, pod: pod_pb2.Pod) -> list[Wait]:
    """Return what was waited for and took time; none of it lasts still, its kubelet has told all of it."""
    waits = (await trace_of(on, pod)).status.waits
    assert {(wait.component, wait.instance) for wait in waits} <= {("kubelet", NODE)}
    assert all(wait.HasField("end_time") for wait in waits)
    found = [
        Wait(wait.step, wait.message, round(seconds_of(wait.end_time) - seconds_of(wait.start_time), 1))
        for wait in waits
    ]
    return [wait for wait in found if wait.seconds]


async def test_a_static_pod_has_all_of_its_steps_and_says_who_gave_it_its_node(tmp_path: Path) -> None:
    async with folder(tmp_path, traced=True) as at:
        await at.put(manifest())
        trace = await trace_of(at.on, await at.running())

        told = {record.step: (record.component, record.message) for record in trace.status.steps}
        assert [*told] == STEPS
        assert told["ADMITTED"] == ("apiserver", "validated and stored")
        assert told["SCHEDULED"] == ("apiserver", f"{NODE}, by the kubelet, from a manifest of its own")
        assert told["OBSERVED"] == ("kubelet", "read from its manifest")
        assert {component for component, _ in [*told.values()][2:]} == {"kubelet"}


async def test_a_mirror_that_is_made_anew_has_the_steps_of_its_pod(tmp_path: Path) -> None:
    async with folder(tmp_path, traced=True) as at:
        await at.put(manifest())
        first = await at.running()
        await at.on.client.pods.delete(NAME, "default")
        again = await until(
            at.on,
            NAME,
            lambda pod: pod.metadata.uid != first.metadata.uid and pod.status.phase == "Running",
        )

        trace = await trace_of(at.on, again)
        assert [record.step for record in trace.status.steps] == STEPS
        assert (await trace_of(at.on, first)).status.HasField("pod_deleted_time")


async def test_an_image_is_waited_for() -> None:
    async with node(Stages(images=(), pull_image=Delay(5, 5)), traced=True) as on:
        await on.create(pod_of(shell("app", "sleep infinity")))
        pod = await on.until(is_running)

        assert await waits_of(on, pod) == [Wait("STARTED", "image busybox", 5.0)]


async def test_what_lasts_is_in_the_trace_without_an_end() -> None:
    async with node(Stages(images=(), pull_image=Delay(3600, 3600)), traced=True) as on:
        pod = await on.create(pod_of(shell("app", "sleep infinity")))
        [wait] = (await trace_of(on, pod)).status.waits
        assert (wait.message, wait.HasField("end_time")) == ("image busybox", False)


async def test_a_pull_waits_for_a_place_among_those_of_the_node() -> None:
    config = KubeletConfig(node_name=NODE, parallel_pulls=1)
    async with node(Stages(images=(), pull_image=Delay(5, 5)), config, traced=True) as on:
        await on.create(pod_of(shell("app", "sleep infinity", image="first")))
        second = pod_of(shell("app", "sleep infinity", image="second"))
        second.metadata.name = "second"
        await on.create(second)
        pod = await on.until(is_running, name="second")

        assert await waits_of(on, pod) == [
            Wait("STARTED", "a place among the node's pulls, for image second", 5.0),
            Wait("STARTED", "image second", 5.0),
        ]


async def test_an_image_that_cannot_be_had_at_first_is_waited_for_by_the_reason_of_its_container() -> None:
    async with node(Stages(images=()), traced=True) as on:
        pod = pod_of(shell("app", "sleep infinity"))
        pod.spec.containers[0].image_pull_policy = "Never"
        await on.create(pod)
        await on.images.pull_image("busybox")
        running = await on.until(is_running, steps=700)

        [wait] = await waits_of(on, running)
        assert (wait.step, wait.words) == ("STARTED", "container app: ErrImageNeverPull")
        assert wait.seconds > 0


async def test_init_containers_and_their_back_off_are_waited_for() -> None:
    async with node(traced=True) as on:
        pod = pod_of(shell("app", "sleep infinity"))
        pod.spec.init_containers.append(shell("first", "sleep 3"))
        pod.spec.init_containers.append(shell("second", "exit 1"))
        made = await on.create(pod)
        await on.until(lambda pod: pod.status.init_container_statuses[1].restart_count == 1)

        told = (await trace_of(on, made)).status.waits
        waits = [
            (wait.step, wait.message, wait.HasField("end_time"))
            for wait in told
            if wait.message != "image busybox"
        ]
        assert waits[:2] == [
            ("STARTED", "init container first to end", True),
            ("STARTED", "container second: CrashLoopBackOff", False),
        ]


async def test_a_hook_is_waited_for_before_the_pod_is_told_to_run() -> None:
    async with node(traced=True) as on:
        pod = pod_of(shell("app", "sleep infinity"))
        pod.spec.containers[0].lifecycle.post_start.sleep.seconds = 4
        await on.create(pod)
        running = await on.until(is_running)

        assert await waits_of(on, running) == [Wait("REPORTED", "the postStart hook of container app", 4.0)]
        steps = {record.step: record for record in (await trace_of(on, running)).status.steps}
        between = seconds_of(steps["REPORTED"].start_time) - seconds_of(steps["STARTED"].end_time)
        assert round(between, 1) == 4.0


async def test_what_a_volume_needs_is_waited_for(tmp_path: Path) -> None:
    async with node(root=tmp_path, traced=True) as on:
        words = 'MountVolume.SetUp failed for volume "paint" : configmap "paint" not found'
        await on.create(with_config_map())
        await until_mounted(on, says(on, words))
        await on.clock.advance(20)
        await paint(on)
        running = await until_mounted(on, is_running)

        [wait] = await waits_of(on, running)
        assert (wait.step, wait.words) == ("SANDBOXED", words)
        assert wait.seconds >= 20


async def test_a_sandbox_that_fails_is_waited_for_until_one_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    async with node(traced=True) as on:
        make: Callable[..., object] = on.runtime.run_pod_sandbox
        tries = 0

        async def fail_twice(config: SandboxConfig) -> SandboxState:
            nonlocal tries
            tries += 1
            if tries <= 2:
                raise SandboxFailed("no addresses left")
            return await make(config)  # type: ignore[misc,no-any-return]  # what it was

        monkeypatch.setattr(on.runtime, "run_pod_sandbox", fail_twice)
        await on.create(pod_of(shell("app", "sleep infinity")))
        running = await on.until(is_running)

        [wait] = await waits_of(on, running)
        words = "another try: Failed to create pod sandbox: no addresses left"
        assert (wait.step, wait.words) == ("SANDBOXED", words)
        assert wait.seconds > 0


async def test_a_pod_that_runs_waits_for_nothing_that_comes_later() -> None:
    async with node(traced=True) as on:
        await on.create(pod_of(shell("app", "exit 1")))
        pod = await on.until(lambda pod: pod.status.container_statuses[0].restart_count == 2)
        assert await waits_of(on, pod) == []
