"""Watches storage for the plugins that ask about it: fills the catalogue, and tells the queue what could help.

Started only where a profile has such a plugin. Called by `scheduler.scheduler`.
"""

import asyncio
import random
from collections.abc import Callable
from typing import Any, Final, TypeVar

import structlog
from google.protobuf.message import Message

from scheduler.framework.events import ClaimsChanged, ClusterEvent
from scheduler.volumes.catalogue import Catalogue
from scheduler.volumes.objects import has_more
from vaina.cache.informer import Informer, MutationDetector
from vaina.client.clientset import Clientset
from vaina.client.resource import ResourceClient
from vaina.clock import Clock
from vaina.objects.meta import object_key

log = structlog.stdlib.get_logger(__name__)

M = TypeVar("M", bound=Message)

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

        def informer(client: ResourceClient[M]) -> Informer[M]:
            return Informer(client, clock, detector=detector, rng=rng)

        self.volumes = informer(clients.persistent_volumes)
        self.claims = informer(clients.persistent_volume_claims)
        self.classes = informer(clients.storage_classes)
        self.nodes = informer(clients.csi_nodes)
        self.drivers = informer(clients.csi_drivers)
        self.capacities = informer(clients.csi_storage_capacities)
        self.attachments = informer(clients.volume_attachments)
        self._informers: tuple[Informer[Any], ...] = (
            self.volumes, self.claims, self.classes, self.nodes, self.drivers, self.capacities, self.attachments,
        )  # fmt: skip
        event = ClusterEvent
        self._add(self.volumes, catalogue.on_volumes, event.VOLUME_ADD, event.VOLUME_UPDATE)
        self._add(self.claims, catalogue.on_claims, event.CLAIM_ADD, event.CLAIM_UPDATE)
        self._add(self.classes, catalogue.on_classes, event.CLASS_ADD, event.CLASS_UPDATE)
        self._add(self.nodes, catalogue.on_nodes, event.CSI_NODE_ADD, event.CSI_NODE_UPDATE)
        self._add(self.drivers, catalogue.on_drivers, event.CSI_DRIVER_ADD, event.CSI_DRIVER_UPDATE)
        self._add(
            self.capacities, catalogue.on_capacities, event.CAPACITY_ADD, event.CAPACITY_UPDATE,
            matters=has_more,
        )  # fmt: skip
        self._add(self.attachments, catalogue.on_attachments, None, None, event.ATTACHMENT_DELETE)

    @property
    def synced(self) -> bool:
        return all(informer.synced for informer in self._informers)

    async def wait_synced(self) -> None:
        for informer in self._informers:
            await informer.wait_synced()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for informer in self._informers:
                group.create_task(informer.run(), name=f"informer-{informer.kind.plural}")

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
