"""PURE: the status of a Deployment, and when to look again though nothing happens.

Follows calculateStatus of sync.go and progress.go in upstream's `pkg/controller/deployment`.
"""

from collections.abc import Sequence
from typing import Any, Final

from controller.plans import copy_of
from vaina.api.apps.v1 import deployment_pb2
from vaina.clock import seconds_of, timestamp
from vaina.objects.conditions import get_condition
from vaina.objects.rollouts import Deployment, ReplicaSet, fenceposts, has_deadline, replicas_of

AVAILABLE: Final = "Available"
PROGRESSING: Final = "Progressing"
REPLICA_FAILURE: Final = "ReplicaFailure"
#: reasons of Progressing
CREATED: Final = "NewReplicaSetCreated"
FOUND: Final = "FoundNewReplicaSet"
CREATE_FAILED: Final = "ReplicaSetCreateError"
UPDATED: Final = "ReplicaSetUpdated"
COMPLETE: Final = "NewReplicaSetAvailable"
TIMED_OUT: Final = "ProgressDeadlineExceeded"
PAUSED: Final = "DeploymentPaused"
RESUMED: Final = "DeploymentResumed"

Status = deployment_pb2.DeploymentStatus


def set_condition(status: Status, kind: str, value: str, reason: str, message: str, now: float) -> None:
    """Set a condition; one that says the same with the same reason stays as it is."""
    known = get_condition(status, kind)
    if known is not None and (known.status, known.reason) == (value, reason):
        return
    made = deployment_pb2.DeploymentCondition(
        type=kind, status=value, reason=reason, message=message,
        last_update_time=timestamp(now), last_transition_time=timestamp(now),
    )  # fmt: skip
    if known is not None and known.status == value:
        made.last_transition_time.CopyFrom(known.last_transition_time)
    remove_condition(status, kind)
    status.conditions.append(made)


def remove_condition(status: Status, kind: str) -> None:
    """Take a condition away."""
    kept = [condition for condition in status.conditions if condition.type != kind]
    del status.conditions[:]
    status.conditions.extend(kept)


def begin(deployment: Deployment, now: float) -> Status:
    """Return the status as it is stored, and that the Deployment was paused or resumed since."""
    status = copy_of(deployment.status)
    if not has_deadline(deployment):
        return status
    known = get_condition(status, PROGRESSING)
    reason = known.reason if known is not None else ""
    if reason == TIMED_OUT:
        return status
    if deployment.spec.paused and reason != PAUSED:
        set_condition(status, PROGRESSING, "Unknown", PAUSED, "Deployment is paused", now)
    elif not deployment.spec.paused and reason == PAUSED:
        set_condition(status, PROGRESSING, "Unknown", RESUMED, "Deployment is resumed", now)
    return status


def count(
    status: Status, deployment: Deployment, new: ReplicaSet | None, sets: Sequence[ReplicaSet], now: float
) -> None:
    """Bring the numbers of a status, and the condition Available, up to date with the ReplicaSets."""
    wished, (_, unavailable) = replicas_of(deployment), fenceposts(deployment)
    found = [rs.status for rs in sets]
    status.observed_generation = deployment.metadata.generation
    status.replicas = sum(item.replicas for item in found)
    status.updated_replicas = 0 if new is None else new.status.replicas
    status.ready_replicas = sum(item.ready_replicas for item in found)
    status.available_replicas = sum(item.available_replicas for item in found)
    total = sum(replicas_of(rs) for rs in sets)
    status.unavailable_replicas = max(total - status.available_replicas, 0)
    status.terminating_replicas = sum(item.terminating_replicas for item in found)
    if status.available_replicas >= wished - unavailable:
        words = "Deployment has minimum availability."
        set_condition(status, AVAILABLE, "True", "MinimumReplicasAvailable", words, now)
    else:
        words = "Deployment does not have minimum availability."
        set_condition(status, AVAILABLE, "False", "MinimumReplicasUnavailable", words, now)


def is_complete(deployment: Deployment, status: Status) -> bool:
    """Say whether all replicas are of the new template, and available (DeploymentComplete)."""
    wished = replicas_of(deployment)
    return (
        status.updated_replicas == status.replicas == status.available_replicas == wished
        and status.observed_generation >= deployment.metadata.generation
    )


def judge_progress(status: Status, deployment: Deployment, name: str, now: float) -> None:
    """Set the condition Progressing of `status`, the numbers of now; `name` is the new ReplicaSet's, or
    empty.
    """
    if not has_deadline(deployment):
        remove_condition(status, PROGRESSING)
        return
    known = get_condition(status, PROGRESSING)
    if known is not None and known.reason == COMPLETE and status.replicas == status.updated_replicas:
        return
    subject = f'ReplicaSet "{name}"' if name else f'Deployment "{deployment.metadata.name}"'
    if is_complete(deployment, status):
        words = f"{subject} has successfully progressed."
        set_condition(status, PROGRESSING, "True", COMPLETE, words, now)
    elif _has_progressed(deployment.status, status):
        _restart_deadline(status, known, f"{subject} is progressing.", now)
    elif _is_overdue(deployment, known, now):
        words = f"{subject} has timed out progressing."
        set_condition(status, PROGRESSING, "False", TIMED_OUT, words, now)


def _restart_deadline(status: Status, known: Any, words: str, now: float) -> None:
    """Move lastUpdateTime, which the deadline counts from, also where the reason stays."""
    since = timestamp(now)
    if known is not None and known.status == "True":
        since.CopyFrom(known.last_transition_time)
    remove_condition(status, PROGRESSING)
    status.conditions.add(
        type=PROGRESSING, status="True", reason=UPDATED, message=words, last_update_time=timestamp(now),
        last_transition_time=since,
    )  # fmt: skip


def _has_progressed(before: Status, after: Status) -> bool:
    return (
        after.updated_replicas > before.updated_replicas
        or after.replicas - after.updated_replicas < before.replicas - before.updated_replicas
        or after.ready_replicas > before.ready_replicas
        or after.available_replicas > before.available_replicas
    )


def _is_overdue(deployment: Deployment, known: Any, now: float) -> bool:
    if known is None or known.reason == COMPLETE:
        return False
    return known.reason == TIMED_OUT or _deadline(deployment, known) < now


def _deadline(deployment: Deployment, known: Any) -> float:
    return seconds_of(known.last_update_time) + deployment.spec.progress_deadline_seconds


def copy_failure(status: Status, new: ReplicaSet | None, sets: Sequence[ReplicaSet]) -> None:
    """Tell what a ReplicaSet could not do; the new one's failure comes before those of others."""
    ordered = [*([new] if new is not None else []), *sets]
    failures = (get_condition(rs.status, REPLICA_FAILURE) for rs in ordered)
    failure = next((found for found in failures if found is not None), None)
    if failure is None:
        remove_condition(status, REPLICA_FAILURE)
        return
    since = seconds_of(failure.last_transition_time)
    set_condition(status, REPLICA_FAILURE, failure.status, failure.reason, failure.message, since)


def wake_in(deployment: Deployment, status: Status, now: float) -> float | None:
    """Return the seconds after which a rollout would be overdue; None when it cannot be, or is."""
    known = get_condition(status, PROGRESSING)
    if not has_deadline(deployment) or known is None or deployment.spec.paused:
        return None
    if known.reason in (TIMED_OUT, COMPLETE) or is_complete(deployment, status):
        return None
    return max(_deadline(deployment, known) - now, 0.0) + 1.0
