"""The shell of the quota controller: counts when something has gone, and every five minutes.

Follows `pkg/controller/resourcequota`: the apiserver charges what comes, so that only what goes, and what was
charged in vain, needs a look.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import structlog

from controller.base import Controller, Tools
from controller.resource_quota.reconcile import Charges, count, kinds_of, reconcile
from vaina.api.core.v1 import resource_quota_pb2
from vaina.cache.informer import Informer, InformerFactory
from vaina.errors import NotFound
from vaina.kinds import PERSISTENT_VOLUME_CLAIM, POD, RESOURCE_QUOTA, Kind
from vaina.objects import amounts
from vaina.objects.amounts import Amounts
from vaina.objects.meta import metadata, object_key
from vaina.objects.quota import counted_kinds, is_counted, resources_of, usage_of

log = structlog.stdlib.get_logger(__name__)

Quota = resource_quota_pb2.ResourceQuota

#: objects that go within this time are counted once
GATHER_SECONDS = 0.1
#: upstream's --resource-quota-sync-period
RESYNC_SECONDS = 300.0


@dataclass(slots=True)
class _Watched:
    """A quota that has been counted."""

    charges: Charges
    #: states that came during a write: its answer shows whether one of them is the controller's own
    held: list[tuple[int, Amounts]] | None = None


class ResourceQuotaController(Controller):
    """Keys are `namespace/name` of quotas."""

    name = "resourcequota"

    def __init__(self, tools: Tools, factory: InformerFactory) -> None:
        self._quotas = factory.informer(RESOURCE_QUOTA)
        self._objects = {kind.kind: factory.informer(kind) for kind in counted_kinds()}
        super().__init__(tools, (self._quotas, *self._objects.values()))
        self._client = factory.clientset.resource_quotas
        self._watched: dict[str, _Watched] = {}
        self._quotas.add_handler(
            on_add=self._look_at,
            on_update=self._on_quota,
            on_delete=lambda quota: self._forget(object_key(quota)),
        )
        for kind in counted_kinds():
            self._register(kind, self._objects[kind.kind])

    async def sync(self, key: str) -> float | None:
        quota = self._quotas.lister.get(key)
        if quota is None:
            self._forget(key)
            return None
        namespace = quota.metadata.namespace
        used, next_change = count(
            quota,
            ((kind, self._objects[kind.kind].lister.list(namespace=namespace)) for kind in kinds_of(quota)),
            self.clock.now(),
        )
        watched = self._watch(key, quota, used)
        now = self.clock.monotonic()
        wanted = reconcile(quota, used, watched.charges.outstanding(now))
        if wanted is not None:
            await self._write(watched, wanted)
        changes = [RESYNC_SECONDS, next_change, watched.charges.next_change(now)]
        return min(seconds for seconds in changes if seconds is not None)

    def _watch(self, key: str, quota: Quota, actual: Amounts) -> _Watched:
        watched = self._watched.get(key)
        if watched is None or watched.charges.uid != quota.metadata.uid:
            used, version = amounts.read(quota.status.used), int(quota.metadata.resource_version)
            now = self.clock.monotonic()
            watched = _Watched(Charges.begin(quota.metadata.uid, version, used, actual, now))
            self._watched[key] = watched
        return watched

    async def _write(self, watched: _Watched, wanted: Quota) -> None:
        watched.held = []
        try:
            written = await self._client.update_status(wanted)
            watched.charges.on_written(
                int(written.metadata.resource_version), amounts.read(written.status.used)
            )
        except NotFound:
            return
        finally:
            held, watched.held = watched.held or [], None
            for version, used in held:
                watched.charges.on_quota(version, used, self.clock.monotonic())
        log.info(
            "quota counted", quota=object_key(wanted), uid=wanted.metadata.uid,
            used=amounts.show(amounts.read(wanted.status.used)),
        )  # fmt: skip

    def _on_quota(self, old: Quota, new: Quota) -> None:
        watched, key = self._watched.get(object_key(new)), object_key(new)
        if watched is not None:
            state = int(new.metadata.resource_version), amounts.read(new.status.used)
            if watched.held is not None:
                watched.held.append(state)
            else:
                watched.charges.on_quota(*state, self.clock.monotonic())
                if (seconds := watched.charges.next_change(self.clock.monotonic())) is not None:
                    self.queue.add_after(key, seconds)
        if old.spec != new.spec or not amounts.equal(
            amounts.read(new.spec.hard), amounts.read(new.status.hard)
        ):
            self._look_at(new)

    def _look_at(self, quota: Quota) -> None:
        self.queue.add(object_key(quota))

    def _forget(self, key: str) -> None:
        self._watched.pop(key, None)

    def _register(self, kind: Kind[Any], informer: Informer[Any]) -> None:
        def on_add(obj: Any) -> None:
            for key, paid in self._came(kind, obj, usage_of(kind, obj, self.clock.now())):
                if not paid:
                    self.queue.add_after(key, GATHER_SECONDS)

        def on_delete(obj: Any) -> None:
            for key, _ in self._concerned(kind, obj):
                self.queue.add_after(key, GATHER_SECONDS)

        def on_update(old: Any, new: Any) -> None:
            if _takes_other(kind, old, new):
                now = self.clock.now()
                # The increase was charged, as a new object is.
                more = amounts.minus(usage_of(kind, new, now), usage_of(kind, old, now))
                self._came(kind, new, more)
                on_delete(new)

        changes = kind in (POD, PERSISTENT_VOLUME_CLAIM)
        informer.add_handler(on_add=on_add, on_update=on_update if changes else None, on_delete=on_delete)

    def _came(self, kind: Kind[Any], obj: Any, usage: Amounts) -> list[tuple[str, bool]]:
        """Note what an object takes; return the quotas that count it, and whether it was charged."""
        found: list[tuple[str, bool]] = []
        for key, quota in self._concerned(kind, obj):
            watched = self._watched.get(key)
            if watched is not None and is_counted(quota, kind, obj, quota.spec.hard):
                taken = amounts.only(usage, quota.spec.hard)
                version = int(metadata(obj).resource_version)
                found.append((key, watched.charges.on_object(version, taken, self.clock.monotonic())))
        return found

    def _concerned(self, kind: Kind[Any], obj: Any) -> Iterator[tuple[str, Quota]]:
        for quota in self._quotas.lister.list(namespace=metadata(obj).namespace):
            if resources_of(kind, quota.spec.hard):
                yield object_key(quota), quota


def _takes_other(kind: Kind[Any], old: Any, new: Any) -> bool:
    """Say whether a Pod has ended, begun to, or was resized, or a claim has grown: it takes something else."""
    if kind is PERSISTENT_VOLUME_CLAIM:
        return bool(old.spec.resources != new.spec.resources)
    ending = new.metadata.HasField("deletion_timestamp") and not old.metadata.HasField("deletion_timestamp")
    resized = old.metadata.generation != new.metadata.generation
    return bool(ending or resized or old.status.phase != new.status.phase)
