"""Fetching the images that a Pod needs, in tasks of its worker's group. Shell. Called by the executor."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from kubelet.decide.actions import PullImage
from kubelet.decide.observation import ImageObservation, ImageProgress
from kubelet.images.keyring import find_auths
from kubelet.pod.memory import ImageRecord, PodMemory
from kubelet.pod.running import NORMAL, WARNING
from kubelet.pod.step_waits import StepWaits
from kubelet.pod.tools import PodTools
from kubelet.runtime.interface import ImagePullError, RuntimeFailure
from kubelet.runtime.records import RegistryAuth, Uid
from kubelet.tasks import Children
from vaina.api.core.v1 import pod_pb2
from vaina.errors import ApiError
from vaina.quoting import go_quote
from vaina.steps import PodStep


class Pulls:
    """The pulls of one Pod. Owned by its worker."""

    def __init__(
        self, tools: PodTools, memory: PodMemory, waits: StepWaits, group: Children, poke: Callable[[], None]
    ) -> None:
        self._tools, self._memory, self._waits = tools, memory, waits
        self._group, self._poke = group, poke

    def begin(self, pod: pod_pb2.Pod, action: PullImage) -> None:
        """Begin to pull an image; the memory keeps the result."""
        failed = self._memory.images.get(action.key)
        observation = ImageObservation(ImageProgress.PULLING)
        if failed is not None and failed.image == action.image and failed.observation.reason:
            # The reason is shown until a pull succeeds (upstream: `pkg/kubelet/reason_cache.go`).
            observation = replace(failed.observation, progress=ImageProgress.PULLING)
        self._memory.images[action.key] = ImageRecord(action.attempt, action.image, observation)
        self._tools.event(pod, NORMAL, "Pulling", f"Pulling image {go_quote(action.image)}", _owner(action))
        before = self._memory.pulls.pop(action.key, None)
        if before is not None:
            before.cancel()
        self._memory.pulls[action.key] = self._group.create_task(self._pull_to_end(pod, action))

    async def _pull_to_end(self, pod: pod_pb2.Pod, action: PullImage) -> None:
        tools, uid = self._tools, Uid(pod.metadata.uid)
        waits, key, words = self._waits, f"pull/{action.key}", f"image {action.image}"

        def begun() -> None:
            waits.begin(pod, key, PodStep.STARTED, words)

        if tools.images.is_full:
            waits.begin(pod, key, PodStep.STARTED, f"a place among the node's pulls, for {words}")
        try:
            auths = await self._auths(pod, action.image)
            image, told = await tools.images.pull(uid, action.image, auths, begun)
        except (RuntimeFailure, ApiError) as error:
            refused = error if isinstance(error, ImagePullError) else ImagePullError(str(error))
            observation = tools.images.failed(uid, action.image, refused)
            self._tools.event(
                pod,
                WARNING,
                "Failed",
                f"Failed to pull image {go_quote(action.image)}: {error}",
                _owner(action),
            )
            self._tools.event(pod, WARNING, "Failed", f"Error: {observation.reason}", action.name)
        else:
            observation = ImageObservation(ImageProgress.READY, image_id=image.id)
            self._tools.event(pod, NORMAL, "Pulled", told, _owner(action))
        self._memory.images[action.key] = ImageRecord(action.attempt, action.image, observation, pulled=True)
        waits.end(pod, key)
        self._poke()

    async def _auths(self, pod: pod_pb2.Pod, image: str) -> Sequence[RegistryAuth]:
        found, missing = [], []
        for reference in pod.spec.image_pull_secrets:
            secret = await self._tools.objects.secret(pod.metadata.namespace, reference.name)
            if secret is None:
                missing.append(reference.name)
            else:
                found.append(secret)
        if missing:
            words = f"Unable to retrieve some image pull secrets ({', '.join(missing)}); attempting to pull the image may not succeed."
            self._tools.event(pod, WARNING, "FailedToRetrieveImagePullSecret", words)
        return find_auths(image, found)

    def cancel(self) -> None:
        """Cancel all pulls: nothing needs the images any more."""
        for task in self._memory.pulls.values():
            task.cancel()
        self._memory.pulls.clear()
        self._memory.images.clear()


def _owner(action: PullImage) -> str:
    """Return the container that an event about a pull names; "": the Pod, for the image of a volume."""
    return "" if action.volume else action.name
