"""What the executor of a Pod's worker asks of volumes, what a kind of volume does, and its objects.

The words of plugins are those of `pkg/volume/plugins.go` and `volume.go` upstream.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Iterable, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from kubelet.containers.cgroups import pod_cgroup_limits
from kubelet.containers.env import PodFacts
from kubelet.runtime.records import Uid
from kubelet.volumes.payload import PayloadError
from kubelet.volumes.tokens import Tokens
from vaina.api.core.v1 import config_pb2, node_pb2, persistent_volume_pb2, pod_pb2, volume_pb2
from vaina.api.node.v1 import runtime_class_pb2
from vaina.client.clientset import Clientset
from vaina.errors import NotFound
from vaina.objects.local_path import MADE_ANNOTATION
from vaina.objects.quantity import value


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

    def __init__(self, client: Clientset, tokens: Tokens | None = None) -> None:
        """Make them; without `tokens` there are no tokens of ServiceAccounts."""
        self._client, self._tokens = client, tokens

    async def token(self, pod: pod_pb2.Pod, wanted: volume_pb2.ServiceAccountTokenProjection) -> bytes:
        """Return a token of the Pod's account. Raises PayloadError."""
        if self._tokens is None:
            raise PayloadError("failed to fetch token: this kubelet asks for none")
        return await self._tokens.token(pod, wanted)

    def forget(self, uid: Uid) -> None:
        """Drop what is kept for a Pod that is gone."""
        if self._tokens is not None:
            self._tokens.forget(uid)

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
