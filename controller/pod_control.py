"""Making and removing Pods for a controller: slow start, unknown outcomes, Events.

Follows upstream's RealPodControl and slowStartBatch (`pkg/controller/controller_utils.go`,
`replicaset/replica_set.go`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from controller.base import find, for_each
from controller.expectations import Expectations
from vaina.api.core.v1 import pod_pb2
from vaina.client.events import NORMAL, WARNING, EventRecorder
from vaina.client.verbs import PodClient
from vaina.clock import Clock
from vaina.errors import AlreadyExists, ApiError, Conflict, NotFound, Timeout, Unavailable
from vaina.objects.meta import is_controlled_by

#: Pods in one call; a batch is one transaction for etcd
MAX_BATCH = 100
#: the cause of a refusal in a namespace that is ending
NAMESPACE_TERMINATING = "NamespaceTerminating"

#: makes the Pod of a name, always the same: a creation whose answer was lost is asked for again
NewPod = Callable[[str], pod_pb2.Pod]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why Pods could not be created (FailedCreate) or deleted (FailedDelete)."""

    reason: str
    message: str


def is_namespace_ending(error: ApiError) -> bool:
    """Say whether something was refused because its namespace is going, of which no Event tells."""
    return any(cause.type == NAMESPACE_TERMINATING for cause in error.causes)


class PodControl:
    """Creates and deletes the Pods of one controller; owned by it.

    `key` is the controller's key of an owner, `owner` its object of the API, which Events are about.
    """

    def __init__(
        self, pods: PodClient, recorder: EventRecorder, expectations: Expectations, clock: Clock
    ) -> None:
        self._pods, self._recorder, self._expectations, self._clock = pods, recorder, expectations, clock

    async def settle_unknown(self, key: str, owner: Any, new_pod: NewPod) -> None:
        """Ask again for Pods whose creation was not answered: under their names they cannot come twice."""
        names = tuple(self._expectations.unknown(key))
        if names:
            error = await self._create_batch(key, owner, new_pod, names)
            if error is not None:
                raise error

    async def create(
        self,
        key: str,
        owner: Any,
        new_pod: NewPod,
        names: Sequence[str],
        *,
        tell: Callable[[bool], None] | None = None,
    ) -> ApiError | None:
        """Create Pods in batches of 1, 2, 4, ...; a batch in which something fails is the last.

        What all of them are refused for (a quota, a bad template) is then met once. `tell` is called for
        each Pod that was asked for, with whether it is there.
        """
        size, rest = 1, list(names)
        while rest:
            batch, rest = rest[:size], rest[size:]
            error = await self._create_batch(key, owner, new_pod, batch, tell)
            if error is not None:
                return error
            size = min(size * 2, MAX_BATCH)
        return None

    async def delete(
        self, key: str, owner: Any, pods: Sequence[pod_pb2.Pod], *, as_seen: Sequence[pod_pb2.Pod] = ()
    ) -> ApiError | None:
        """Delete Pods, by name and uid; return the first failure.

        Those of them in `as_seen` go for the state that they are in: one that has changed meanwhile stays.
        """
        states = {pod.metadata.uid: pod.metadata.resource_version for pod in as_seen}
        anyhow = [pod for pod in pods if pod.metadata.uid not in states]
        batches = [anyhow[start : start + MAX_BATCH] for start in range(0, len(anyhow), MAX_BATCH)]
        batches += [[pod] for pod in pods if pod.metadata.uid in states]

        async def delete(batch: list[pod_pb2.Pod]) -> None:
            outcomes = await self._delete_batch(batch, states.get(batch[0].metadata.uid))
            found = [self._deleted(key, owner, *each) for each in zip(batch, outcomes, strict=True)]
            for error in found:
                if error is not None:
                    raise error

        return await for_each(batches, delete)

    async def confirm(self, pods: Sequence[pod_pb2.Pod]) -> None:
        """Raise Conflict when one of these Pods has changed since the cache saw it. Raises ApiError."""

        async def check(pod: pod_pb2.Pod) -> None:
            meta = pod.metadata
            fresh = await find(self._pods, meta.name, meta.namespace)
            state = None if fresh is None else (fresh.metadata.uid, fresh.metadata.resource_version)
            if state != (meta.uid, meta.resource_version):
                raise Conflict(f"Pod {meta.name} has changed meanwhile")

        error = await for_each(pods, check)
        if error is not None:
            raise error

    async def _create_batch(
        self,
        key: str,
        owner: Any,
        new_pod: NewPod,
        names: Sequence[str],
        tell: Callable[[bool], None] | None = None,
    ) -> ApiError | None:
        now = self._clock.monotonic()
        # Noted before the call, so that the outcome is known to be unknown if this task ends in the middle.
        for name in names:
            self._expectations.create_unknown(key, name, now)
        results: Sequence[pod_pb2.Pod | ApiError]
        try:
            results = await self._pods.create_batch([new_pod(name) for name in names])
        except ApiError as error:
            results = [error] * len(names)
        failure: ApiError | None = None
        for name, result in zip(names, results, strict=True):
            outcome = await self._existing(owner, name) if isinstance(result, AlreadyExists) else result
            if tell is not None:
                tell(not isinstance(outcome, ApiError))
            if isinstance(outcome, ApiError):
                self._refused(key, owner, name, outcome)
                failure = failure or outcome
            else:
                version = int(outcome.metadata.resource_version)
                self._expectations.created(key, name, version, self._clock.monotonic())
                self._recorder.event(owner, NORMAL, "SuccessfulCreate", f"Created pod: {name}")
        return failure

    async def _existing(self, owner: Any, name: str) -> pod_pb2.Pod | ApiError:
        """Return the Pod that has a name, if an earlier, unanswered call made it for this owner."""
        try:
            pod = await self._pods.get(name, owner.metadata.namespace)
        except NotFound:
            return Conflict(f'pod "{name}" existed and is gone')
        except ApiError as error:
            return error
        if is_controlled_by(pod.metadata, owner.metadata.uid):
            return pod
        return AlreadyExists(f'pods "{name}" already exists', kind="pods", name=name)

    def _refused(self, key: str, owner: Any, name: str, error: ApiError) -> None:
        if isinstance(error, Unavailable | Timeout):
            # It may have happened: the name stays among the unknown.
            return
        self._expectations.settled(key, name)
        if not is_namespace_ending(error):
            self._recorder.event(owner, WARNING, "FailedCreate", f"Error creating: {error.message}")

    async def _delete_batch(
        self, pods: Sequence[pod_pb2.Pod], version: str | None
    ) -> Sequence[ApiError | None]:
        """Delete Pods in one call, a single one at `version`; return for each why it did not go."""
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

    def _deleted(self, key: str, owner: Any, pod: pod_pb2.Pod, error: ApiError | None) -> ApiError | None:
        meta = pod.metadata
        if isinstance(error, NotFound | Conflict):
            # Gone, another Pod by now, or in another state: the cache will show it.
            return None
        if error is not None:
            self._recorder.event(owner, WARNING, "FailedDelete", f"Error deleting: {error.message}")
            return error
        self._expectations.deleted(key, meta.uid, self._clock.monotonic())
        self._recorder.event(owner, NORMAL, "SuccessfulDelete", f"Deleted pod: {meta.name}")
        return None


def failure_of(error: ApiError | None, reason: str) -> Failure | None:
    """Return what the status should say of a failure."""
    return None if error is None else Failure(reason, error.message)
