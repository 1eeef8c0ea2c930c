"""What the shells of StatefulSets and DaemonSets share: claiming Pods, and keeping ControllerRevisions."""

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from google.protobuf.message import Message

from controller.base import Tools, delete
from controller.ownership import BY_CONTROLLER, by_controller, claim, with_controller, without_owner
from controller.owning import OwningController
from controller.plans import copy_of
from controller.revisions import History
from vaina.api.core.v1 import pod_pb2
from vaina.cache.factory import InformerFactory
from vaina.cache.informer import Informer
from vaina.client.events import EventRecorder
from vaina.errors import AlreadyExists
from vaina.kinds import CONTROLLER_REVISION
from vaina.objects.meta import is_controlled_by, metadata
from vaina.objects.revisions import Revision

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
        """Adopt and release Pods; return those that are this set's."""
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
        """Write what is new of a set's revisions."""
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
        """Write a set's status; nothing is decided about the set before the cache shows it."""
        self._note(key, await self._write_status(found, status), of=self._owner_writes)

    async def _update_pod(self, key: str, pod: pod_pb2.Pod) -> None:
        self._note(key, await self._client.pods.update(pod))
