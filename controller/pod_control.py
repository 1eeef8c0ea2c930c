"""Making and removing Pods for a controller: slow start, unknown outcomes, events.

The only writer of a controller's Pods.

Follows upstream's RealPodControl and slowStartBatch (`pkg/controller/controller_utils.go`,
`replicaset/replica_set.go`).
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from controller.expectations import Expectations
from vaina.api.core.v1 import pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.client.events import NORMAL, WARNING, EventRecorder
from vaina.client.verbs import PodClient
from vaina.clock import Clock
from vaina.errors import AlreadyExists, ApiError, Conflict, NotFound, Timeout, Unavailable
from vaina.objects.meta import is_controlled_by

log = structlog.stdlib.get_logger(__name__)

#: Pods in one call; a batch is one transaction for etcd
MAX_BATCH = 100
#: calls that delete, or Pods that are asked for, under way at once
PARALLEL_DELETES = 32
#: the cause of a refusal in a namespace that is ending
NAMESPACE_TERMINATING = "NamespaceTerminating"


class PodOwner(Protocol):
    """Whose Pods they are. `object` is what Events are about."""

    @property
    def object(self) -> Any:
        """The object of the API."""

    @property
    def meta(self) -> meta_pb2.ObjectMeta:
        """Its metadata."""

    def new_pod(self, name: str) -> pod_pb2.Pod:
        """Return the Pod of a name. Asked twice it gives the same.

        A creation whose answer was lost is asked for again.
        """


@dataclass(frozen=True, slots=True)
class Failure:
    """Why Pods could not be created (FailedCreate) or deleted (FailedDelete)."""

    reason: str
    message: str


class PodControl:
    """Creates and deletes Pods. Owned by one controller."""

    def __init__(
        self, pods: PodClient, recorder: EventRecorder, expectations: Expectations, clock: Clock
    ) -> None:
        self._pods, self._recorder, self._expectations, self._clock = pods, recorder, expectations, clock

    async def settle_unknown(self, key: str, owner: PodOwner) -> None:
        """Ask again for Pods whose creation was not answered: under their names they cannot come twice."""
        names = tuple(self._expectations.unknown(key))
        if names:
            error = await self._create_batch(key, owner, names)
            if error is not None:
                raise error

    async def create(
        self, key: str, owner: PodOwner, names: Sequence[str], *, tell: Callable[[bool], None] | None = None
    ) -> ApiError | None:
        """Create Pods in batches of 1, 2, 4, ...; a batch in which something fails is the last.

        What every creation is refused for (a quota, a bad template) is then met once, not a thousand times.
        `tell` hears of each Pod that was asked for whether it is there.
        """
        size, rest = 1, list(names)
        while rest:
            batch, rest = rest[:size], rest[size:]
            error = await self._create_batch(key, owner, batch, tell)
            if error is not None:
                return error
            size = min(size * 2, MAX_BATCH)
        return None

    async def delete(
        self, key: str, owner: PodOwner, pods: Sequence[pod_pb2.Pod], *, as_seen: Sequence[pod_pb2.Pod] = ()
    ) -> ApiError | None:
        """Delete Pods, by name and uid; returns the first failure.

        Args:
            key: of the owner.
            owner: whose Pods they are.
            pods: to delete.
            as_seen: of those, Pods that go for the state that they are in: one that has changed meanwhile
            stays.
        """
        states = {pod.metadata.uid: pod.metadata.resource_version for pod in as_seen}
        anyhow = [pod for pod in pods if pod.metadata.uid not in states]
        gate = asyncio.Semaphore(PARALLEL_DELETES)
        errors: list[ApiError] = []

        async def some(batch: Sequence[pod_pb2.Pod]) -> None:
            async with gate:
                outcomes = await self._delete_batch(batch, states.get(batch[0].metadata.uid))
            found = [self._deleted(key, owner, *each) for each in zip(batch, outcomes, strict=True)]
            errors.extend(error for error in found if error is not None)

        async with asyncio.TaskGroup() as group:
            for start in range(0, len(anyhow), MAX_BATCH):
                group.create_task(some(anyhow[start : start + MAX_BATCH]))
            for pod in pods:
                if pod.metadata.uid in states:
                    group.create_task(some([pod]))
        return errors[0] if errors else None

    async def confirm(self, pods: Sequence[pod_pb2.Pod]) -> None:
        """Raise Conflict when one of these Pods is no longer as the cache has it. Raises ApiError."""
        gate = asyncio.Semaphore(PARALLEL_DELETES)

        async def is_same(pod: pod_pb2.Pod) -> bool:
            meta = pod.metadata
            try:
                async with gate:
                    fresh = (await self._pods.get(meta.name, meta.namespace)).metadata
            except NotFound:
                return False
            return (fresh.uid, fresh.resource_version) == (meta.uid, meta.resource_version)

        same = await asyncio.gather(*map(is_same, pods))
        if not all(same):
            changed = pods[same.index(False)].metadata
            raise Conflict(f"Pod {changed.name} has changed meanwhile")

    async def _create_batch(
        self,
        key: str,
        owner: PodOwner,
        names: Sequence[str],
        tell: Callable[[bool], None] | None = None,
    ) -> ApiError | None:
        """Create Pods of these names in one call; returns the first failure."""
        now = self._clock.monotonic()
        # Noted before the call: whatever ends this task in the middle, the outcome is unknown, not forgotten.
        for name in names:
            self._expectations.create_unknown(key, name, now)
        results: Sequence[pod_pb2.Pod | ApiError]
        try:
            results = await self._pods.create_batch([owner.new_pod(name) for name in names])
        except ApiError as error:
            results = [error] * len(names)
        failure: ApiError | None = None
        for name, result in zip(names, results, strict=True):
            outcome = await self._mine(owner, name) if isinstance(result, AlreadyExists) else result
            if tell is not None:
                tell(not isinstance(outcome, ApiError))
            if isinstance(outcome, ApiError):
                self._refused(key, owner, name, outcome)
                failure = failure or outcome
            else:
                self._expectations.created(
                    key, name, int(outcome.metadata.resource_version), self._clock.monotonic()
                )
                self._recorder.event(owner.object, NORMAL, "SuccessfulCreate", f"Created pod: {name}")
        return failure

    async def _mine(self, owner: PodOwner, name: str) -> pod_pb2.Pod | ApiError:
        """A name is taken: by an earlier, unanswered call of ours, or by somebody else."""
        try:
            pod = await self._pods.get(name, owner.meta.namespace)
        except NotFound:
            return Conflict(f'pod "{name}" existed and is gone')
        except ApiError as error:
            return error
        if is_controlled_by(pod.metadata, owner.meta.uid):
            return pod
        return AlreadyExists(f'pods "{name}" already exists', kind="pods", name=name)

    def _refused(self, key: str, owner: PodOwner, name: str, error: ApiError) -> None:
        if isinstance(error, Unavailable | Timeout):
            # It may have happened: the name stays among the unknown.
            return
        self._expectations.settled(key, name)
        if any(cause.type == NAMESPACE_TERMINATING for cause in error.causes):
            return
        self._recorder.event(owner.object, WARNING, "FailedCreate", f"Error creating: {error.message}")

    async def _delete_batch(
        self, pods: Sequence[pod_pb2.Pod], version: str | None
    ) -> Sequence[ApiError | None]:
        """Delete Pods in one call; `version` is that in which a single one goes.

        Returns for each why it did not.
        """
        try:
            if len(pods) == 1:
                meta = pods[0].metadata
                await self._pods.delete(meta.name, meta.namespace, uid=meta.uid, resource_version=version)
                return [None]
            doomed = [(pod.metadata.namespace, pod.metadata.name, pod.metadata.uid) for pod in pods]
            results = await self._pods.delete_batch(doomed)
        except ApiError as error:
            return [error] * len(pods)
        return [result if isinstance(result, ApiError) else None for result in results]

    def _deleted(
        self, key: str, owner: PodOwner, pod: pod_pb2.Pod, error: ApiError | None
    ) -> ApiError | None:
        """Note what became of a deletion; returns why it failed."""
        meta = pod.metadata
        if isinstance(error, NotFound | Conflict):
            # Gone, another Pod by now, or in another state: the cache will show it.
            return None
        if error is not None:
            self._recorder.event(owner.object, WARNING, "FailedDelete", f"Error deleting: {error.message}")
            return error
        self._expectations.deleted(key, meta.uid, self._clock.monotonic())
        self._recorder.event(owner.object, NORMAL, "SuccessfulDelete", f"Deleted pod: {meta.name}")
        return None


def failure_of(error: ApiError | None, reason: str) -> Failure | None:
    """Return what the status should say of a failure."""
    return None if error is None else Failure(reason, error.message)
