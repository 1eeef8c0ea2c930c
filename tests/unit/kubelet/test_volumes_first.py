"""What a Pod's volumes need is there before anything is made of the Pod: no sandbox, no address until then."""

import os
from collections.abc import Callable
from pathlib import Path

from tests.support.tasks import threads_done
from tests.unit.kubelet.harness import NODE, Node, node
from tests.unit.kubelet.pods import is_running, pod_of, shell
from vaina.api.core.v1 import persistent_volume_pb2, pod_pb2
from vaina.objects.conditions import get_condition
from vaina.testing.builders import make_config_map


def with_config_map(*, optional: bool = False) -> pod_pb2.Pod:
    pod = pod_of(shell("app", "sleep infinity"))
    source = pod.spec.volumes.add(name="paint").volume_source.config_map
    source.local_object_reference.name, source.optional = "paint", optional
    return pod


async def until(on: Node, accept: Callable[[pod_pb2.Pod], object], *, seconds: float = 60.0) -> pod_pb2.Pod:
    """Let time pass until the Pod is as wanted, while files are written in threads."""
    for _ in range(int(seconds / 0.1)):
        pod = await on.get()
        if accept(pod):
            return pod
        await threads_done()
        await on.clock.advance(0.1)
    raise AssertionError(f"the pod never came to be as wanted: {await on.get()}")


def says(on: Node, words: str) -> Callable[[pod_pb2.Pod], bool]:
    return lambda _: any(words in message for message in on.recorder.messages("FailedMount"))


async def paint(on: Node) -> None:
    config_map = make_config_map("paint", data={"colour": "red"})
    config_map.metadata.uid = ""
    await on.client.config_maps.create(config_map)


async def test_a_missing_config_map_is_waited_for_before_there_is_a_sandbox(tmp_path: Path) -> None:
    async with node(root=tmp_path) as on:
        await on.create(with_config_map())
        words = 'MountVolume.SetUp failed for volume "paint" : configmap "paint" not found'
        await until(on, says(on, words))
        # Long enough for the pauses between its tries to have grown.
        await on.clock.advance(100)

        pod = await on.get()
        assert on.runtime.history == []
        assert (pod.status.phase, pod.status.pod_ip) == ("Pending", "")
        assert pod.status.container_statuses[0].state.waiting.reason == "ContainerCreating"
        ready = get_condition(pod.status, "PodReadyToStartContainers")
        assert ready is not None
        assert ready.status == "False"

        await paint(on)
        await until(on, is_running, seconds=1.5)
        shown = Path(on.volumes.host_path(pod.metadata.uid, pod.spec.volumes[0]))  # type: ignore[arg-type]
        assert (shown / "colour").read_text() == "red"


async def test_an_optional_config_map_is_waited_for_by_nobody(tmp_path: Path) -> None:
    async with node(root=tmp_path) as on:
        await on.create(with_config_map(optional=True))
        await until(on, is_running)

        assert on.recorder.messages("FailedMount") == []


async def test_a_restarted_kubelet_goes_on_waiting(tmp_path: Path) -> None:
    async with node(root=tmp_path) as on:
        await on.create(with_config_map())
        await until(on, says(on, "not found"))
        await on.stop_kubelet()
        await on.start_kubelet(on.group)
        await on.clock.advance(30)
        assert on.runtime.history == []

        await paint(on)
        await until(on, is_running, seconds=1.5)


async def test_a_pod_that_is_deleted_while_it_waits_leaves_nothing(tmp_path: Path) -> None:
    async with node(root=tmp_path) as on:
        pod = with_config_map()
        pod.spec.volumes.add(name="scratch").volume_source.empty_dir.SetInParent()
        await on.create(pod)
        await until(on, says(on, "not found"))
        await on.client.pods.delete("web", "default")
        for _ in range(50):
            await threads_done()
            await on.clock.advance(0.1)

        assert await on.find() is None
        assert on.runtime.history == []
        assert not (tmp_path / "pods").exists() or not list((tmp_path / "pods").iterdir())


async def test_a_claim_that_is_not_bound_yet_is_waited_for(tmp_path: Path) -> None:
    async with node(root=tmp_path) as on:
        pod = pod_of(shell("app", "sleep infinity"))
        pod.spec.volumes.add(name="disk").volume_source.persistent_volume_claim.claim_name = "data"
        await on.create(pod)
        await until(on, says(on, 'persistentvolumeclaims "data" not found'))
        assert on.runtime.history == []

        await bind_claim(on, str(tmp_path / "data"))
        await until(on, is_running, seconds=1.5)


async def test_a_path_of_another_type_holds_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    async with node(root=tmp_path) as on:
        pod = pod_of(shell("app", "sleep infinity"))
        source = pod.spec.volumes.add(name="host").volume_source.host_path
        source.path, source.type = str(tmp_path / "file"), "Directory"
        await on.create(pod)
        await until(on, says(on, "is not a directory"))

        assert on.runtime.history == []


async def bind_claim(on: Node, directory: str) -> None:
    """Make the claim `data`, bound to a volume of this node that lies in a directory."""
    os.mkdir(directory)
    claim, volume = persistent_volume_pb2.PersistentVolumeClaim(), persistent_volume_pb2.PersistentVolume()
    claim.metadata.name, claim.metadata.namespace = "data", "default"
    claim.spec.volume_name, claim.spec.storage_class_name = "disk", ""
    claim.spec.access_modes.append("ReadWriteOnce")
    claim.spec.resources.requests["storage"].string = "1Gi"
    made = await on.client.persistent_volume_claims.create(claim)
    volume.metadata.name = "disk"
    volume.spec.capacity["storage"].string = "1Gi"
    volume.spec.access_modes.append("ReadWriteOnce")
    volume.spec.persistent_volume_source.local.path = directory
    term = volume.spec.node_affinity.required.node_selector_terms.add()
    term.match_fields.add(key="metadata.name", operator="In", values=[NODE])
    reference = volume.spec.claim_ref
    reference.kind, reference.name, reference.namespace = "PersistentVolumeClaim", "data", "default"
    reference.uid = made.metadata.uid
    await on.client.persistent_volumes.create(volume)
    made.status.phase = "Bound"
    await on.client.persistent_volume_claims.update_status(made)
