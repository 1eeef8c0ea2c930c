"""Volumes of hollow nodes: they remember what was mounted and touch no file system."""

from collections.abc import Iterable

from kubelet.containers.downward import PodFacts
from kubelet.runtime.records import Uid
from vaina.api.core.v1 import pod_pb2, volume_pb2


class NoVolumes:
    """`Volumes` that only remember."""

    def __init__(self) -> None:
        self._mounted: dict[Uid, set[str]] = {}

    async def mounted(self, pod: pod_pb2.Pod) -> frozenset[str]:
        return frozenset(self._mounted.get(Uid(pod.metadata.uid), ()))

    async def prepare(self, pod: pod_pb2.Pod, names: Iterable[str], facts: PodFacts) -> None:
        return

    async def mount(self, pod: pod_pb2.Pod, names: Iterable[str], facts: PodFacts) -> None:
        self._mounted.setdefault(Uid(pod.metadata.uid), set()).update(names)

    async def unmount(self, uid: Uid) -> None:
        self._mounted.pop(uid, None)

    def host_path(self, uid: Uid, volume: volume_pb2.Volume) -> str:
        return f"/nowhere/{uid}/{volume.name}"
