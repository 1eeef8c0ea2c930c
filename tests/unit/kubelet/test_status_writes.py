"""What the kubelet writes: nothing, when nothing of what it says has changed.

Its calls are counted over the whole apiserver.
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from kubelet.runtime.hollow.program import Stages
from tests.unit.kubelet.harness import NODE, Node, node
from tests.unit.kubelet.pods import pod_of, shell
from tests.unit.kubelet.test_static_pods import NAME, folder, manifest
from vaina.api.core.v1 import pod_pb2, reference_pb2
from vaina.objects.conditions import get_condition
from vaina.testing.builders import make_container, make_pod
from vaina.testing.clock import settle


def _gated() -> pod_pb2.Pod:
    pod = make_pod()
    pod.spec.readiness_gates.add(condition_type="example.com/open")
    return pod


def _of_a_deadline() -> pod_pb2.Pod:
    pod = make_pod()
    pod.spec.active_deadline_seconds = 10_000
    return pod


def _too_large() -> pod_pb2.Pod:
    return make_pod(containers=[make_container(requests={"cpu": "1000"})])


def _with_a_sidecar() -> pod_pb2.Pod:
    pod = make_pod()
    sidecar = pod.spec.init_containers.add()
    sidecar.CopyFrom(make_container("proxy"))
    sidecar.restart_policy = "Always"
    return pod


def _on_the_host() -> pod_pb2.Pod:
    pod = make_pod()
    pod.spec.host_network = True
    return pod


PODS: dict[str, Callable[[], pod_pb2.Pod]] = {
    "runs": make_pod,
    "waits for its readiness gate": _gated,
    "has a deadline": _of_a_deadline,
    "was rejected": _too_large,
    "has a sidecar": _with_a_sidecar,
    "is on the network of its node": _on_the_host,
    "has no image": lambda: make_pod(containers=[make_container(image="nowhere")]),
    "is restarted again and again": lambda: pod_of(shell("main", "exit 1")),
    "has succeeded": lambda: pod_of(shell("main", "exit 0"), restart="Never"),
}


def _writes(on: Node) -> Counter[str]:
    return Counter({name: number for name, number in on.wire.calls.items() if "Status" in name})


async def _bind(on: Node, pod: pod_pb2.Pod) -> None:
    pod.metadata.uid = ""
    made = await on.client.pods.create(pod)
    binding = pod_pb2.Binding(target=reference_pb2.ObjectReference(kind="Node", name=NODE))
    binding.metadata.name, binding.metadata.namespace = made.metadata.name, made.metadata.namespace
    [error] = await on.client.pods.bind_batch([binding])
    assert error is None
    await settle()


async def _annotate(on: Node, name: str, times: int) -> None:
    for index in range(times):
        patch = f'{{"metadata": {{"annotations": {{"example.com/seen": "{index}"}}}}}}'
        await on.client.pods.patch(name, patch, namespace="default")
        await settle()


@pytest.mark.parametrize("make", PODS.values(), ids=PODS)
async def test_what_others_change_of_a_pod_costs_no_writes(make: Callable[[], pod_pb2.Pod]) -> None:
    async with node(
        Stages(images=("busybox", "registry.local/app:1"), missing_images=frozenset({"nowhere"}))
    ) as on:
        await _bind(on, make())
        await on.clock.advance(20)
        before = _writes(on)
        assert before, "it was reported"

        await _annotate(on, "web", 40)

        assert _writes(on) == before


async def test_what_others_change_of_a_mirror_pod_costs_no_writes(tmp_path: Path) -> None:
    async with folder(tmp_path) as at:
        await at.put(manifest())
        await at.running()
        before = _writes(at.on)
        assert before, "it was reported"

        await _annotate(at.on, NAME, 40)
        await at.look()

        assert _writes(at.on) == before


async def test_what_others_change_of_the_node_costs_no_writes() -> None:
    async with node() as on:
        await on.clock.advance(1)
        before = _writes(on)
        for index in range(40):
            patch = f'{{"metadata": {{"labels": {{"example.com/seen": "{index}"}}}}}}'
            await on.client.nodes.patch(NODE, patch)
            await settle()

        assert _writes(on) == before


async def test_each_condition_of_the_kubelet_says_of_which_generation_it_is() -> None:
    async with node() as on:
        await _bind(on, make_pod())
        pod = await on.until(lambda pod: pod.status.phase == "Running")

        told = {item.type: item.observed_generation for item in pod.status.conditions}
        kinds = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
        assert told == dict.fromkeys(kinds, pod.metadata.generation)
        scheduled = get_condition(pod.status, "PodScheduled")
        assert scheduled is not None
        assert scheduled.status == "True"
