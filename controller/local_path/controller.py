"""The shell of the node-local provisioner: makes volumes, and gives up those of lost nodes."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Final

import structlog

from controller import volumes as pv
from controller.base import Controller, Tools, find
from controller.config import ControllerConfig
from controller.local_path import reconcile
from controller.plans import copy_of
from controller.volumes import Claim, StorageClass, Volume
from vaina.api.core.v1 import node_pb2
from vaina.cache.informer import InformerFactory
from vaina.client.events import EventRecorder
from vaina.errors import AlreadyExists, NotFound
from vaina.kinds import NODE, PERSISTENT_VOLUME, PERSISTENT_VOLUME_CLAIM, STORAGE_CLASS
from vaina.objects.local_path import FINALIZER, PROVISIONER, is_ours, node_of
from vaina.objects.meta import remove_finalizer
from vaina.objects.storage_classes import DEFAULT_CLASS

log = structlog.stdlib.get_logger(__name__)

#: a claim for which no volume can be made is looked at again
RETRY_SECONDS: Final = 30.0
#: how long a node must be missing before its volumes are given up
QUARANTINE_SECONDS: Final = 60.0
#: index of the provisioner's volumes by node
BY_NODE: Final = "local-path-node"


class LocalPathController(Controller):
    """Keys are `claim namespace/name`, `volume name` and `class name`."""

    name = "local-path"

    def __init__(
        self, tools: Tools, factory: InformerFactory, recorder: EventRecorder, config: ControllerConfig
    ) -> None:
        super().__init__(tools)
        self._client, self._recorder = factory.clientset, recorder
        self._directory = config.local_path_directory
        self._classes = self.watch(factory.informer(STORAGE_CLASS), lambda _: None)
        self._claims = self.watch(
            factory.informer(PERSISTENT_VOLUME_CLAIM), lambda claim: f"claim {pv.claim_key(claim)}"
        )
        volumes = factory.informer(PERSISTENT_VOLUME)
        volumes.ensure_indexer(BY_NODE, lambda volume: [node_of(volume)] if is_ours(volume) else [])
        self._volumes = volumes.lister
        self.watch(volumes, self._keys_of_volume)
        self._nodes = self.watch(factory.informer(NODE), self._keys_of_node)
        #: node that is missing and that volumes are on -> since when (monotonic seconds)
        self._missing: dict[str, float] = {}
        if config.default_storage_class:
            self.queue.add(f"class {config.default_storage_class}")

    @property
    def missing_nodes(self) -> frozenset[str]:
        return frozenset(self._missing)

    def _keys_of_node(self, node: node_pb2.Node) -> Iterable[str]:
        # Only a node that is gone or new matters; heartbeats change nothing.
        name = node.metadata.name
        if (self._nodes.get(name) is None) is (name in self._missing):
            return
        for volume in self._volumes.by_index(BY_NODE, name):
            yield f"volume {volume.metadata.name}"

    def _keys_of_volume(self, volume: Volume) -> Iterable[str]:
        if not is_ours(volume):
            return
        node = node_of(volume)
        if not self._volumes.by_index(BY_NODE, node):
            # Its last volume has gone: nothing waits for the node any more.
            self._missing.pop(node, None)
        yield f"volume {volume.metadata.name}"
        yield f"claim {pv.reference_key(volume)}"

    async def sync(self, key: str) -> float | None:
        what, _, name = key.partition(" ")
        if what == "class":
            await self._make_class(name)
            return None
        if what == "volume":
            volume = self._volumes.get(name)
            return None if volume is None else await self._sync_volume(volume)
        claim = self._claims.get(name)
        if claim is None:
            return None
        found = self._classes.get(pv.claim_class(claim))
        if found is not None and reconcile.is_asked(claim, found):
            return await self._provision(claim, found)
        return await self._grow(claim)

    async def _make_class(self, name: str) -> None:
        made = StorageClass(provisioner=PROVISIONER, volume_binding_mode=pv.WAIT_FOR_FIRST_CONSUMER)
        made.metadata.name = name
        made.metadata.annotations[DEFAULT_CLASS[0]] = "true"
        made.reclaim_policy, made.allow_volume_expansion = "Delete", True
        with suppress(AlreadyExists):
            await self._client.storage_classes.create(made)
            log.info("default storage class made", name=name)

    async def _provision(self, claim: Claim, found: StorageClass) -> float | None:
        if self._volumes.get(reconcile.volume_name(claim)) is not None:
            return None
        nodes: Sequence[node_pb2.Node] = self._nodes.list()
        try:
            volume = reconcile.provision(claim, found, nodes, self._directory)
        except reconcile.Refusal as error:
            words = f'failed to provision volume with StorageClass "{found.metadata.name}": {error}'
            self._recorder.event(claim, "Warning", "ProvisioningFailed", words)
            return RETRY_SECONDS
        if volume is None:
            await self._client.persistent_volume_claims.update(reconcile.without_node(claim))
            return None
        words = f'External provisioner is provisioning volume for claim "{pv.claim_key(claim)}"'
        self._recorder.event(claim, "Normal", "Provisioning", words)
        with suppress(AlreadyExists):
            await self._client.persistent_volumes.create(volume)
        name = volume.metadata.name
        log.info(
            "volume made",
            volume=name,
            claim=pv.claim_key(claim),
            uid=claim.metadata.uid,
            node=node_of(volume),
        )
        self._recorder.event(
            claim, "Normal", "ProvisioningSucceeded", f"Successfully provisioned volume {name}"
        )
        return None

    async def _grow(self, claim: Claim) -> float | None:
        volume = self._volumes.get(claim.spec.volume_name) if claim.spec.volume_name else None
        change = None if volume is None else reconcile.grown(volume, claim)
        if isinstance(change, Volume):
            words = f"External resizer is resizing volume {change.metadata.name}"
            self._recorder.event(claim, "Normal", "Resizing", words)
            # The claim follows when the watch shows the volume.
            await self._client.persistent_volumes.update(change)
        elif isinstance(change, Claim):
            await self._client.persistent_volume_claims.update_status(change)
            self._recorder.event(claim, "Normal", "VolumeResizeSuccessful", "Resize volume succeeded")
        return None

    async def _sync_volume(self, volume: Volume) -> float | None:
        """Let a volume go whose node, and so its data, is no more."""
        node = node_of(volume)
        if not node or self._nodes.get(node) is not None:
            self._missing.pop(node, None)
            return None
        if not reconcile.is_abandoned(volume):
            return None
        since = self._missing.setdefault(node, self.clock.monotonic())
        left = since + QUARANTINE_SECONDS - self.clock.monotonic()
        if left > 0:
            return left
        if await find(self._client.nodes, node) is not None:
            return None
        meta = volume.metadata
        if FINALIZER in meta.finalizers:
            changed = copy_of(volume)
            remove_finalizer(changed.metadata, FINALIZER)
            await self._client.persistent_volumes.update(changed)
        with suppress(NotFound):
            await self._client.persistent_volumes.delete(meta.name, uid=meta.uid)
        log.info("volume given up with its node", volume=meta.name, uid=meta.uid, node=node)
        return None
