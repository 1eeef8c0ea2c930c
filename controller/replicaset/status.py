"""PURE: the status of a ReplicaSet or ReplicationController. Follows upstream's replica_set_utils.go."""

from dataclasses import dataclass
from typing import Any

from controller.plans import copy_of, sooner
from controller.pod_control import Failure
from controller.pods import available_in
from controller.replicaset.owner import Owner
from controller.replicaset.reconcile import Observed
from vaina.clock import timestamp
from vaina.kinds import REPLICA_SET
from vaina.objects.pods import is_ready

REPLICA_FAILURE = "ReplicaFailure"


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
    kept = [condition for condition in status.conditions if condition.type != REPLICA_FAILURE]
    known = next((c for c in status.conditions if c.type == REPLICA_FAILURE), None)
    if failure is not None and known is not None:
        # The first failure stays until Pods can be made again, as upstream.
        return
    if failure is None and known is None:
        return
    del status.conditions[:]
    status.conditions.extend(kept)
    if failure is not None:
        status.conditions.add(
            type=REPLICA_FAILURE, status="True", reason=failure.reason, message=failure.message,
            last_transition_time=timestamp(now),
        )  # fmt: skip
