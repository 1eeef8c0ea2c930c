"""Rules for Deployments and ControllerRevisions.

Follows `pkg/apis/apps/validation`, and the strategies' immutable fields.
"""

from typing import Final

from apiserver.validation import metadata, workloads
from apiserver.validation.amounts import check_amount, check_at_most_all, is_zero
from apiserver.validation.metadata import Errors, check_non_negative
from vaina.api.apps.v1 import controller_revision_pb2, deployment_pb2
from vaina.objects import names
from vaina.objects.field_path import Path, forbidden, invalid, not_supported, required

_SPEC: Final = Path("spec")
_STATUS: Final = Path("status")
_TYPES: Final = ("Recreate", "RollingUpdate")
_TOO_MANY: Final = "cannot be greater than status.replicas"

Deployment = deployment_pb2.Deployment
ControllerRevision = controller_revision_pb2.ControllerRevision

#: (field, name in manifests) of the counts in a status
_COUNTS: Final = (
    ("observed_generation", "observedGeneration"), ("replicas", "replicas"), ("updated_replicas", "updatedReplicas"),
    ("ready_replicas", "readyReplicas"), ("available_replicas", "availableReplicas"),
    ("unavailable_replicas", "unavailableReplicas"), ("terminating_replicas", "terminatingReplicas"),
    ("collision_count", "collisionCount"),
)  # fmt: skip
#: those that are a part of all
_PARTS: Final = _COUNTS[2:5]


def check_create(new: Deployment) -> Errors:
    """Check a new Deployment."""
    errors = metadata.check_create(new.metadata, names.dns_1123_subdomain, namespaced=True)
    _check_spec(errors, new.spec)
    return errors


def check_update(new: Deployment, old: Deployment) -> Errors:
    """Check a changed Deployment: the selector stays."""
    errors = check_create(new)
    errors.extend(metadata.check_update(new.metadata, old.metadata))
    metadata.check_immutable(errors, _SPEC.child("selector"), new.spec.selector, old.spec.selector)
    return errors


def check_status_update(new: Deployment, old: Deployment) -> Errors:
    """Check a changed status of a Deployment: a part is no more than all, and collisions are never forgotten."""
    errors = metadata.check_update(new.metadata, old.metadata)
    status = new.status
    for field, shown in _COUNTS:
        check_non_negative(errors, _STATUS.child(shown), getattr(status, field))
    for field, shown in _PARTS:
        if getattr(status, field) > status.replicas:
            errors.append(invalid(_STATUS.child(shown), getattr(status, field), _TOO_MANY))
    if status.available_replicas > status.ready_replicas:
        at = _STATUS.child("availableReplicas")
        errors.append(invalid(at, status.available_replicas, "cannot be greater than readyReplicas"))
    if status.collision_count < old.status.collision_count:
        at = _STATUS.child("collisionCount")
        errors.append(invalid(at, status.collision_count, "cannot be decremented"))
    return errors


def _check_spec(errors: Errors, spec: deployment_pb2.DeploymentSpec) -> None:
    check_non_negative(errors, _SPEC.child("replicas"), spec.replicas)
    workloads.check_selector_and_template(errors, _SPEC, spec)
    _check_strategy(errors, _SPEC.child("strategy"), spec.strategy)
    check_non_negative(errors, _SPEC.child("minReadySeconds"), spec.min_ready_seconds)
    check_non_negative(errors, _SPEC.child("revisionHistoryLimit"), spec.revision_history_limit)
    if spec.HasField("progress_deadline_seconds"):
        at = _SPEC.child("progressDeadlineSeconds")
        check_non_negative(errors, at, spec.progress_deadline_seconds)
        if spec.progress_deadline_seconds <= spec.min_ready_seconds:
            errors.append(invalid(at, spec.progress_deadline_seconds, "must be greater than minReadySeconds"))


def _check_strategy(errors: Errors, path: Path, strategy: deployment_pb2.DeploymentStrategy) -> None:
    at = path.child("rollingUpdate")
    match strategy.type:
        case "Recreate":
            if strategy.HasField("rolling_update"):
                errors.append(forbidden(at, "may not be specified when strategy `type` is 'Recreate'"))
        case "RollingUpdate":
            if not strategy.HasField("rolling_update"):
                errors.append(required(at, "this should be defaulted and never be nil"))
            else:
                _check_rolling_update(errors, at, strategy.rolling_update)
        case _:
            errors.append(not_supported(path, strategy, _TYPES))


def _check_rolling_update(
    errors: Errors, path: Path, rolling: deployment_pb2.RollingUpdateDeployment
) -> None:
    at = path.child("maxUnavailable")
    check_amount(errors, at, rolling.max_unavailable)
    check_amount(errors, path.child("maxSurge"), rolling.max_surge)
    if is_zero(rolling.max_unavailable) and is_zero(rolling.max_surge):
        shown = rolling.max_unavailable.str_val if rolling.max_unavailable.type else 0
        errors.append(invalid(at, shown, "may not be 0 when `maxSurge` is 0"))
    check_at_most_all(errors, at, rolling.max_unavailable)


def check_revision(new: ControllerRevision) -> Errors:
    """Check a new ControllerRevision."""
    errors = metadata.check_create(new.metadata, names.dns_1123_subdomain, namespaced=True)
    if not new.data.raw or new.data.raw == b"null":
        errors.append(required(Path("data"), "data is mandatory"))
    check_non_negative(errors, Path("revision"), new.revision)
    return errors


def check_revision_update(new: ControllerRevision, old: ControllerRevision) -> Errors:
    """Check a changed ControllerRevision: what it keeps stays; its number may grow."""
    errors = metadata.check_update(new.metadata, old.metadata)
    errors.extend(check_revision(new))
    metadata.check_immutable(errors, Path("data"), new.data, old.data)
    return errors
