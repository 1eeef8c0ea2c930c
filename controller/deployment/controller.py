"""The shell of Deployments: informers in, plan out. Writes ReplicaSets, never Pods.

Every write carries the version that was read, or has a name that follows from the template: done again after
a crash, it is refused or finds itself done. Nothing is decided before the caches show what was written last
(I7).
"""

from collections.abc import Iterable

import structlog

from controller.base import Controller, Tools
from controller.deployment import status
from controller.deployment.reconcile import Change, Plan, reconcile
from controller.expectations import Expectations
from controller.ownership import BY_CONTROLLER, by_controller, with_controller, without_owner
from vaina.api.apps.v1 import apps_pb2
from vaina.cache.factory import InformerFactory
from vaina.client.events import NORMAL, WARNING, EventRecorder
from vaina.errors import AlreadyExists, ApiError, Conflict, NotFound, Timeout, Unavailable
from vaina.kinds import DEPLOYMENT, REPLICA_SET
from vaina.objects.meta import controller_of, is_controlled_by, new_controller_ref, object_key
from vaina.objects.rollouts import REVISION, Deployment, has_deadline, same_template
from vaina.objects.selectors import from_message

log = structlog.stdlib.get_logger(__name__)

BY_UID = "uid"
#: look again after this time when the caches do not show what was written
RECHECK_SECONDS = 15.0
SCALING = "ScalingReplicaSet"
#: the cause of a refusal in a namespace that is ending
NAMESPACE_TERMINATING = "NamespaceTerminating"

ReplicaSet = apps_pb2.ReplicaSet


