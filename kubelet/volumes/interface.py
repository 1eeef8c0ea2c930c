"""What the executor of a Pod's worker asks of volumes, and where volumes have their objects from."""

from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from kubelet.containers.env import PodFacts
from kubelet.runtime.records import Uid
from vaina.api.core.v1 import config_pb2, node_pb2, persistent_volume_pb2, pod_pb2, volume_pb2
from vaina.api.node.v1 import runtime_class_pb2
from vaina.client.clientset import Clientset
from vaina.errors import NotFound
from vaina.objects.local_path import MADE_ANNOTATION


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
        """See that objects, claims and paths are there that volumes need. Raises VolumeFailed.

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


T = TypeVar("T")


async def _or_none(found: Awaitable[T]) -> T | None:
    try:
        return await found
    except NotFound:
        return None


class ApiObjects:
    """Objects of volumes and environments, always read anew: a Pod is tried again when one was missing.

    None: there is no such object. Raises ApiError: that is not known.
    """

    def __init__(self, client: Clientset) -> None:
        self._client = client

    async def config_map(self, namespace: str, name: str) -> config_pb2.ConfigMap | None:
        return await _or_none(self._client.config_maps.get(name, namespace))

    async def secret(self, namespace: str, name: str) -> config_pb2.Secret | None:
        return await _or_none(self._client.secrets.get(name, namespace))

    async def runtime_class(self, name: str) -> runtime_class_pb2.RuntimeClass | None:
        return await _or_none(self._client.runtime_classes.get(name))

    async def claim(self, namespace: str, name: str) -> persistent_volume_pb2.PersistentVolumeClaim | None:
        return await _or_none(self._client.persistent_volume_claims.get(name, namespace))

    async def volume(self, name: str) -> persistent_volume_pb2.PersistentVolume | None:
        return await _or_none(self._client.persistent_volumes.get(name))

    async def node(self, name: str) -> node_pb2.Node | None:
        return await _or_none(self._client.nodes.get(name))

    async def mark_made(self, volume: persistent_volume_pb2.PersistentVolume) -> None:
        """Write down that a volume's directory was made. Raises ApiError: it was changed meanwhile, say."""
        made = persistent_volume_pb2.PersistentVolume()
        made.CopyFrom(volume)
        made.metadata.annotations[MADE_ANNOTATION] = "true"
        await self._client.persistent_volumes.update(made)
