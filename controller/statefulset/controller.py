"""The shell of StatefulSets.

Pods have names that follow from the set, and are deleted by uid: what is done again after a crash finds
itself done. The set is read again before anything is made or deleted.
"""

from collections.abc import Coroutine, Iterable
from contextlib import suppress
from typing import Any

import structlog

from controller.base import Tools, delete, find
from controller.ownership import BY_CONTROLLER
from controller.owning import RECHECK_SECONDS, RevisionedController
from controller.revisions import History, look_back
from controller.statefulset.identity import Claim, StatefulSet, claim_keys, ordinal_of
from controller.statefulset.reconcile import Plan, Version, reconcile
from vaina.api.core.v1 import pod_pb2
from vaina.cache.informer import InformerFactory
from vaina.client.events import NORMAL, WARNING, EventRecorder
from vaina.errors import AlreadyExists, ApiError
from vaina.kinds import PERSISTENT_VOLUME_CLAIM, STATEFUL_SET
from vaina.objects.meta import is_controlled_by, object_key
from vaina.objects.rollouts import REVISION_HASH, Revision, template_of

log = structlog.stdlib.get_logger(__name__)


class StatefulSetController(RevisionedController[StatefulSet]):
    """Keys are `namespace/name` of StatefulSets."""

    name = "statefulset"
    kind = STATEFUL_SET

    def __init__(self, tools: Tools, factory: InformerFactory, recorder: EventRecorder) -> None:
        self._claims = factory.informer(PERSISTENT_VOLUME_CLAIM)
        super().__init__(tools, factory, recorder, (self._claims,))

    async def sync(self, key: str) -> float | None:
        stateful_set = self._owners.lister.get(key)
        if stateful_set is None:
            self._forget(key)
            return None
        if not self._is_up_to_date(key, self._own(stateful_set.metadata)):
            return RECHECK_SECONDS
        selector = self._selector_of(stateful_set)
        pods = await self._claim(
            key,
            stateful_set,
            lambda pod: (
                selector.matches(pod.metadata.labels)
                and ordinal_of(stateful_set, pod.metadata.name) is not None
            ),
        )
        history = await self._look_back(stateful_set, pods)
        if not stateful_set.metadata.HasField("deletion_timestamp"):
            await self._remember(key, stateful_set, history)
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
            # The status is written first, as upstream does.
            failure = error
        if plan.status is not None:
            await self._tell(key, stateful_set, plan.status)
        if failure is not None:
            raise failure
        return plan.wake_seconds

    async def _look_back(self, stateful_set: StatefulSet, pods: Iterable[pod_pb2.Pod]) -> History:
        return look_back(
            stateful_set.metadata, self._reference_to(stateful_set), stateful_set.spec.template,
            await self._revisions_of(stateful_set),
            current_name=stateful_set.status.current_revision,
            live={pod.metadata.labels.get(REVISION_HASH, "") for pod in pods},
            limit=stateful_set.spec.revision_history_limit, collisions=stateful_set.status.collision_count,
        )  # fmt: skip

    async def _revisions_of(self, stateful_set: StatefulSet) -> list[Revision]:
        """Return the revisions of a set, with the one that was rolled out last: the cache may be late."""
        meta, current = stateful_set.metadata, stateful_set.status.current_revision
        found = self._revisions.lister.by_index(BY_CONTROLLER, meta.uid)
        if current and all(revision.metadata.name != current for revision in found):
            asked = await find(self._client.controller_revisions, current, meta.namespace)
            if asked is not None and is_controlled_by(asked.metadata, meta.uid):
                found.append(asked)
        return found

    async def _act(self, key: str, stateful_set: StatefulSet, plan: Plan) -> None:
        for wanted in plan.claims:
            what = f"Claim {wanted.metadata.name}"
            await self._report(stateful_set, "Create", what, self._make_claim(wanted))
        for wanted in plan.retain:
            await self._client.persistent_volume_claims.update(wanted)
        for pod in plan.create:
            what, write = f"Pod {pod.metadata.name}", self._create(key, stateful_set, pod)
            await self._report(stateful_set, "Create", what, write)
        for pod in plan.repair:
            what, write = f"Pod {pod.metadata.name}", self._update_pod(key, pod)
            await self._report(stateful_set, "Update", what, write)
        for pod in plan.delete:
            if pod in plan.ended:
                phase = "Failed" if pod.status.phase == "Failed" else "Terminated"
                words = f"StatefulSet {key} is recreating {phase.lower()} Pod {pod.metadata.name}"
                self._recorder.event(stateful_set, WARNING, f"Recreating{phase}Pod", words)
            await self._report(stateful_set, "Delete", f"Pod {pod.metadata.name}", self._delete(key, pod))

    async def _report(
        self, stateful_set: StatefulSet, verb: str, what: str, write: Coroutine[Any, Any, None]
    ) -> None:
        """Write, and report what became of it, in upstream's words."""
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
        with suppress(AlreadyExists):
            await self._client.persistent_volume_claims.create(wanted)

    async def _create(self, key: str, stateful_set: StatefulSet, pod: pod_pb2.Pod) -> None:
        try:
            made = await self._client.pods.create(pod)
        except AlreadyExists:
            made = await self._client.pods.get(pod.metadata.name, pod.metadata.namespace)
            if not is_controlled_by(made.metadata, stateful_set.metadata.uid):
                raise
        self._note(key, made)

    async def _delete(self, key: str, pod: pod_pb2.Pod) -> None:
        if await delete(self._client.pods, pod.metadata):
            self._writes.deleted(key, pod.metadata.uid, self.clock.monotonic())


def _version(revision: Revision) -> Version:
    return Version(revision.metadata.name, template_of(revision))
