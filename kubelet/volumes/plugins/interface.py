"""What a kind of volume has to do; the words are those of `pkg/volume/plugins.go` and `volume.go` upstream."""

from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from kubelet.containers.downward import PodFacts
from kubelet.volumes.claims import ClaimSource
from kubelet.volumes.interface import ObjectSource, Reference
from vaina.api.core.v1 import pod_pb2, volume_pb2


class VolumeObjects(ObjectSource, ClaimSource, Protocol):
    """Everything that volumes are made of."""


@dataclass(frozen=True, slots=True)
class PodVolume:
    """One volume of one Pod, as a plugin is asked to set it up."""

    pod: pod_pb2.Pod
    volume: volume_pb2.Volume
    facts: PodFacts
    #: where it lies, if its plugin has a directory
    path: Path
    #: of the kubelet
    root: Path
    objects: VolumeObjects

    @property
    def group(self) -> int | None:
        """The group that its files belong to (fsGroup)."""
        context = self.pod.spec.security_context
        return context.fs_group if context.HasField("fs_group") else None


class VolumePlugin(Protocol):
    """A kind of volume. Stateless: what is set up is asked of the file system, and torn down by
    `VolumeManager.unmount` alike for all kinds.
    """

    @property
    def directory(self) -> str | None:
        """Upstream's name of its directory in the Pod's; None: it lies elsewhere on the node."""
        ...

    @property
    def requires_remount(self) -> bool:
        """Its files follow objects: it is set up again whenever one of them changes (RequiresRemount)."""
        ...

    def is_set_up(self, volume: volume_pb2.Volume, path: Path) -> bool:
        """Say whether containers can use a volume already. Blocking."""
        ...

    def host_path(self, volume: volume_pb2.Volume, path: Path) -> str:
        """Return what containers mount: `path`, or where else it is on the node."""
        ...

    def is_read_only(self, volume: volume_pb2.Volume) -> bool:
        """Say whether containers may only read it, whatever their mounts say."""
        ...

    def references(self, pod: pod_pb2.Pod, volume: volume_pb2.Volume) -> Set[Reference]:
        """Return the objects that it is made of, or waits for."""
        ...

    def image(self, volume: volume_pb2.Volume) -> volume_pb2.ImageVolumeSource | None:
        """Return the image that it shows, which is pulled before a container that mounts it starts.

        None: it shows something else.
        """
        ...

    async def check(self, wanted: PodVolume) -> None:
        """See that all is there that it needs. Raises PayloadError, VolumeFailed, ApiError, OSError."""
        ...

    async def set_up(self, wanted: PodVolume) -> None:
        """Have containers find it; what is set up already is brought up to date. Raises as `check`."""
        ...


class Writable:
    """What most kinds say: a directory of the Pod's own that containers may write in, made of no objects."""

    requires_remount = False

    def host_path(self, volume: volume_pb2.Volume, path: Path) -> str:
        return str(path)

    def is_read_only(self, volume: volume_pb2.Volume) -> bool:
        return False

    def references(self, pod: pod_pb2.Pod, volume: volume_pb2.Volume) -> Set[Reference]:
        return frozenset()

    def image(self, volume: volume_pb2.Volume) -> volume_pb2.ImageVolumeSource | None:
        return None

    async def check(self, wanted: PodVolume) -> None:
        return
