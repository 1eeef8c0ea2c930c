"""The shell of replication: informers in, plan out, one controller for each of the two kinds.

Step by step for one key: settle creations whose outcome is unknown, observe, decide (`reconcile`), adopt and
release, create and delete, write the status that was observed before.
"""

from collections.abc import Iterable
from typing import Any, ClassVar

import structlog
from prometheus_client import CollectorRegistry, Histogram

from controller.base import Controller, Tools
from controller.expectations import Expectations
from controller.ownership import BY_CONTROLLER, by_controller, with_controller, without_owner
from controller.pod_control import Failure, PodControl, failure_of
from controller.pods import RecentNames, Taken, candidates, is_active
from controller.replicaset.owner import ADAPTERS, Owner
from controller.replicaset.reconcile import Observed, ReplicaPlan, observe, reconcile
from controller.replicaset.status import compute_status
from controller.rest import AtRest
from controller.victims import age_ratios
from vaina.api.core.v1 import pod_pb2
from vaina.cache.factory import InformerFactory
from vaina.client.events import EventRecorder
from vaina.errors import ApiError, Conflict, NotFound
from vaina.kinds import POD, REPLICA_SET, REPLICATION_CONTROLLER, Kind
from vaina.objects.meta import controller_of, is_controlled_by, object_key

log = structlog.stdlib.get_logger(__name__)

#: index of controllers by uid
BY_UID = "uid"
#: index of controllers by the uid of what controls them
BY_PARENT = "parent-uid"
#: look again after this time when the cache does not show what was done
RECHECK_SECONDS = 15.0
#: controllers of more replicas than this gather the reports of their Pods, for so long for each replica
GATHER_FROM, GATHER_SECONDS_EACH = 100, 0.0002


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


