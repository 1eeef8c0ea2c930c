"""What the executor of a Pod's worker asks of volumes."""

from collections.abc import Iterable
from dataclasses import dataclass

from kubelet.containers.downward import PodFacts
from kubelet.runtime.records import Uid
from vaina.api.core.v1 import pod_pb2, volume_pb2


class VolumeFailed(Exception):
    """A volume cannot be mounted (now); the message is for the user, in an event of reason FailedMount."""

    def __init__(self, volume: str, message: str) -> None:
        super().__init__(message)
        self.volume = volume


def setup_failed(name: str) -> str:
    """Return upstream's words before the reason why a volume could not be set up."""
    return f'MountVolume.SetUp failed for volume "{name}" : '


@dataclass(frozen=True, slots=True, order=True)
class Reference:
    """An object that a volume is made of, or waits for."""

    #: ConfigMap, Secret or PersistentVolumeClaim
    kind: str
    namespace: str
    name: str


class Volumes:
    """The volumes of a node's Pods: those of a hollow node, which remembers what was mounted, and no more."""

    def __init__(self) -> None:
        self._mounted: dict[Uid, set[str]] = {}

    async def mounted(self, pod: pod_pb2.Pod) -> frozenset[str]:
        """Return the names of the Pod's mounted volumes, those that an earlier kubelet mounted included."""
        return frozenset(self._mounted.get(Uid(pod.metadata.uid), ()))

    async def prepare(self, pod: pod_pb2.Pod, names: Iterable[str], facts: PodFacts) -> None:
        """See that everything is there that volumes need: objects, claims, paths. Raises VolumeFailed.

        What is missing is watched until `unmount`, and the Pod's worker is told when it has changed.
        """

    async def mount(self, pod: pod_pb2.Pod, names: Iterable[str], facts: PodFacts) -> None:
        """Mount volumes; what is mounted already is brought up to date. Raises VolumeFailed."""
        self._mounted.setdefault(Uid(pod.metadata.uid), set()).update(names)

    async def unmount(self, uid: Uid) -> None:
        """Unmount a Pod's volumes and remove what lives only as long as the Pod. Raises VolumeFailed."""
        self._mounted.pop(uid, None)

    def host_path(self, uid: Uid, volume: volume_pb2.Volume) -> str:
        """Return where a volume is on the node."""
        return f"/nowhere/{uid}/{volume.name}"
