"""The shell of Deployments. It writes ReplicaSets, never Pods.

Every write carries the version that was read, or has a name that follows from the template: repeated after a
crash, it is refused or finds itself done.
"""

import structlog

from controller.base import Tools, delete
from controller.deployment import status
from controller.deployment.reconcile import Change, Plan, reconcile
from controller.ownership import with_controller, without_owner
from controller.owning import RECHECK_SECONDS, OwningController
from controller.plans import copy_of
from controller.pod_control import is_namespace_ending
from vaina.api.apps.v1 import apps_pb2
from vaina.cache.informer import InformerFactory
from vaina.client.events import NORMAL, WARNING, EventRecorder
from vaina.errors import AlreadyExists, ApiError, Timeout, Unavailable
from vaina.kinds import DEPLOYMENT, REPLICA_SET
from vaina.objects.meta import is_controlled_by
from vaina.objects.rollouts import REVISION, Deployment, has_deadline, same_template

log = structlog.stdlib.get_logger(__name__)

SCALING = "ScalingReplicaSet"

ReplicaSet = apps_pb2.ReplicaSet


class DeploymentController(OwningController):
    """Deployments."""

    name = "deployment"
    kind = DEPLOYMENT
    dependent_kind = REPLICA_SET

    def __init__(self, tools: Tools, factory: InformerFactory, recorder: EventRecorder) -> None:
        super().__init__(tools, factory, recorder)
        self.watch(self._owners)
        self.watch(self._dependents, self._keys_of_owners)

    async def sync(self, key: str) -> float | None:
        deployment = self._owners.lister.get(key)
        if deployment is None:
            self._forget(key)
            return None
        if not self._is_up_to_date(key):
            return RECHECK_SECONDS
        candidates = self._candidates(deployment.metadata)
        plan = reconcile(deployment, candidates, self.clock.now())
        if plan.acts:
            await self._confirm(deployment)
        await self._claim(key, deployment, plan)
        await self._create(key, deployment, plan)
        for change in plan.changes:
            await self._change(key, deployment, change)
        for old in plan.delete:
            if await delete(self._client.replica_sets, old.metadata):
                log.info("old replica set deleted", deployment=key, replica_set=old.metadata.name)
        await self._tell(key, deployment, plan)
        return plan.wake_seconds

    async def _claim(self, key: str, deployment: Deployment, plan: Plan) -> None:
        reference = self._reference_to(deployment)
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
        """Find out whether an earlier call made what has the name, or another template has the same hash."""
        meta = wanted.metadata
        found = await self._client.replica_sets.get(meta.name, meta.namespace)
        mine = is_controlled_by(found.metadata, deployment.metadata.uid)
        if mine and same_template(found.spec.template, wanted.spec.template):
            self._note(key, found)
            return
        changed = copy_of(deployment)
        changed.status.collision_count += 1
        await self._write(key, changed)
        log.warning("hash collision", deployment=key, replica_set=meta.name)
        raise error

    async def _create_failed(
        self, key: str, deployment: Deployment, wanted: ReplicaSet, error: ApiError
    ) -> None:
        if isinstance(error, Unavailable | Timeout) or is_namespace_ending(error):
            return
        words = f'Failed to create new replica set "{wanted.metadata.name}": {error.message}'
        self._recorder.event(deployment, WARNING, status.CREATE_FAILED, words)
        if not has_deadline(deployment):
            return
        changed = copy_of(deployment)
        now = self.clock.now()
        status.set_condition(changed.status, status.PROGRESSING, "False", status.CREATE_FAILED, words, now)
        if changed.status != deployment.status:
            await self._write(key, changed)

    async def _change(self, key: str, deployment: Deployment, change: Change) -> None:
        wanted = change.wanted
        await self._update(key, wanted)
        size = wanted.spec.replicas
        if size == change.before:
            return
        way = "up" if size > change.before else "down"
        words = f"Scaled {way} replica set {wanted.metadata.name} from {change.before} to {size}"
        self._recorder.event(deployment, NORMAL, SCALING, words)

    async def _tell(self, key: str, deployment: Deployment, plan: Plan) -> None:
        """Write the status, and the revision with it: an update of the object would raise its generation."""
        if plan.revision is None and plan.status is None:
            return
        changed = copy_of(deployment)
        if plan.revision is not None:
            changed.metadata.annotations[REVISION] = plan.revision
        if plan.status is not None:
            changed.status.CopyFrom(plan.status)
        await self._write(key, changed)

    async def _write(self, key: str, changed: Deployment) -> None:
        self._note(key, await self._client.deployments.update_status(changed), of=self._owner_writes)

    async def _update(self, key: str, rs: ReplicaSet) -> None:
        self._note(key, await self._client.replica_sets.update(rs))
