"""The shell of StatefulSets: informers in, plan out.

Pods have names that follow from the set, and are deleted by uid: whatever is done again after a crash finds itself done. Nothing is decided
before the caches show what was written last (I7), nor on their word alone: the set is read again before anything is made or deleted.
"""

from collections.abc import Coroutine, Iterable, Iterator
from contextlib import suppress
from typing import Any

import structlog

from controller.base import Controller, Tools
from controller.expectations import Expectations
from controller.ownership import BY_CONTROLLER, by_controller, claim, with_controller, without_owner
from controller.pods import candidates
from controller.revisions import History, look_back
from controller.statefulset.identity import Claim, StatefulSet, claim_keys, ordinal_of, reference
from controller.statefulset.reconcile import Plan, Version, reconcile
from vaina.api.core.v1 import pod_pb2
from vaina.cache.factory import InformerFactory
from vaina.client.events import NORMAL, WARNING, EventRecorder
from vaina.errors import AlreadyExists, ApiError, Conflict, NotFound
from vaina.kinds import CONTROLLER_REVISION, PERSISTENT_VOLUME_CLAIM, POD, STATEFUL_SET
from vaina.objects.meta import controller_of, is_controlled_by, object_key
from vaina.objects.revisions import Revision, template_of
from vaina.objects.selectors import from_message

log = structlog.stdlib.get_logger(__name__)

BY_UID = "uid"
#: look again after this time when the caches do not show what was written
RECHECK_SECONDS = 15.0


