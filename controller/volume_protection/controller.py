"""The shells of both protections.

A claim that ends is looked for in all Pods that have a node, at the apiserver as well: the cache may be late.
"""

from collections.abc import Iterable

import structlog

from controller.base import Controller, Tools
from controller.volume_protection.reconcile import (
    CLAIM_FINALIZER,
    VOLUME_FINALIZER,
    Verdict,
    is_volume_used,
    verdict,
)
from controller.volumes import BY_CLAIM, claims_of
from vaina.api.core.v1 import persistent_volume_pb2, pod_pb2
from vaina.cache.factory import InformerFactory
from vaina.errors import NotFound
from vaina.kinds import PERSISTENT_VOLUME, PERSISTENT_VOLUME_CLAIM, POD
from vaina.objects.meta import object_key, remove_finalizer, split_key

log = structlog.stdlib.get_logger(__name__)


class ClaimProtectionController(Controller):
    """Keys are `namespace/name` of claims."""

    name = "pvc-protection"

    def __init__(self, tools: Tools, factory: InformerFactory) -> None:
        super().__init__(tools)
        self._client = factory.clientset
        self._claims = self.watch(factory.informer(PERSISTENT_VOLUME_CLAIM))
        pods = factory.informer(POD)
        pods.ensure_indexer(BY_CLAIM, claims_of)
        self._pods = self.watch(pods, self._keys_of_pod)

    def _keys_of_pod(self, pod: pod_pb2.Pod) -> Iterable[str]:
        # Only what ends waits for its Pods.
        for key in claims_of(pod):
            claim = self._claims.get(key)
            if claim is not None and claim.metadata.HasField("deletion_timestamp"):
                yield key

    async def sync(self, key: str) -> float | None:
        claim = self._claims.get(key)
        if claim is None:
            return None
        ends = claim.metadata.HasField("deletion_timestamp")
        used = ends and CLAIM_FINALIZER in claim.metadata.finalizers and await self._is_used(key)
        changed = persistent_volume_pb2.PersistentVolumeClaim()
        changed.CopyFrom(claim)
        match verdict(claim.metadata, CLAIM_FINALIZER, used=used):
            case Verdict.NOTHING:
                return None
            case Verdict.ADD:
                changed.metadata.finalizers.append(CLAIM_FINALIZER)
            case Verdict.REMOVE:
                remove_finalizer(changed.metadata, CLAIM_FINALIZER)
                log.info("claim is not used any more", claim=key, uid=claim.metadata.uid)
        try:
            await self._client.persistent_volume_claims.update(changed)
        except NotFound:
            return None
        return None

    async def _is_used(self, key: str) -> bool:
        # A Pod without a node does not count: no kubelet starts one whose claim ends.
        if any(pod.spec.node_name for pod in self._pods.by_index(BY_CLAIM, key)):
            return True
        namespace, _ = split_key(key)
        pods = (await self._client.pods.list(namespace)).items
        return any(pod.spec.node_name and key in claims_of(pod) for pod in pods)


class VolumeProtectionController(Controller):
    """Keys are names of volumes."""

    name = "pv-protection"

    def __init__(self, tools: Tools, factory: InformerFactory) -> None:
        super().__init__(tools)
        self._client = factory.clientset
        self._volumes = self.watch(factory.informer(PERSISTENT_VOLUME), object_key)

    async def sync(self, key: str) -> float | None:
        volume = self._volumes.get(key)
        if volume is None:
            return None
        changed = persistent_volume_pb2.PersistentVolume()
        changed.CopyFrom(volume)
        match verdict(volume.metadata, VOLUME_FINALIZER, used=is_volume_used(volume)):
            case Verdict.NOTHING:
                return None
            case Verdict.ADD:
                changed.metadata.finalizers.append(VOLUME_FINALIZER)
            case Verdict.REMOVE:
                remove_finalizer(changed.metadata, VOLUME_FINALIZER)
                log.info("volume is not used any more", volume=key, uid=volume.metadata.uid)
        try:
            await self._client.persistent_volumes.update(changed)
        except NotFound:
            return None
        return None
