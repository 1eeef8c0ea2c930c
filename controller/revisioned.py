"""What StatefulSets and DaemonSets share in their shells.

Claiming Pods, keeping revisions, and not acting on a stale cache (I7, I10).

Both write Pods themselves, and keep what their template was as ControllerRevisions
(`controller/revisions.py`).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from google.protobuf.message import Message

from controller.base import Controller, Tools
from controller.expectations import Expectations
from controller.ownership import BY_CONTROLLER, by_controller, claim, with_controller, without_owner
from controller.pods import candidates
from controller.revisions import History
from vaina.api.core.v1 import pod_pb2
from vaina.cache.factory import InformerFactory
from vaina.cache.informer import Informer
from vaina.client.events import EventRecorder
from vaina.errors import AlreadyExists, Conflict, NotFound
from vaina.kinds import CONTROLLER_REVISION, POD, Kind
from vaina.objects.meta import controller_of, is_controlled_by, metadata, new_controller_ref, object_key
from vaina.objects.revisions import Revision
from vaina.objects.selectors import from_message

S = TypeVar("S", bound=Message)

BY_UID = "uid"
#: look again after this time when the caches do not show what was written
RECHECK_SECONDS = 15.0


class RevisionedController(Controller, Generic[S]):
    """A controller of sets with Pods and revisions. Keys are `namespace/name` of sets."""

    kind: ClassVar[Kind[Any]]

    def __init__(
        self, tools: Tools, factory: InformerFactory, recorder: EventRecorder, more: Sequence[Informer[Any]]
    ) -> None:
        """Make it.

        Args:
            tools: clock, metrics, how many workers.
            factory: of caches and clients.
            recorder: of Events.
            more: further caches to wait for.
        """
        self._sets: Informer[Any] = factory.informer(self.kind)
        self._pods, self._revisions = factory.informer(POD), factory.informer(CONTROLLER_REVISION)
        super().__init__(tools, (self._sets, self._pods, self._revisions, *more))
        self._client, self._recorder = factory.clientset, recorder
        self._set_client = factory.clientset.kind(self.kind)
        self._pod_writes, self._set_writes = Expectations(), Expectations()
        self._pods.ensure_indexer(BY_CONTROLLER, by_controller)
        self._revisions.ensure_indexer(BY_CONTROLLER, by_controller)
        self._sets.ensure_indexer(BY_UID, lambda obj: (obj.metadata.uid,))
        self.watch(self._sets)
        self.watch(self._pods, self._concerned)

    def _forget(self, key: str) -> None:
        """Drop everything about a set that is gone."""
        self._pod_writes.forget(key)
        self._set_writes.forget(key)

    def _is_up_to_date(self, key: str, found: S) -> bool:
        """Say whether the caches show all that was written for a set."""
        now, own = self.clock.monotonic(), self._pods.lister.by_index(BY_CONTROLLER, metadata(found).uid)
        there = {pod.metadata.uid for pod in own if not pod.metadata.HasField("deletion_timestamp")}
        return self._set_writes.fulfilled(
            key, version=self._sets.resource_version, is_ending=lambda _: True, now=now
        ) and self._pod_writes.fulfilled(
            key, version=self._pods.resource_version, is_ending=lambda uid: uid not in there, now=now
        )

    async def _confirm(self, found: S) -> None:
        """Raise Conflict when a set has changed, is going, or is another one of the same name by now."""
        meta = metadata(found)
        try:
            fresh = metadata(await self._set_client.get(meta.name, meta.namespace))
        except NotFound as error:
            raise Conflict(f"{self.kind.kind} {meta.name} is gone") from error
        changed = (fresh.uid, fresh.generation) != (meta.uid, meta.generation)
        if changed or fresh.HasField("deletion_timestamp"):
            raise Conflict(f"{self.kind.kind} {meta.name} has changed meanwhile")

    async def _claim(self, key: str, found: S, matches: Callable[[pod_pb2.Pod], bool]) -> list[pod_pb2.Pod]:
        """Adopt and release Pods; return those that are this set's."""
        meta = metadata(found)
        sorted_out = claim(meta, candidates(self._pods.lister, meta), matches)
        if sorted_out.adopt or sorted_out.release:
            await self._confirm(found)
        reference = new_controller_ref(found, self.kind.api_version, self.kind.kind)
        for pod in sorted_out.adopt:
            await self._update_pod(key, with_controller(pod, reference))
        for pod in sorted_out.release:
            await self._update_pod(key, without_owner(pod, meta.uid))
        return [*sorted_out.owned, *sorted_out.adopt]

    async def _remember(self, key: str, found: S, history: History) -> None:
        """Write what is new of a set's revisions."""
        client = self._client.controller_revisions
        if history.create or history.renumber or history.surplus:
            # Of an old template the newest revision would be made: two leaders would number them in turn.
            await self._confirm(found)
        if history.create:
            await self._make_revision(key, found, history.update)
        elif history.renumber:
            await client.update(history.update)
        for old in history.surplus:
            try:
                await client.delete(old.metadata.name, old.metadata.namespace, uid=old.metadata.uid)
            except (NotFound, Conflict):
                continue

    async def _make_revision(self, key: str, found: S, wanted: Revision) -> None:
        client, meta = self._client.controller_revisions, wanted.metadata
        try:
            await client.create(wanted)
        except AlreadyExists:
            there = await client.get(meta.name, meta.namespace)
            if there.data == wanted.data and is_controlled_by(there.metadata, metadata(found).uid):
                return
            status: Any = type(found.status)()  # type: ignore[attr-defined]  # a set has a status
            status.CopyFrom(found.status)  # type: ignore[attr-defined]  # as above
            status.collision_count += 1
            await self._write_status(key, found, status)
            raise

    async def _write_status(self, key: str, found: S, status: Message) -> None:
        """Write a set's status, of the version that was looked at."""
        changed: Any = type(found)()
        changed.CopyFrom(found)
        changed.status.CopyFrom(status)
        answer: Any = await self._set_client.update_status(changed)
        self._set_writes.created(key, "", int(answer.metadata.resource_version), self.clock.monotonic())

    async def _update_pod(self, key: str, pod: pod_pb2.Pod) -> None:
        self._note(key, await self._client.pods.update(pod))

    def _note(self, key: str, pod: pod_pb2.Pod) -> None:
        """Remember what the cache must show before the next decision."""
        version = int(pod.metadata.resource_version)
        self._pod_writes.created(key, pod.metadata.name, version, self.clock.monotonic())

    def _concerned(self, pod: pod_pb2.Pod) -> Iterator[str]:
        """The set of a Pod, or every one that might adopt it."""
        owner = controller_of(pod.metadata)
        if owner is not None:
            if owner.kind == self.kind.kind:
                yield from map(object_key, self._sets.lister.by_index(BY_UID, owner.uid))
            return
        for obj in self._sets.lister.list(namespace=pod.metadata.namespace):
            if from_message(obj.spec.selector).matches(pod.metadata.labels):
                yield object_key(obj)
