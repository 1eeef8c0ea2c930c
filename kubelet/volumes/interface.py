"""What the pod worker's executor asks of volumes, and where their data comes from."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from kubelet.containers.downward import PodFacts
from kubelet.runtime.records import Uid
from vaina.api.core.v1 import config_pb2, pod_pb2, volume_pb2
from vaina.api.node.v1 import runtime_class_pb2


class VolumeFailed(Exception):
    """A volume cannot be mounted (now); the message is for the user, as an event of reason FailedMount."""

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


class ObjectSource(Protocol):
    """Where ConfigMaps, Secrets and RuntimeClasses come from. None: there is no such object.

    Raises ApiError when nobody can say.
    """

    async def config_map(self, namespace: str, name: str) -> config_pb2.ConfigMap | None:
        """Return a ConfigMap."""
        ...

    async def secret(self, namespace: str, name: str) -> config_pb2.Secret | None:
        """Return a Secret."""
        ...

    async def runtime_class(self, name: str) -> runtime_class_pb2.RuntimeClass | None:
        """Return a RuntimeClass."""
        ...


class Volumes(Protocol):
    """The volumes of a node's Pods."""

    async def mounted(self, pod: pod_pb2.Pod) -> frozenset[str]:
        """Return the names of the Pod's volumes that are mounted: also those that an earlier kubelet mounted."""
        ...

    async def prepare(self, pod: pod_pb2.Pod, names: Iterable[str], facts: PodFacts) -> None:
        """See that all is there that volumes need: objects, bound claims, paths of the node.

        Raises VolumeFailed.

        What is missing is waited for until `unmount`: whoever has asked is told when it has changed.
        """
        ...

    async def mount(self, pod: pod_pb2.Pod, names: Iterable[str], facts: PodFacts) -> None:
        """Mount volumes; what is mounted already is brought up to date. Raises VolumeFailed."""
        ...

    async def unmount(self, uid: Uid) -> None:
        """Unmount all of a Pod's volumes, and remove what lives only as long as the Pod. Raises VolumeFailed."""
        ...

    def host_path(self, uid: Uid, volume: volume_pb2.Volume) -> str:
        """Return where a volume is on the node."""
        ...
