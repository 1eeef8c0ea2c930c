"""PURE: which Pods a ReplicaSet or ReplicationController adopts, releases, creates and deletes, and its status.

Follows upstream's manageReplicas and replica_set_utils.go.
"""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from controller.ownership import claim
from controller.plans import copy_of, sooner
from controller.pod_control import Failure
from controller.pods import available_in, choose_victims, is_active, pod_from_template, pod_names
from vaina.api.core.v1 import pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.clock import timestamp
from vaina.kinds import REPLICA_SET, Kind
from vaina.objects.meta import new_controller_ref
from vaina.objects.pods import is_ready, is_terminal
from vaina.objects.selectors import LabelSelector, from_labels, from_message

#: at most so many Pods are created or deleted in one sync
BURST = 500
REPLICA_FAILURE = "ReplicaFailure"


@dataclass(frozen=True, slots=True)
class Owner:
    """One ReplicaSet or ReplicationController. Its messages are shared: read only."""

    kind: Kind[Any]
    object: Any
    selector: LabelSelector

    @property
    def meta(self) -> meta_pb2.ObjectMeta:
        meta: meta_pb2.ObjectMeta = self.object.metadata
        return meta

    @property
    def replicas(self) -> int:
        return self.object.spec.replicas if self.object.spec.HasField("replicas") else 1

    @property
    def reference(self) -> meta_pb2.OwnerReference:
        return new_controller_ref(self.object, self.kind.api_version, self.kind.kind)

    def matches(self, pod: pod_pb2.Pod) -> bool:
        return self.selector.matches(pod.metadata.labels)

    def new_pod(self, name: str) -> pod_pb2.Pod:
        return pod_from_template(self.object.spec.template, self.meta, self.reference, name)


def owner_of(kind: Kind[Any], obj: Any) -> Owner:
    """Return an object of one of the two kinds as an Owner."""
    read = from_message if kind is REPLICA_SET else from_labels
    return Owner(kind, obj, read(obj.spec.selector))


@dataclass(frozen=True, slots=True)
class ReplicaPlan:
    """What to do, in this order. All empty: the world is as it should be."""

    adopt: tuple[pod_pb2.Pod, ...] = ()
    release: tuple[pod_pb2.Pod, ...] = ()
    create: tuple[str, ...] = ()
    delete: tuple[pod_pb2.Pod, ...] = ()

    @property
    def acts(self) -> bool:
        return bool(self.adopt or self.create or self.delete)


@dataclass(frozen=True, slots=True)
class Observed:
    """The Pods of a controller, by what they count for."""

    #: owned or about to be adopted, and active: they count as replicas
    active: tuple[pod_pb2.Pod, ...]
    #: owned, ending and not yet ended
    terminating: tuple[pod_pb2.Pod, ...]
    #: orphans that match
    adopt: tuple[pod_pb2.Pod, ...]
    #: owned, but matching no longer
    release: tuple[pod_pb2.Pod, ...]


def observe(owner: Owner, pods: Iterable[pod_pb2.Pod]) -> Observed:
    """Sort the Pods that name a controller as theirs, and the orphans of its namespace."""
    claims = claim(owner.meta, pods, owner.matches)
    adopt = tuple(pod for pod in claims.adopt if is_active(pod))
    active: list[pod_pb2.Pod] = []
    terminating: list[pod_pb2.Pod] = []
    for pod in claims.owned:
        if is_active(pod):
            active.append(pod)
        elif not is_terminal(pod):
            terminating.append(pod)
    return Observed(
        active=(*active, *adopt), terminating=tuple(terminating), adopt=adopt, release=claims.release
    )


def reconcile(
    owner: Owner,
    observed: Observed,
    *,
    now: float,
    related: Sequence[pod_pb2.Pod] = (),
    taken: Container[str] = frozenset(),
) -> ReplicaPlan:
    """Decide what to do for a controller, once the cache shows all that was done before.

    `related` are Pods of controllers with the same owner, for the choice of victims; `taken` are names in use
    in the namespace, or lately so.
    """
    create: tuple[str, ...] = ()
    delete: tuple[pod_pb2.Pod, ...] = ()
    if not owner.meta.HasField("deletion_timestamp"):
        missing = owner.replicas - len(observed.active)
        if missing > 0:
            meta = owner.meta
            create = pod_names(meta.name, meta.uid, min(missing, BURST), taken)
        elif missing < 0:
            adopted = {pod.metadata.uid for pod in observed.adopt}
            victims = choose_victims(observed.active, min(-missing, BURST), now=now, related=related)
            # A Pod that is only about to be adopted is left to the next sync.
            delete = tuple(pod for pod in victims if pod.metadata.uid not in adopted)
    return ReplicaPlan(adopt=observed.adopt, release=observed.release, create=create, delete=delete)


@dataclass(frozen=True, slots=True)
class StatusPlan:
    """The status to write, or None, and when a Pod becomes available by the mere passing of time."""

    status: Any | None
    wake_seconds: float | None = None


def compute_status(owner: Owner, observed: Observed, *, failure: Failure | None, now: float) -> StatusPlan:
    """Decide what the status should say of the Pods as they were before this sync did anything."""
    old = owner.object.status
    new = copy_of(old)
    wake: float | None = None
    wait = owner.object.spec.min_ready_seconds
    ready = available = labelled = 0
    template_labels = tuple(owner.object.spec.template.metadata.labels.items())
    for pod in observed.active:
        labels = pod.metadata.labels
        for key, value in template_labels:
            if labels.get(key) != value:
                break
        else:
            labelled += 1
        if not is_ready(pod):
            continue
        ready += 1
        left = available_in(pod, wait, now)
        if left <= 0:
            available += 1
        else:
            wake = sooner(wake, left)
    new.replicas, new.fully_labeled_replicas = len(observed.active), labelled
    new.ready_replicas, new.available_replicas = ready, available
    new.observed_generation = owner.meta.generation
    if owner.kind is REPLICA_SET:
        new.terminating_replicas = len(observed.terminating)
    _set_failure(new, failure, now)
    return StatusPlan(status=None if new == old else new, wake_seconds=wake)


def _set_failure(status: Any, failure: Failure | None, now: float) -> None:
    known = next((item for item in status.conditions if item.type == REPLICA_FAILURE), None)
    if failure is None and known is not None:
        status.conditions.remove(known)
    elif failure is not None and known is None:
        # The first failure stays until Pods can be made again, as upstream.
        status.conditions.add(
            type=REPLICA_FAILURE, status="True", reason=failure.reason, message=failure.message,
            last_transition_time=timestamp(now),
        )  # fmt: skip
