"""What a kind of volume has to do; the words are those of `pkg/volume/plugins.go` and `volume.go` upstream."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path

from kubelet.containers.cgroups import pod_cgroup_limits
from kubelet.containers.env import PodFacts
from kubelet.volumes.interface import ApiObjects, Reference
from vaina.api.core.v1 import pod_pb2, volume_pb2
from vaina.objects.quantity import value


@dataclass(frozen=True, slots=True)
class PodVolume:
    """One volume of one Pod, as a plugin is asked to set it up."""

    pod: pod_pb2.Pod
    volume: volume_pb2.Volume
    facts: PodFacts
    #: where it lies, if its plugin has a directory
    path: Path
    root: Path
    objects: ApiObjects

    @property
    def group(self) -> int | None:
        context = self.pod.spec.security_context
        return context.fs_group if context.HasField("fs_group") else None


class VolumePlugin(ABC):
    """A kind of volume: if nothing else is said, a directory of the Pod's own that containers may write in.

    Plugins have no state: the file system says what is set up.
    """

    #: upstream's name of its directory in the Pod's; "": it lies elsewhere on the node
    directory = ""
    #: its files follow objects: it is set up again whenever one of them changes (RequiresRemount)
    requires_remount = False

    @abstractmethod
    def is_set_up(self, volume: volume_pb2.Volume, path: Path) -> bool:
        """Say whether containers can use a volume already. Blocking."""

    def host_path(self, volume: volume_pb2.Volume, path: Path) -> str:
        """Return what containers mount: `path`, or where else it is on the node."""
        return str(path)

    def is_read_only(self, volume: volume_pb2.Volume) -> bool:
        """Say whether containers may only read it, whatever their mounts say."""
        return False

    def references(self, pod: pod_pb2.Pod, volume: volume_pb2.Volume) -> Set[Reference]:
        """Return the objects that it is made of, or waits for."""
        return frozenset()

    def image(self, volume: volume_pb2.Volume) -> volume_pb2.ImageVolumeSource | None:
        """Return the image that it shows, which is pulled before a container that mounts it starts."""
        return None

    async def check(self, wanted: PodVolume) -> None:
        """See that all is there that it needs. Raises PayloadError, VolumeFailed, ApiError, OSError."""
        return

    @abstractmethod
    async def set_up(self, wanted: PodVolume) -> None:
        """Have containers find it; what is set up already is brought up to date. Raises as `check`."""


def memory_bytes(pod: pod_pb2.Pod, size_limit: str, allocatable: Mapping[str, int]) -> int:
    """Return how large a volume in memory may become; 0: there is no limit.

    The least of its own limit, the Pod's cgroup's and the node's allocatable (calculateEmptyDirMemorySize).
    """
    bounds = (value(size_limit or "0"), pod_cgroup_limits(pod).memory_bytes, allocatable.get("memory", 0))
    return min((bound for bound in bounds if bound > 0), default=0)
