"""The handler of a RuntimeClass is looked up before a Pod's sandbox is made: without the class there is none."""

from pathlib import Path

from tests.unit.kubelet.harness import Node, node
from tests.unit.kubelet.pods import is_running
from tests.unit.kubelet.test_volumes_first import paint, says, until, with_config_map
from vaina.api.node.v1 import runtime_class_pb2


async def _make_class(on: Node) -> None:
    made = runtime_class_pb2.RuntimeClass(handler="runc")
    made.metadata.name = "plain"
    await on.client.runtime_classes.create(made)


async def test_a_class_that_has_gone_is_waited_for_and_said(tmp_path: Path) -> None:
    async with node(root=tmp_path) as on:
        await _make_class(on)
        # What its volume is made of is missing: so the sandbox is made after the class has gone.
        pod = with_config_map()
        pod.spec.runtime_class_name = "plain"
        await on.create(pod)
        await until(on, says(on, 'configmap "paint" not found'))
        await on.client.runtime_classes.delete("plain")
        await paint(on)
        words = 'Failed to create pod sandbox: failed to get sandbox runtime: RuntimeClass "plain" not found'
        await until(on, lambda _: words in on.recorder.messages("FailedCreatePodSandBox"))
        await _make_class(on)
        await until(on, is_running)


async def test_a_class_is_looked_up_once_for_the_pod(tmp_path: Path) -> None:
    async with node(root=tmp_path) as on:
        await _make_class(on)
        pod = with_config_map()
        pod.spec.runtime_class_name = "plain"
        pod.spec.containers[0].command[:] = ["sh", "-c", "sleep 5; exit 1"]
        await on.create(pod)
        await paint(on)
        await until(on, is_running)
        # Its containers run where the sandbox does, whatever becomes of the class.
        await on.client.runtime_classes.delete("plain")
        await until(on, lambda found: found.status.container_statuses[0].restart_count > 0)


async def test_a_sandbox_is_counted_by_its_handler(tmp_path: Path) -> None:
    async with node(root=tmp_path) as on:
        await _make_class(on)
        pod = with_config_map()
        pod.spec.runtime_class_name = "plain"
        await on.create(pod)
        await paint(on)
        await until(on, is_running)
        made = "kubelet_run_podsandbox_duration_seconds_count"
        assert on.registry.get_sample_value(made, {"runtime_handler": "runc"}) == 1
