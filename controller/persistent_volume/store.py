"""What the binder knows: the caches' objects, and newer ones that it wrote and no watch has shown yet."""

from collections.abc import Iterable, Sequence
from typing import Final, TypeVar

from controller.volumes import (
    BY_CLAIM,
    Claim,
    StorageClass,
    Volume,
    claim_key,
    claims_of,
    reference_key,
    volume_class,
)
from controller.volumes import claim_class as class_of_claim
from vaina.api.core.v1 import pod_pb2
from vaina.cache.informer import Informer
from vaina.objects.meta import object_key

T = TypeVar("T", Claim, Volume)

BY_CLASS: Final = "volume-class"
BY_REFERENCE: Final = "volume-claim"
#: objects remembered: more are not written between two events of a watch
MAX_WRITTEN: Final = 1000


class Known:
    """A `World` for `reconcile`. Owned by the binder's one worker."""

    def __init__(
        self,
        claims: Informer[Claim],
        volumes: Informer[Volume],
        classes: Informer[StorageClass],
        pods: Informer[pod_pb2.Pod],
    ) -> None:
        self._claims, self._volumes, self._classes, self._pods = claims, volumes, classes, pods
        volumes.ensure_indexer(BY_CLASS, lambda volume: [volume_class(volume)])
        volumes.ensure_indexer(BY_REFERENCE, lambda volume: [reference_key(volume)])
        pods.ensure_indexer(BY_CLAIM, claims_of)
        #: by kind and key
        self._written: dict[tuple[type, str], Claim | Volume] = {}

    def note(self, stored: Claim | Volume) -> None:
        """Remember an object as the apiserver has answered it."""
        if len(self._written) >= MAX_WRITTEN:
            self._written.clear()
        self._written[type(stored), object_key(stored)] = stored

    def _newer(self, kind: type[T], key: str, shown: T | None) -> T | None:
        written = self._written.get((kind, key))
        if not isinstance(written, kind):
            return shown
        if shown is None or _version(shown) >= _version(written):
            # The cache is newer, or the object was deleted.
            del self._written[kind, key]
            return shown
        return written

    def claim(self, key: str) -> Claim | None:
        return self._newer(Claim, key, self._claims.lister.get(key))

    def volume(self, name: str) -> Volume | None:
        return self._newer(Volume, name, self._volumes.lister.get(name))

    def volumes_for(self, claim: Claim) -> Iterable[Volume]:
        lister = self._volumes.lister
        meant = lister.by_index(BY_REFERENCE, claim_key(claim))
        free = lister.by_index(BY_CLASS, class_of_claim(claim))
        for name in {volume.metadata.name for volume in (*meant, *free)}:
            volume = self.volume(name)
            if volume is not None:
                yield volume

    def storage_classes(self) -> Iterable[StorageClass]:
        return self._classes.lister.list()

    def waiting_pods(self, claim: Claim) -> Sequence[str]:
        pods = self._pods.lister.by_index(BY_CLAIM, claim_key(claim))
        return sorted(pod.metadata.name for pod in pods if not pod.spec.node_name)


def _version(message: Claim | Volume) -> int:
    return int(message.metadata.resource_version or 0)
