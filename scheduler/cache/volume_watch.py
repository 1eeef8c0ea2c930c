"""Watches storage for the plugins that ask about it: fills the catalogue, and tells the queue what could help.

Started only where a profile has such a plugin. Called by `scheduler.scheduler`.
"""

import asyncio
import random
from collections.abc import Callable
from typing import Any, Final

import structlog

from scheduler.framework.events import ClaimsChanged, ClusterEvent
from scheduler.volumes.catalogue import Catalogue
from scheduler.volumes.objects import has_more
from vaina.api.core.v1 import persistent_volume_pb2
from vaina.api.storage.v1 import (
    csi_driver_pb2,
    csi_node_pb2,
    csi_storage_capacity_pb2,
    storage_class_pb2,
    volume_attachment_pb2,
)
from vaina.cache.informer import Informer, MutationDetector
from vaina.client.clientset import Clientset
from vaina.clock import Clock
from vaina.objects.meta import object_key

log = structlog.stdlib.get_logger(__name__)

#: plugins that look at storage
PLUGINS: Final = frozenset({"VolumeBinding", "VolumeZone", "VolumeRestrictions", "NodeVolumeLimits"})


class VolumeWatch:
    """The informers of storage. Owned by the scheduling task."""

    def __init__(
        self,
        clients: Clientset,
        clock: Clock,
        catalogue: Catalogue,
        happened: Callable[[ClusterEvent, ClaimsChanged | None], None],
        *,
        detector: MutationDetector | None = None,
        rng: random.Random | None = None,
    ) -> None:
        """Make the informers; `happened` is told of each kind of change, once a batch; of claims also which."""
        self._catalogue, self._happened = catalogue, happened
        self._logged: set[str] = set()
        self.volumes: Informer[persistent_volume_pb2.PersistentVolume] = Informer(
            clients.persistent_volumes, clock, detector=detector, rng=rng
        )
        self.claims: Informer[persistent_volume_pb2.PersistentVolumeClaim] = Informer(
            clients.persistent_volume_claims, clock, detector=detector, rng=rng
        )
        self.classes: Informer[storage_class_pb2.StorageClass] = Informer(
            clients.storage_classes, clock, detector=detector, rng=rng
        )
        self.nodes: Informer[csi_node_pb2.CSINode] = Informer(
            clients.csi_nodes, clock, detector=detector, rng=rng
        )
        self.drivers: Informer[csi_driver_pb2.CSIDriver] = Informer(
            clients.csi_drivers, clock, detector=detector, rng=rng
        )
        self.capacities: Informer[csi_storage_capacity_pb2.CSIStorageCapacity] = Informer(
            clients.csi_storage_capacities, clock, detector=detector, rng=rng
        )
        self.attachments: Informer[volume_attachment_pb2.VolumeAttachment] = Informer(
            clients.volume_attachments, clock, detector=detector, rng=rng
        )
        self._add(self.volumes, catalogue.on_volumes, ClusterEvent.VOLUME_ADD, ClusterEvent.VOLUME_UPDATE)
        self._add(self.claims, catalogue.on_claims, ClusterEvent.CLAIM_ADD, ClusterEvent.CLAIM_UPDATE)
        self._add(self.classes, catalogue.on_classes, ClusterEvent.CLASS_ADD, ClusterEvent.CLASS_UPDATE)
        self._add(self.nodes, catalogue.on_nodes, ClusterEvent.CSI_NODE_ADD, ClusterEvent.CSI_NODE_UPDATE)
        self._add(
            self.drivers, catalogue.on_drivers, ClusterEvent.CSI_DRIVER_ADD, ClusterEvent.CSI_DRIVER_UPDATE
        )
        self._add(
            self.capacities, catalogue.on_capacities, ClusterEvent.CAPACITY_ADD, ClusterEvent.CAPACITY_UPDATE,
            matters=has_more,
        )  # fmt: skip
        self._add(self.attachments, catalogue.on_attachments, None, None, ClusterEvent.ATTACHMENT_DELETE)

    @property
    def synced(self) -> bool:
        return all(informer.synced for informer in self._informers())

    async def wait_synced(self) -> None:
        for informer in self._informers():
            await informer.wait_synced()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for informer in self._informers():
                group.create_task(informer.run(), name=f"informer-{informer.kind.plural}")

    def _informers(self) -> tuple[Informer[Any], ...]:
        return (
            self.volumes, self.claims, self.classes, self.nodes, self.drivers, self.capacities, self.attachments,
        )  # fmt: skip

    def _add(
        self,
        informer: Informer[Any],
        handler: Callable[[Any], None],
        added: ClusterEvent | None,
        updated: ClusterEvent | None,
        deleted: ClusterEvent | None = None,
        *,
        matters: Callable[[Any, Any], bool] = lambda _old, _new: True,
    ) -> None:
        """Follow a kind. Events that are None are told to nobody, nor updates that do not matter."""

        def on_changes(changes: Any) -> None:
            handler(changes)
            self._log_unreadable()
            keys: dict[ClusterEvent, set[str]] = {}
            for old, new in changes:
                event = deleted if new is None else added if old is None else updated
                if event is not None and (old is None or new is None or matters(old, new)):
                    keys.setdefault(event, set()).add(object_key(new if new is not None else old))
            for event, changed in keys.items():
                of_claims = event in (ClusterEvent.CLAIM_ADD, ClusterEvent.CLAIM_UPDATE)
                self._happened(event, ClaimsChanged(frozenset(changed)) if of_claims else None)

        informer.add_batch_handler(on_changes)

    def _log_unreadable(self) -> None:
        unreadable = self._catalogue.unreadable
        for name in unreadable.keys() - self._logged:
            log.warning("storage cannot be read", object=name, error=unreadable[name])
        self._logged = set(unreadable)
