"""Which images have to be there before a container starts. PURE.

Its own, and those that volumes of it show: they are pulled alike
(`pkg/kubelet/kuberuntime/kuberuntime_manager.go`, getImageVolumes).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from kubelet.decide.actions import PullPolicy, image_key
from kubelet.volumes.plugins.table import plugin_of
from vaina.api.core.v1 import pod_pb2


@dataclass(frozen=True, slots=True)
class WantedImage:
    """An image that a container needs."""

    reference: str
    policy: PullPolicy
    #: for which it is looked for anew; always 0 for a volume's, which stays the same as long as its Pod lives
    attempt: int
    #: by which what is known of it is found
    key: str
    #: that shows it; "": it is the container's own
    volume: str = ""


def wanted_images(pod: pod_pb2.Pod, spec: pod_pb2.Container, attempt: int) -> Iterator[WantedImage]:
    """Give the images that an attempt of a container needs, its own last."""
    mounted = {mount.name for mount in spec.volume_mounts}
    for volume in pod.spec.volumes:
        source = plugin_of(volume).image(volume) if volume.name in mounted else None
        if source is not None:
            policy = PullPolicy(source.pull_policy or PullPolicy.IF_NOT_PRESENT)
            yield WantedImage(source.reference, policy, 0, image_key(spec.name, volume.name), volume.name)
    policy = PullPolicy(spec.image_pull_policy or PullPolicy.IF_NOT_PRESENT)
    yield WantedImage(spec.image, policy, attempt, image_key(spec.name))