class StatefulSetController(Controller):
    """Keys are `namespace/name` of StatefulSets."""

    name = "statefulset"

    def __init__(self, tools: Tools, factory: InformerFactory, recorder: EventRecorder) -> None:
        self._sets, self._pods = factory.informer(STATEFUL_SET), factory.informer(POD)
        self._revisions = factory.informer(CONTROLLER_REVISION)
        self._claims = factory.informer(PERSISTENT_VOLUME_CLAIM)
        super().__init__(tools, (self._sets, self._pods, self._revisions, self._claims))
        self._client, self._recorder = factory.clientset, recorder
        self._pod_writes, self._set_writes = Expectations(), Expectations()
        self._pods.ensure_indexer(BY_CONTROLLER, by_controller)
        self._revisions.ensure_indexer(BY_CONTROLLER, by_controller)
        self._sets.ensure_indexer(BY_UID, lambda obj: (obj.metadata.uid,))
        self.watch(self._sets)
        self.watch(self._pods, self._concerned)

    async def sync(self, key: str) -> float | None:
        stateful_set = self._sets.lister.get(key)
        if stateful_set is None:
            self._pod_writes.forget(key)
            self._set_writes.forget(key)
            return None
        if not self._is_up_to_date(key, stateful_set):
            return RECHECK_SECONDS
        pods = await self._claim(key, stateful_set)
        history = await self._remember(key, stateful_set, pods)
        named = map(self._claims.lister.get, claim_keys(stateful_set, pods))
        claims = {item.metadata.name: item for item in named if item is not None}
        plan = reconcile(
            stateful_set, pods, claims, _version(history.current), _version(history.update), self.clock.now()
        )
        if plan.acts:
            await self._confirm(stateful_set)
        failure: ApiError | None = None
        try:
            await self._act(key, stateful_set, plan)
        except ApiError as error:
            # What was seen is told all the same, as upstream does.
            failure = error
        if plan.status is not None:
            changed = StatefulSet()
            changed.CopyFrom(stateful_set)
            changed.status.CopyFrom(plan.status)
            await self._write_status(key, changed)
        if failure is not None:
            raise failure
        return plan.wake_seconds

    def _is_up_to_date(self, key: str, stateful_set: StatefulSet) -> bool:
        now, own = (
            self.clock.monotonic(),
            self._pods.lister.by_index(BY_CONTROLLER, stateful_set.metadata.uid),
        )
        there = {pod.metadata.uid for pod in own if not pod.metadata.HasField("deletion_timestamp")}
        return self._set_writes.fulfilled(
            key, version=self._sets.resource_version, is_ending=lambda _: True, now=now
        ) and self._pod_writes.fulfilled(
            key, version=self._pods.resource_version, is_ending=lambda uid: uid not in there, now=now
        )

    async def _claim(self, key: str, stateful_set: StatefulSet) -> list[pod_pb2.Pod]:
        """Adopt and release Pods; return those that are this set's."""
        selector = from_message(stateful_set.spec.selector)
        found = candidates(self._pods.lister, stateful_set.metadata)

        def matches(pod: pod_pb2.Pod) -> bool:
            return (
                selector.matches(pod.metadata.labels)
                and ordinal_of(stateful_set, pod.metadata.name) is not None
            )

        sorted_out = claim(stateful_set.metadata, found, matches)
        if sorted_out.adopt or sorted_out.release:
            await self._confirm(stateful_set)
        for pod in sorted_out.adopt:
            await self._update_pod(key, with_controller(pod, reference(stateful_set)))
        for pod in sorted_out.release:
            await self._update_pod(key, without_owner(pod, stateful_set.metadata.uid))
        return [*sorted_out.owned, *sorted_out.adopt]

    async def _remember(self, key: str, stateful_set: StatefulSet, pods: Iterable[pod_pb2.Pod]) -> History:
        """Keep the revisions of the template; return them."""
        meta = stateful_set.metadata
        revisions = await self._revisions_of(stateful_set)
        history = look_back(
            meta, reference(stateful_set), stateful_set.spec.template, revisions,
            current_name=stateful_set.status.current_revision,
            live={pod.metadata.labels.get("controller-revision-hash", "") for pod in pods},
            limit=stateful_set.spec.revision_history_limit, collisions=stateful_set.status.collision_count,
        )  # fmt: skip
        if meta.HasField("deletion_timestamp"):
            return history
        client = self._client.controller_revisions
        if history.create or history.renumber or history.surplus:
            # Of an old template the newest revision would be made: two leaders would number them in turn.
            await self._confirm(stateful_set)
        if history.create:
            await self._make_revision(key, stateful_set, history.update)
        elif history.renumber:
            await client.update(history.update)
        for old in history.surplus:
            try:
                await client.delete(old.metadata.name, old.metadata.namespace, uid=old.metadata.uid)
            except (NotFound, Conflict):
                continue
        return history

    async def _revisions_of(self, stateful_set: StatefulSet) -> list[Revision]:
        """Return the revisions of a set, with the one that was rolled out last: a cache that is late would have the newest taken for it."""
        meta, current = stateful_set.metadata, stateful_set.status.current_revision
        found = self._revisions.lister.by_index(BY_CONTROLLER, meta.uid)
        if current and all(revision.metadata.name != current for revision in found):
            with suppress(NotFound):
                asked = await self._client.controller_revisions.get(current, meta.namespace)
                if is_controlled_by(asked.metadata, meta.uid):
                    found.append(asked)
        return found

    async def _make_revision(self, key: str, stateful_set: StatefulSet, wanted: Revision) -> None:
        try:
            await self._client.controller_revisions.create(wanted)
        except AlreadyExists:
            found = await self._client.controller_revisions.get(
                wanted.metadata.name, wanted.metadata.namespace
            )
            if found.data == wanted.data and is_controlled_by(found.metadata, stateful_set.metadata.uid):
                return
            changed = StatefulSet()
            changed.CopyFrom(stateful_set)
            changed.status.collision_count += 1
            await self._write_status(key, changed)
            raise

    async def _confirm(self, stateful_set: StatefulSet) -> None:
        """Raise Conflict when the set has changed, is going, or is another one of the same name by now."""
        meta = stateful_set.metadata
        try:
            fresh = (await self._client.stateful_sets.get(meta.name, meta.namespace)).metadata
        except NotFound as error:
            raise Conflict(f"StatefulSet {meta.name} is gone") from error
        if (fresh.uid, fresh.generation) != (meta.uid, meta.generation) or fresh.HasField(
            "deletion_timestamp"
        ):
            raise Conflict(f"StatefulSet {meta.name} has changed meanwhile")

    async def _act(self, key: str, stateful_set: StatefulSet, plan: Plan) -> None:
        for wanted in plan.claims:
            await self._told(
                stateful_set,
                "Create",
                f"Claim {wanted.metadata.name}",
                self._make_claim(wanted),
            )
        for wanted in plan.retain:
            await self._client.persistent_volume_claims.update(wanted)
        for pod in plan.create:
            await self._told(
                stateful_set,
                "Create",
                f"Pod {pod.metadata.name}",
                self._create(key, stateful_set, pod),
            )
        for pod in plan.repair:
            await self._told(
                stateful_set,
                "Update",
                f"Pod {pod.metadata.name}",
                self._update_pod(key, pod),
            )
        for pod in plan.delete:
            if pod in plan.ended:
                phase = "Failed" if pod.status.phase == "Failed" else "Terminated"
                words = f"StatefulSet {key} is recreating {phase.lower()} Pod {pod.metadata.name}"
                self._recorder.event(stateful_set, WARNING, f"Recreating{phase}Pod", words)
            await self._told(stateful_set, "Delete", f"Pod {pod.metadata.name}", self._delete(key, pod))

    async def _told(
        self, stateful_set: StatefulSet, verb: str, what: str, write: Coroutine[Any, Any, None]
    ) -> None:
        """Write, and tell what became of it, in upstream's words."""
        words = f"{verb.lower()} {what} in StatefulSet {stateful_set.metadata.name}"
        try:
            await write
        except ApiError as error:
            self._recorder.event(
                stateful_set, WARNING, f"Failed{verb}", f"{words} failed error: {error.message}"
            )
            raise
        self._recorder.event(stateful_set, NORMAL, f"Successful{verb}", f"{words} successful")
        log.info(words, stateful_set=object_key(stateful_set), uid=stateful_set.metadata.uid)

    async def _make_claim(self, wanted: Claim) -> None:
        try:
            await self._client.persistent_volume_claims.create(wanted)
        except AlreadyExists:
            return

    async def _create(self, key: str, stateful_set: StatefulSet, pod: pod_pb2.Pod) -> None:
        try:
            made = await self._client.pods.create(pod)
        except AlreadyExists:
            made = await self._client.pods.get(pod.metadata.name, pod.metadata.namespace)
            if not is_controlled_by(made.metadata, stateful_set.metadata.uid):
                raise
        self._note(key, made)

    async def _update_pod(self, key: str, pod: pod_pb2.Pod) -> None:
        self._note(key, await self._client.pods.update(pod))

    def _note(self, key: str, pod: pod_pb2.Pod) -> None:
        version = int(pod.metadata.resource_version)
        self._pod_writes.created(key, pod.metadata.name, version, self.clock.monotonic())

    async def _delete(self, key: str, pod: pod_pb2.Pod) -> None:
        meta = pod.metadata
        try:
            await self._client.pods.delete(meta.name, meta.namespace, uid=meta.uid)
        except (NotFound, Conflict):
            # Gone, or another Pod by now.
            return
        self._pod_writes.deleted(key, meta.uid, self.clock.monotonic())

    async def _write_status(self, key: str, changed: StatefulSet) -> None:
        answer = await self._client.stateful_sets.update_status(changed)
        self._set_writes.created(key, "", int(answer.metadata.resource_version), self.clock.monotonic())

    def _concerned(self, pod: pod_pb2.Pod) -> Iterator[str]:
        """The set of a Pod, or every one that might adopt it."""
        owner = controller_of(pod.metadata)
        if owner is not None:
            if owner.kind == STATEFUL_SET.kind:
                yield from map(object_key, self._sets.lister.by_index(BY_UID, owner.uid))
            return
        for obj in self._sets.lister.list(namespace=pod.metadata.namespace):
            if from_message(obj.spec.selector).matches(pod.metadata.labels):
                yield object_key(obj)


def _version(revision: Revision) -> Version:
    return Version(revision.metadata.name, template_of(revision))
