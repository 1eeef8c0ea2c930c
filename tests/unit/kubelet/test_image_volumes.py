"""Volumes that show images: pulled before the containers that mount them start, and waited for in the words
of containers' images.
"""

import pytest

from kubelet.decide.termination import Verdict
from kubelet.runtime.hollow.program import Delay, Stages
from kubelet.runtime.records import IMAGES_ANNOTATION
from tests.unit.kubelet.harness import node
from tests.unit.kubelet.pods import is_running, pod_of, shell
from vaina.api.core.v1 import pod_pb2

BOX = "busybox:1"


def showing(reference: str, *containers: pod_pb2.Container, policy: str = "") -> pod_pb2.Pod:
    pod = pod_of(*containers)
    source = pod.spec.volumes.add(name="model").volume_source.image
    source.reference, source.pull_policy = reference, policy
    for container in pod.spec.containers:
        container.volume_mounts.add(name="model", mount_path="/model")
    return pod


async def test_the_image_of_a_volume_is_pulled_once_for_all_containers() -> None:
    stages = Stages(images=(BOX,))
    async with node(stages) as on:
        pod = showing(
            "models/small:1",
            shell("app", "exit 1", BOX),
            shell("two", "sleep infinity", BOX),
            policy="Always",
        )
        await on.create(pod)
        await on.until(lambda pod: pod.status.container_statuses[0].restart_count == 2)

        assert on.images.pulls == ["models/small:1"]
        assert on.recorder.messages("Pulling") == ['Pulling image "models/small:1"']
        assert on.recorder.messages("Pulled")[0].startswith('Successfully pulled image "models/small:1" in')
        shown = {state.annotations[IMAGES_ANNOTATION] for state in await on.containers()}
        assert shown == {"sha256:models/small:1"}


async def test_a_volume_whose_image_is_there_is_told_as_present() -> None:
    async with node(Stages(images=(BOX, "models/small:1"))) as on:
        await on.create(showing("models/small:1", shell("app", "sleep infinity", BOX)))
        await on.until(is_running)

        assert on.recorder.messages("Pulled") == [
            'Container image "models/small:1" already present on machine and can be accessed by the pod',
            'Container image "busybox:1" already present on machine and can be accessed by the pod',
        ]


async def test_a_container_waits_for_the_image_of_its_volume_and_others_do_not() -> None:
    stages = Stages(images=(BOX,), missing_images=frozenset({"models/none:1"}))
    async with node(stages) as on:
        pod = showing("models/none:1", shell("app", "sleep infinity", BOX))
        pod.spec.containers.append(shell("other", "sleep infinity", BOX))
        await on.create(pod)

        app, other = (await on.get()).status.container_statuses
        assert app.state.waiting.reason == "ErrImagePull"
        assert app.state.waiting.message == "manifest for models/none:1 not found: manifest unknown"
        assert other.state.HasField("running")
        waiting = await on.until(
            lambda pod: pod.status.container_statuses[0].state.waiting.reason == "ImagePullBackOff"
        )
        assert waiting.status.container_statuses[0].state.waiting.message == (
            'Back-off pulling image "models/none:1": ErrImagePull: manifest for models/none:1 not found: manifest unknown'
        )
        assert on.recorder.messages("BackOff") == ['Back-off pulling image "models/none:1"']
        assert on.recorder.messages("Failed")[:2] == [
            'Failed to pull image "models/none:1": manifest for models/none:1 not found: manifest unknown',
            "Error: ErrImagePull",
        ]


@pytest.mark.parametrize("ends", ["deleted", "evicted"])
async def test_the_end_of_a_pod_is_heard_while_an_image_is_unpacked(ends: str) -> None:
    stages = Stages(images=(BOX, "models/large:1"), unpack_image=Delay(3600.0, 3600.0))
    async with node(stages) as on:
        await on.create(showing("models/large:1", shell("app", "sleep infinity", BOX)))
        assert not (await on.get()).status.container_statuses[0].state.HasField("running")
        if ends == "deleted":
            await on.client.pods.delete("web", "default")
        else:
            [worker] = on.kubelet.workers.all()
            assert worker.evict(Verdict("Evicted", "no room", 0))
        for _ in range(10):
            await on.clock.advance(0.1)
        found = await on.find()
        assert found is None if ends == "deleted" else found is not None and found.status.phase == "Failed"
        assert on.recorder.messages("Failed") == []


async def test_a_volume_that_may_not_be_pulled_is_waited_for() -> None:
    async with node(Stages(images=(BOX,))) as on:
        await on.create(showing("models/small:1", shell("app", "sleep infinity", BOX), policy="Never"))

        [status] = (await on.get()).status.container_statuses
        assert status.state.waiting.reason == "ErrImageNeverPull"
        await on.images.pull_image("models/small:1")
        await on.until(is_running, steps=700)
