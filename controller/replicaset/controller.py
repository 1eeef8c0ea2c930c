"""The shell of replication, with one controller for each of the two kinds.

A sync settles creations without an answer, observes, decides (`reconcile`), adopts and releases, creates and
deletes, and writes the status of what it observed before.
"""

from collections.abc import Iterable
from typing import Any, ClassVar

import structlog
from prometheus_client import CollectorRegistry, Histogram

from controller.base import Tools
from controller.expectations import AtRest
from controller.ownership import with_controller, without_owner
from controller.owning import RECHECK_SECONDS, GatheringController
from controller.pod_control import Failure, failure_of
from controller.pods import Taken, age_ratios, is_active
from controller.replicaset import reconcile as decide
from vaina.api.core.v1 import pod_pb2
from vaina.cache.informer import InformerFactory
from vaina.client.events import EventRecorder
from vaina.errors import ApiError
from vaina.kinds import REPLICA_SET, REPLICATION_CONTROLLER, Kind
from vaina.objects.meta import controller_of, object_key
from vaina.objects.selectors import LabelSelector

log = structlog.stdlib.get_logger(__name__)

#: index of controllers by the uid of what controls them
BY_PARENT = "parent-uid"


def by_parent(obj: Any) -> Iterable[str]:
    """Index function of controllers: those of one Deployment stand together."""
    reference = controller_of(obj.metadata)
    return () if reference is None else (reference.uid,)


def new_age_ratio(registry: CollectorRegistry) -> Histogram:
    """Make the metric that both controllers share (`pkg/controller/replicaset/metrics`)."""
    return Histogram(
        "replicaset_controller_sorting_deletion_age_ratio",
        "The ratio of chosen deleted pod's ages to the current youngest pod's age (at the time). Should be <2. "
        "This only considers Ready pods when calculating and reporting.",
        registry=registry, buckets=tuple(0.25 * 2.0**power for power in range(6)),
    )  # fmt: skip


class ReplicationBase(GatheringController):
    """Replication of one kind."""

    kind: ClassVar[Kind[Any]]

    def __init__(
        self, tools: Tools, factory: InformerFactory, recorder: EventRecorder, age_ratio: Histogram
    ) -> None:
        super().__init__(tools, factory, recorder)
        self._age_ratio, self._rest = age_ratio, AtRest()
        self._owners.ensure_indexer(BY_PARENT, by_parent)
        self.watch(self._owners)

    async def sync(self, key: str) -> float | None:
        obj = self._owners.lister.get(key)
        if obj is None:
            self._forget(key)
            self._rest.forget(key)
            return None
        owner = decide.owner_of(self.kind, obj)
        self._settle_seen(key, owner.meta)
        if not owner.meta.HasField("deletion_timestamp"):
            await self._control.settle_unknown(key, obj, owner.new_pod)
        pods = self._candidates(owner.meta)
        now = self.clock.now()
        if not self._is_up_to_date(key, pods):
            return RECHECK_SECONDS
        if self._rest.is_same(key, obj, pods):
            return None
        self._rest.forget(key)
        observed = decide.observe(owner, pods)
        plan = decide.reconcile(
            owner, observed, now=now,
            related=self._related(owner) if len(observed.active) > owner.replicas else (),
            taken=Taken(self._dependents.lister, self._recent, owner.meta.namespace),
        )  # fmt: skip
        if plan.acts:
            await self._confirm(obj)
        await self._claim(owner, plan)
        error, failure = await self._act(key, owner, plan, observed)
        status = decide.compute_status(owner, observed, failure=failure, now=now)
        if status.status is not None:
            await self._write_status(obj, status.status)
        if error is not None:
            raise error
        if not plan.acts and not plan.release and status.status is None and status.wake_seconds is None:
            self._rest.note(key, obj, pods)
        return status.wake_seconds

    async def _act(
        self, key: str, owner: decide.Owner, plan: decide.ReplicaPlan, observed: decide.Observed
    ) -> tuple[ApiError | None, Failure | None]:
        if plan.create:
            error = await self._control.create(key, owner.object, owner.new_pod, plan.create)
            return error, failure_of(error, "FailedCreate")
        if plan.delete:
            for ratio in age_ratios(observed.active, plan.delete, self.clock.now()):
                self._age_ratio.observe(ratio)
            error = await self._control.delete(key, owner.object, plan.delete)
            return error, failure_of(error, "FailedDelete")
        return None, None

    async def _claim(self, owner: decide.Owner, plan: decide.ReplicaPlan) -> None:
        for pod in plan.adopt:
            await self._client.pods.update(with_controller(pod, owner.reference))
            log.info("pod adopted", controller=self.name, pod=object_key(pod), owner=owner.meta.name)
        for pod in plan.release:
            await self._client.pods.update(without_owner(pod, owner.meta.uid))
            log.info("pod released", controller=self.name, pod=object_key(pod), owner=owner.meta.name)

    def _related(self, owner: decide.Owner) -> list[pod_pb2.Pod]:
        """Return the active Pods of the other ReplicaSets of a ReplicaSet's Deployment."""
        reference = controller_of(owner.meta)
        if reference is None:
            return []
        siblings = self._owners.lister.by_index(BY_PARENT, reference.uid)
        others = [sibling for sibling in siblings if sibling.metadata.uid != owner.meta.uid]
        return [pod for other in others for pod in self._own(other.metadata) if is_active(pod)]

    def _selector_of(self, owner: Any) -> LabelSelector:
        return decide.owner_of(self.kind, owner).selector

    def _size_of(self, owner: Any) -> int:
        # While it is scaled down it has more Pods than it wishes for.
        return int(max(owner.spec.replicas, owner.status.replicas))


class ReplicaSetController(ReplicationBase):
    """ReplicaSets."""

    name = "replicaset"
    kind = REPLICA_SET


class ReplicationControllerController(ReplicationBase):
    """ReplicationControllers."""

    name = "replicationcontroller"
    kind = REPLICATION_CONTROLLER