class ReplicationBase(Controller):
    """Replication of one kind."""

    kind: ClassVar[Kind[Any]]

    def __init__(
        self,
        tools: Tools,
        factory: InformerFactory,
        recorder: EventRecorder,
        age_ratio: Histogram | None = None,
    ) -> None:
        """Make it.

        Args:
            tools: clock, metrics, how many workers.
            factory: of caches and clients.
            recorder: of Events.
            age_ratio: where it is noted how old victims are (`new_age_ratio`); None: nowhere.
        """
        self._age_ratio = age_ratio
        self._owners = factory.informer(self.kind)
        self._pods = factory.informer(POD)
        super().__init__(tools, (self._owners, self._pods))
        self._client = factory.clientset
        self._owner_client = factory.clientset.kind(self.kind)
        self._expectations = Expectations()
        self._recent = RecentNames()
        self._rest = AtRest()
        self._control = PodControl(factory.clientset.pods, recorder, self._expectations, tools.clock)
        self._adapt = ADAPTERS[self.kind.kind]
        self._pods.ensure_indexer(BY_CONTROLLER, by_controller)
        self._owners.ensure_indexer(BY_UID, lambda obj: (obj.metadata.uid,))
        self._owners.ensure_indexer(BY_PARENT, by_parent)
        self._owners.add_handler(
            on_add=lambda obj: self.queue.add(object_key(obj)),
            on_update=lambda old, new: self.queue.add(object_key(new)),
            on_delete=lambda obj: self.queue.add(object_key(obj)),
        )
        self._pods.add_handler(
            on_add=self._look_at, on_update=self._on_pod_update, on_delete=self._on_pod_gone
        )

    async def sync(self, key: str) -> float | None:
        obj = self._owners.lister.get(key)
        if obj is None:
            self._expectations.forget(key)
            self._rest.forget(key)
            return None
        owner = self._adapt(obj)
        self._settle_seen(key, owner)
        if not owner.meta.HasField("deletion_timestamp"):
            await self._control.settle_unknown(key, owner)
        pods = candidates(self._pods.lister, owner.meta)
        now = self.clock.now()
        may_act = self._expectations.fulfilled(
            key, version=self._pods.resource_version, is_ending=self._is_ending(pods),
            now=self.clock.monotonic(),
        )  # fmt: skip
        if not may_act:
            # The event that brings the cache up to date comes back here; until then nothing can be said or
            # done.
            return RECHECK_SECONDS
        if self._rest.is_same(key, obj, pods):
            return None
        self._rest.forget(key)
        observed = observe(owner, pods)
        plan = reconcile(
            owner, observed, may_act=True, now=now,
            related=self._related(owner) if len(observed.active) > owner.replicas else (),
            taken=Taken(self._pods.lister, self._recent, owner.meta.namespace),
        )  # fmt: skip
        if plan.acts:
            await self._confirm(owner)
        await self._claim(owner, plan)
        error, failure = await self._act(key, owner, plan, observed)
        status = compute_status(owner, observed, failure=failure, now=now)
        if status.status is not None:
            await self._write_status(owner, status.status)
        if error is not None:
            raise error
        if not plan.acts and not plan.release and status.status is None and status.wake_seconds is None:
            self._rest.note(key, obj, pods)
        return status.wake_seconds

    def _settle_seen(self, key: str, owner: Owner) -> None:
        """What the cache shows has happened, whatever became of the answer."""
        for name in self._expectations.unknown(key):
            pod = self._pods.lister.get(f"{owner.meta.namespace}/{name}")
            if pod is not None and is_controlled_by(pod.metadata, owner.meta.uid):
                self._expectations.settled(key, name)

    async def _act(
        self, key: str, owner: Owner, plan: ReplicaPlan, observed: Observed
    ) -> tuple[ApiError | None, Failure | None]:
        if plan.create:
            error = await self._control.create(key, owner, plan.create)
            return error, failure_of(error, "FailedCreate")
        if plan.delete:
            if self._age_ratio is not None:
                for ratio in age_ratios(observed.active, plan.delete, self.clock.now()):
                    self._age_ratio.observe(ratio)
            error = await self._control.delete(key, owner, plan.delete)
            return error, failure_of(error, "FailedDelete")
        return None, None

    async def _confirm(self, owner: Owner) -> None:
        """Nothing is made, taken or deleted on the word of the cache alone.

        It may not know yet what is wished for now.

        Raises Conflict when the owner has changed, is going, or is another one of the same name by now.
        """
        try:
            fresh = (await self._owner_client.get(owner.meta.name, owner.meta.namespace)).metadata
        except NotFound as error:
            raise Conflict(f"{owner.kind.kind} {owner.meta.name} is gone") from error
        if (fresh.uid, fresh.generation) != (owner.meta.uid, owner.meta.generation) or fresh.HasField(
            "deletion_timestamp"
        ):
            raise Conflict(f"{owner.kind.kind} {owner.meta.name} has changed meanwhile")

    async def _claim(self, owner: Owner, plan: ReplicaPlan) -> None:
        for pod in plan.adopt:
            await self._client.pods.update(with_controller(pod, owner.reference))
            log.info("pod adopted", controller=self.name, pod=object_key(pod), owner=owner.meta.name)
        for pod in plan.release:
            await self._client.pods.update(without_owner(pod, owner.meta.uid))
            log.info("pod released", controller=self.name, pod=object_key(pod), owner=owner.meta.name)

    async def _write_status(self, owner: Owner, status: Any) -> None:
        changed = type(owner.object)()
        changed.CopyFrom(owner.object)
        changed.status.CopyFrom(status)
        await self._owner_client.update_status(changed)

    def _related(self, owner: Owner) -> list[pod_pb2.Pod]:
        """Active Pods of the other controllers that have the same owner as this one (the ReplicaSets of a
        Deployment).
        """
        reference = controller_of(owner.meta)
        if reference is None:
            return []
        found: list[pod_pb2.Pod] = []
        for sibling in self._owners.lister.by_index(BY_PARENT, reference.uid):
            if sibling.metadata.uid != owner.meta.uid:
                found += self._pods.lister.by_index(BY_CONTROLLER, sibling.metadata.uid)
        return [pod for pod in found if is_active(pod)]

    @staticmethod
    def _is_ending(pods: Iterable[pod_pb2.Pod]) -> Any:
        there: set[str] | None = None

        def is_ending(uid: str) -> bool:
            nonlocal there
            if there is None:
                there = {pod.metadata.uid for pod in pods if not pod.metadata.HasField("deletion_timestamp")}
            return uid not in there

        return is_ending

    def _on_pod_gone(self, pod: pod_pb2.Pod) -> None:
        if controller_of(pod.metadata) is not None:
            self._recent.add(object_key(pod), self.clock.monotonic())
        # One that was ending had been replaced already: its end changes the status alone.
        self._look_at(pod, gather=pod.metadata.HasField("deletion_timestamp"))

    def _on_pod_update(self, old: pod_pb2.Pod, new: pod_pb2.Pod) -> None:
        before, after = controller_of(old.metadata), controller_of(new.metadata)
        if before is not None and (after is None or after.uid != before.uid):
            self._look_at(old)
        ends = new.metadata.HasField("deletion_timestamp") and not old.metadata.HasField("deletion_timestamp")
        self._look_at(new, gather=not ends)

    def _look_at(self, pod: pod_pb2.Pod, *, gather: bool = False) -> None:
        """Queue the controller of a Pod, or every one that might adopt it.

        With `gather` a controller of many replicas is queued a little later: reports of thousands of Pods
        come one by one, and each sync looks at all of them (30 ms for 5,000).
        """
        reference = controller_of(pod.metadata)
        if reference is not None:
            if reference.kind == self.kind.kind:
                for obj in self._owners.lister.by_index(BY_UID, reference.uid):
                    # One that is scaled down has more Pods than it wishes for.
                    size = max(obj.spec.replicas, obj.status.replicas)
                    delay = min(size * GATHER_SECONDS_EACH, 1.0) if gather and size > GATHER_FROM else 0.0
                    self.queue.add_after(object_key(obj), delay)
            return
        for obj in self._owners.lister.list(namespace=pod.metadata.namespace):
            if self._adapt(obj).matches(pod):
                self.queue.add(object_key(obj))


class ReplicaSetController(ReplicationBase):
    """ReplicaSets."""

    name = "replicaset"
    kind = REPLICA_SET


class ReplicationControllerController(ReplicationBase):
    """ReplicationControllers."""

    name = "replicationcontroller"
    kind = REPLICATION_CONTROLLER
