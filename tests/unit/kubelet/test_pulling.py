"""Images: missing, refused, pulled before each start, not needed any more."""

from kubelet.runtime.hollow.program import Delay, Stages
from tests.unit.kubelet.harness import node
from tests.unit.kubelet.pods import is_running, pod_of, shell
from vaina.api.core.v1 import pod_pb2
from vaina.testing.builders import make_pod


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


async def test_why_a_pull_failed_is_told_while_it_is_tried_again() -> None:
    stages = Stages(images=(), missing_images=frozenset({"nosuch"}), pull_image=Delay(5, 5))
    async with node(stages) as on:
        await on.create(pod_of(shell("app", "sleep infinity", image="nosuch")))
        await on.until(lambda pod: pod.status.container_statuses[0].state.waiting.reason == "ErrImagePull")
        told: list[str] = []

        def twice_more(pod: pod_pb2.Pod) -> bool:
            told.append(pod.status.container_statuses[0].state.waiting.reason)
            return len(on.images.pulls) == 3

        await on.until(twice_more, steps=2000)

        assert set(told) == {"ErrImagePull", "ImagePullBackOff"}


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