class DeploymentController(Controller):
    """Deployments."""

    name = "deployment"

    def __init__(self, tools: Tools, factory: InformerFactory, recorder: EventRecorder) -> None:
        self._deployments, self._sets = factory.informer(DEPLOYMENT), factory.informer(REPLICA_SET)
        super().__init__(tools, (self._deployments, self._sets))
        self._client, self._recorder = factory.clientset, recorder
        #: what was written last of each kind, by key of the Deployment
        self._told, self._changed = Expectations(), Expectations()
        self._sets.ensure_indexer(BY_CONTROLLER, by_controller)
        self._deployments.ensure_indexer(BY_UID, lambda obj: (obj.metadata.uid,))
        self.watch(self._deployments)
        self.watch(self._sets, self._concerned)

    async def sync(self, key: str) -> float | None:
        deployment = self._deployments.lister.get(key)
        if deployment is None:
            self._told.forget(key)
            self._changed.forget(key)
            return None
        if not self._is_up_to_date(key):
            # The event that brings the cache up to date comes back here.
            return RECHECK_SECONDS
        lister = self._sets.lister
        orphans = lister.by_index(BY_CONTROLLER, f"orphan/{deployment.metadata.namespace}")
        candidates = [*lister.by_index(BY_CONTROLLER, deployment.metadata.uid), *orphans]
        plan = reconcile(deployment, candidates, self.clock.now())
        if plan.acts:
            await self._confirm(deployment)
        await self._claim(key, deployment, plan)
        await self._create(key, deployment, plan)
        for change in plan.changes:
            await self._change(key, deployment, change)
        for old in plan.delete:
            await self._delete(key, old)
        await self._tell(key, deployment, plan)
        return plan.wake_seconds

    def _is_up_to_date(self, key: str) -> bool:
        now = self.clock.monotonic()
        pairs = ((self._told, self._deployments), (self._changed, self._sets))
        return all(
            expected.fulfilled(key, version=cache.resource_version, is_ending=lambda _: True, now=now)
            for expected, cache in pairs
        )

    async def _confirm(self, deployment: Deployment) -> None:
        """Nothing is made, changed or taken on the word of the cache alone.

        It may not know yet what is wished for now.

        Raises Conflict when the Deployment has changed, is going, or is another one of the same name by now.
        """
        meta = deployment.metadata
        try:
            fresh = (await self._client.deployments.get(meta.name, meta.namespace)).metadata
        except NotFound as error:
            raise Conflict(f"Deployment {meta.name} is gone") from error
        changed = (fresh.uid, fresh.generation) != (meta.uid, meta.generation)
        if changed or fresh.HasField("deletion_timestamp"):
            raise Conflict(f"Deployment {meta.name} has changed meanwhile")

    async def _claim(self, key: str, deployment: Deployment, plan: Plan) -> None:
        reference = new_controller_ref(deployment, DEPLOYMENT.api_version, DEPLOYMENT.kind)
        for rs in plan.adopt:
            await self._update(key, with_controller(rs, reference))
            log.info("replica set adopted", deployment=key, replica_set=rs.metadata.name)
        for rs in plan.release:
            await self._update(key, without_owner(rs, deployment.metadata.uid))
            log.info("replica set released", deployment=key, replica_set=rs.metadata.name)

    async def _create(self, key: str, deployment: Deployment, plan: Plan) -> None:
        wanted = plan.create
        if wanted is None:
            return
        try:
            made = await self._client.replica_sets.create(wanted)
        except AlreadyExists as error:
            await self._meet(key, deployment, wanted, error)
            return
        except ApiError as error:
            await self._create_failed(key, deployment, wanted, error)
            raise
        self._note(key, made)
        log.info("replica set created", deployment=key, replica_set=made.metadata.name)
        if made.spec.replicas:
            words = f"Scaled up replica set {made.metadata.name} from 0 to {made.spec.replicas}"
            self._recorder.event(deployment, NORMAL, SCALING, words)

    async def _meet(self, key: str, deployment: Deployment, wanted: ReplicaSet, error: ApiError) -> None:
        """The name is taken: by an earlier, unanswered call of ours, or by a template whose hash is the same."""
        meta = wanted.metadata
        found = await self._client.replica_sets.get(meta.name, meta.namespace)
        mine = is_controlled_by(found.metadata, deployment.metadata.uid)
        if mine and same_template(found.spec.template, wanted.spec.template):
            self._note(key, found)
            return
        changed = Deployment()
        changed.CopyFrom(deployment)
        changed.status.collision_count += 1
        await self._write_status(key, changed)
        log.warning("hash collision", deployment=key, replica_set=meta.name)
        raise error

    async def _create_failed(
        self, key: str, deployment: Deployment, wanted: ReplicaSet, error: ApiError
    ) -> None:
        unclear = isinstance(error, Unavailable | Timeout)
        if unclear or any(cause.type == NAMESPACE_TERMINATING for cause in error.causes):
            return
        words = f'Failed to create new replica set "{wanted.metadata.name}": {error.message}'
        self._recorder.event(deployment, WARNING, status.CREATE_FAILED, words)
        if not has_deadline(deployment):
            return
        changed = Deployment()
        changed.CopyFrom(deployment)
        now = self.clock.now()
        status.set_condition(changed.status, status.PROGRESSING, "False", status.CREATE_FAILED, words, now)
        if changed.status != deployment.status:
            await self._write_status(key, changed)

    async def _change(self, key: str, deployment: Deployment, change: Change) -> None:
        wanted = change.wanted
        await self._update(key, wanted)
        size = wanted.spec.replicas
        if size == change.before:
            return
        way = "up" if size > change.before else "down"
        words = f"Scaled {way} replica set {wanted.metadata.name} from {change.before} to {size}"
        self._recorder.event(deployment, NORMAL, SCALING, words)

    async def _delete(self, key: str, rs: ReplicaSet) -> None:
        try:
            await self._client.replica_sets.delete(
                rs.metadata.name, rs.metadata.namespace, uid=rs.metadata.uid
            )
        except (NotFound, Conflict):
            return
        log.info("old replica set deleted", deployment=key, replica_set=rs.metadata.name)

    async def _tell(self, key: str, deployment: Deployment, plan: Plan) -> None:
        """Write the status, and the revision with it.

        No update of the object, which would raise its generation.
        """
        if plan.revision is None and plan.status is None:
            return
        changed = Deployment()
        changed.CopyFrom(deployment)
        if plan.revision is not None:
            changed.metadata.annotations[REVISION] = plan.revision
        if plan.status is not None:
            changed.status.CopyFrom(plan.status)
        await self._write_status(key, changed)

    async def _write_status(self, key: str, changed: Deployment) -> None:
        answer = await self._client.deployments.update_status(changed)
        self._told.created(key, "", int(answer.metadata.resource_version), self.clock.monotonic())

    async def _update(self, key: str, rs: ReplicaSet) -> None:
        self._note(key, await self._client.replica_sets.update(rs))

    def _note(self, key: str, rs: ReplicaSet) -> None:
        """Remember what the cache must show before the next decision."""
        self._changed.created(key, "", int(rs.metadata.resource_version), self.clock.monotonic())

    def _concerned(self, rs: ReplicaSet) -> Iterable[str]:
        """The Deployment of a ReplicaSet, or every one that might adopt it."""
        reference = controller_of(rs.metadata)
        if reference is not None:
            owners = self._deployments.lister.by_index(BY_UID, reference.uid)
            return [object_key(obj) for obj in owners] if reference.kind == DEPLOYMENT.kind else ()
        labels = rs.metadata.labels
        return [
            object_key(obj)
            for obj in self._deployments.lister.list(namespace=rs.metadata.namespace)
            if from_message(obj.spec.selector).matches(labels)
        ]
