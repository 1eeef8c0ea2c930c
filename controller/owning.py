"""What controllers share that own other objects: finding owners, and not acting on a stale cache (I7, I10).

Deployments own ReplicaSets and CronJobs own Jobs; all others own Pods.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any, ClassVar, Generic, TypeVar

from google.protobuf.message import Message

from controller.base import Controller, Tools, delete, find
from controller.expectations import Expectations
from controller.ownership import BY_CONTROLLER, by_controller, claim, with_controller, without_owner
from controller.plans import copy_of
from controller.pod_control import PodControl
from controller.pods import RecentNames
from controller.revisions import History
from vaina.api.core.v1 import pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.cache.informer import Informer, InformerFactory
from vaina.client.events import EventRecorder
from vaina.errors import AlreadyExists, Conflict
from vaina.kinds import CONTROLLER_REVISION, POD, Kind
from vaina.objects.meta import controller_of, is_controlled_by, metadata, new_controller_ref, object_key
from vaina.objects.rollouts import Revision
from vaina.objects.selectors import LabelSelector, from_message

#: index of owners by uid
BY_UID = "uid"
#: a key is looked at again after this time when the caches do not show what was written
RECHECK_SECONDS = 15.0
#: owners of more Pods than this gather their Pods' reports, for so long for each Pod
GATHER_FROM, GATHER_SECONDS_EACH = 100, 0.0002


class OwningController(Controller):
    """A controller whose keys are `namespace/name` of owners. Subclasses say what they watch."""

    #: of the owners, and of what they own
    kind: ClassVar[Kind[Any]]
    dependent_kind: ClassVar[Kind[Any]] = POD
    #: what of an owner's metadata must be the same at the apiserver before anything is written
    confirmed_by: ClassVar[str] = "generation"

    def __init__(
        self,
        tools: Tools,
        factory: InformerFactory,
        recorder: EventRecorder,
        more: Sequence[Informer[Any]] = (),
    ) -> None:
        self._owners: Informer[Any] = factory.informer(self.kind)
        self._dependents: Informer[Any] = factory.informer(self.dependent_kind)
        super().__init__(tools, (self._owners, self._dependents, *more))
        self._client, self._recorder = factory.clientset, recorder
        self._owner_client = factory.clientset.kind(self.kind)
        #: what the caches of owners and of dependents must show before the next decision
        self._owner_writes, self._writes = Expectations(), Expectations()
        self._dependents.ensure_indexer(BY_CONTROLLER, by_controller)
        self._owners.ensure_indexer(BY_UID, lambda obj: (obj.metadata.uid,))

    def _forget(self, key: str) -> None:
        self._owner_writes.forget(key)
        self._writes.forget(key)

    def _selector_of(self, owner: Any) -> LabelSelector:
        return from_message(owner.spec.selector)

    def _reference_to(self, owner: Any) -> meta_pb2.OwnerReference:
        return new_controller_ref(owner, self.kind.api_version, self.kind.kind)

    def _own(self, meta: meta_pb2.ObjectMeta) -> list[Any]:
        return self._dependents.lister.by_index(BY_CONTROLLER, meta.uid)

    def _candidates(self, meta: meta_pb2.ObjectMeta) -> list[Any]:
        orphans = self._dependents.lister.by_index(BY_CONTROLLER, f"orphan/{meta.namespace}")
        return [*self._own(meta), *orphans]

    def _owners_of(self, dependent: Any) -> list[Any]:
        """Return the owner of an object, or every one that might adopt it."""
        meta = dependent.metadata
        reference = controller_of(meta)
        if reference is not None:
            same_kind = reference.kind == self.kind.kind
            return self._owners.lister.by_index(BY_UID, reference.uid) if same_kind else []
        there = self._owners.lister.list(namespace=meta.namespace)
        return [owner for owner in there if self._selector_of(owner).matches(meta.labels)]

    def _keys_of_owners(self, dependent: Any) -> list[str]:
        return [object_key(owner) for owner in self._owners_of(dependent)]

    def _is_up_to_date(self, key: str, dependents: Iterable[Any] = ()) -> bool:
        """Say whether the caches show all that was written for a key; `dependents` are what they have of it."""

        @cache
        def there() -> set[str]:
            metas = (item.metadata for item in dependents)
            return {meta.uid for meta in metas if not meta.HasField("deletion_timestamp")}

        now = self.clock.monotonic()
        return self._owner_writes.fulfilled(
            key, version=self._owners.resource_version, is_ending=lambda _: True, now=now
        ) and self._writes.fulfilled(
            key, version=self._dependents.resource_version, is_ending=lambda uid: uid not in there(), now=now
        )

    def _note(self, key: str, stored: Any, *, of: Expectations | None = None) -> None:
        """Remember a stored object that the cache must show: a dependent, unless `of` says otherwise."""
        meta, expectations = stored.metadata, self._writes if of is None else of
        expectations.created(key, meta.name, int(meta.resource_version), self.clock.monotonic())

    async def _confirm(self, owner: Any) -> None:
        """Ask the apiserver for an owner before anything is written for its sake: the cache may be late.

        Raises Conflict when the owner has changed, is going, or is another one of the same name by now.
        """
        meta = owner.metadata
        fresh = await find(self._owner_client, meta.name, meta.namespace)
        if fresh is None:
            raise Conflict(f"{self.kind.kind} {meta.name} is gone")
        seen, now = (
            (item.uid, getattr(item, self.confirmed_by), item.HasField("deletion_timestamp"))
            for item in (meta, fresh.metadata)
        )
        if seen != now:
            raise Conflict(f"{self.kind.kind} {meta.name} has changed meanwhile")

    async def _write_status(self, owner: Any, status: Any) -> Any:
        changed = copy_of(owner)
        changed.status.CopyFrom(status)
        return await self._owner_client.update_status(changed)


class GatheringController(OwningController):
    """A controller of many Pods: ReplicaSets, ReplicationControllers and Jobs.

    Reports of thousands of Pods come one by one, and each sync looks at all of them (30 ms for 5,000). So an
    owner of many is queued a little later for a report that calls for no new Pod.

    Upstream's Job controller looks a second after any report of a Pod, however few a Job has
    (`pkg/controller/job/job_controller.go`: SyncJobBatchPeriod, enqueueSyncJobBatched). Here it is a second for
    5,000 Pods at a time, and nothing up to a hundred: never later than there. Its ReplicaSet controller looks at
    once (`pkg/controller/replicaset/replica_set.go`: updatePod, deletePod); here reports of more than a hundred
    Pods are in its status that much later.
    """

    def __init__(self, tools: Tools, factory: InformerFactory, recorder: EventRecorder) -> None:
        super().__init__(tools, factory, recorder)
        self._recent = RecentNames()
        self._control = PodControl(factory.clientset.pods, recorder, self._writes, tools.clock)
        self._dependents.add_handler(
            on_add=self._look_at, on_update=self._on_pod_update, on_delete=self._on_pod_gone
        )

    @abstractmethod
    def _size_of(self, owner: Any) -> int:
        """Return how many Pods an owner has or wishes for."""

    def _settle_seen(self, key: str, meta: meta_pb2.ObjectMeta) -> None:
        for name in self._writes.unknown(key):
            pod = self._dependents.lister.get(f"{meta.namespace}/{name}")
            if pod is not None and is_controlled_by(pod.metadata, meta.uid):
                self._writes.settled(key, name)

    def _on_pod_gone(self, pod: pod_pb2.Pod) -> None:
        reference = controller_of(pod.metadata)
        if reference is not None and reference.kind == self.kind.kind:
            self._recent.add(object_key(pod), self.clock.monotonic())
        # A Pod that was ending has been replaced already: its end changes the status alone.
        self._look_at(pod, gather=pod.metadata.HasField("deletion_timestamp"))

    def _on_pod_update(self, old: pod_pb2.Pod, new: pod_pb2.Pod) -> None:
        before, after = controller_of(old.metadata), controller_of(new.metadata)
        if before is not None and (after is None or after.uid != before.uid):
            self._look_at(old)
        ends = new.metadata.HasField("deletion_timestamp") and not old.metadata.HasField("deletion_timestamp")
        self._look_at(new, gather=not ends)

    def _look_at(self, pod: pod_pb2.Pod, *, gather: bool = False) -> None:
        """Queue the owner of a Pod, or all that might adopt it; later with `gather`, if it has many."""
        for owner in self._owners_of(pod):
            size = self._size_of(owner)
            delay = min(size * GATHER_SECONDS_EACH, 1.0) if gather and size > GATHER_FROM else 0.0
            self.queue.add_after(object_key(owner), delay)


S = TypeVar("S", bound=Message)


class RevisionedController(OwningController, Generic[S]):
    """A controller of sets with Pods and revisions. Keys are `namespace/name` of sets."""

    def __init__(
        self, tools: Tools, factory: InformerFactory, recorder: EventRecorder, more: Sequence[Informer[Any]]
    ) -> None:
        self._revisions = factory.informer(CONTROLLER_REVISION)
        super().__init__(tools, factory, recorder, (self._revisions, *more))
        self._revisions.ensure_indexer(BY_CONTROLLER, by_controller)
        self.watch(self._owners)
        self.watch(self._dependents, self._keys_of_owners)

    async def _claim(self, key: str, found: S, matches: Callable[[pod_pb2.Pod], bool]) -> list[pod_pb2.Pod]:
        meta = metadata(found)
        claims = claim(meta, self._candidates(meta), matches)
        if claims.adopt or claims.release:
            await self._confirm(found)
        reference = self._reference_to(found)
        for pod in claims.adopt:
            await self._update_pod(key, with_controller(pod, reference))
        for pod in claims.release:
            await self._update_pod(key, without_owner(pod, meta.uid))
        return [*claims.owned, *claims.adopt]

    async def _remember(self, key: str, found: S, history: History) -> None:
        client = self._client.controller_revisions
        if history.create or history.renumber or history.surplus:
            # From an old template two leaders would number revisions in turn.
            await self._confirm(found)
        if history.create:
            await self._make_revision(key, found, history.update)
        elif history.renumber:
            await client.update(history.update)
        for old in history.surplus:
            await delete(client, old.metadata)

    async def _make_revision(self, key: str, found: S, wanted: Revision) -> None:
        client, meta = self._client.controller_revisions, wanted.metadata
        try:
            await client.create(wanted)
        except AlreadyExists:
            there = await client.get(meta.name, meta.namespace)
            if there.data == wanted.data and is_controlled_by(there.metadata, metadata(found).uid):
                return
            status: Any = copy_of(found.status)  # type: ignore[attr-defined]  # a set has a status
            status.collision_count += 1
            await self._tell(key, found, status)
            raise

    async def _tell(self, key: str, found: S, status: Message) -> None:
        self._note(key, await self._write_status(found, status), of=self._owner_writes)

    async def _update_pod(self, key: str, pod: pod_pb2.Pod) -> None:
        self._note(key, await self._client.pods.update(pod))
