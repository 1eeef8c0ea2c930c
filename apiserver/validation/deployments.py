"""Rules for Deployments and ControllerRevisions.

Follows `pkg/apis/apps/validation`, and the strategies' immutable fields.
"""

from typing import Final

from apiserver.validation import metadata, workloads
from apiserver.validation.place import Place
from apiserver.validation.workloads import check_amount, check_at_most_all, is_zero
from vaina.api.apps.v1 import controller_revision_pb2, deployment_pb2
from vaina.objects import names

_TYPES: Final = ("Recreate", "RollingUpdate")
_PARTS: Final = ("updated_replicas", "ready_replicas", "available_replicas")

Deployment = deployment_pb2.Deployment
ControllerRevision = controller_revision_pb2.ControllerRevision


def check_create(root: Place, new: Deployment) -> None:
    """Check a new Deployment."""
    metadata.check_create(root, new.metadata, names.dns_1123_subdomain, namespaced=True)
    _check_spec(root.child("spec"), new.spec)


def check_update(root: Place, new: Deployment, old: Deployment) -> None:
    """Check a changed Deployment: the selector stays."""
    check_create(root, new)
    metadata.check_update(root, new.metadata, old.metadata)
    root.child("spec", "selector").check_immutable(new.spec.selector, old.spec.selector)


def check_status_update(root: Place, new: Deployment, old: Deployment) -> None:
    """Check a changed status."""
    metadata.check_update(root, new.metadata, old.metadata)
    path, status = root.child("status"), new.status
    rest = ("unavailable_replicas", "terminating_replicas", "collision_count")
    path.check_counts(status, "observed_generation", "replicas", *_PARTS, *rest)
    workloads.check_parts(path, status, *_PARTS)
    workloads.check_collisions(path, status, old.status)


def _check_spec(path: Place, spec: deployment_pb2.DeploymentSpec) -> None:
    path.child("replicas").check_non_negative(spec.replicas)
    workloads.check_selector_and_template(path, spec)
    _check_strategy(path.child("strategy"), spec.strategy)
    path.check_counts(spec, "min_ready_seconds", "revision_history_limit")
    if spec.HasField("progress_deadline_seconds"):
        at = path.child("progressDeadlineSeconds")
        at.check_non_negative(spec.progress_deadline_seconds)
        if spec.progress_deadline_seconds <= spec.min_ready_seconds:
            at.invalid(spec.progress_deadline_seconds, "must be greater than minReadySeconds")


def _check_strategy(path: Place, strategy: deployment_pb2.DeploymentStrategy) -> None:
    at = path.child("rollingUpdate")
    match strategy.type:
        case "Recreate":
            if strategy.HasField("rolling_update"):
                at.forbidden("may not be specified when strategy `type` is 'Recreate'")
        case "RollingUpdate":
            if not strategy.HasField("rolling_update"):
                at.required("this should be defaulted and never be nil")
            else:
                _check_rolling_update(at, strategy.rolling_update)
        case _:
            path.not_supported(strategy, _TYPES)


def _check_rolling_update(path: Place, rolling: deployment_pb2.RollingUpdateDeployment) -> None:
    at = path.child("maxUnavailable")
    check_amount(at, rolling.max_unavailable)
    check_amount(path.child("maxSurge"), rolling.max_surge)
    if is_zero(rolling.max_unavailable) and is_zero(rolling.max_surge):
        shown = rolling.max_unavailable.str_val if rolling.max_unavailable.type else 0
        at.invalid(shown, "may not be 0 when `maxSurge` is 0")
    check_at_most_all(at, rolling.max_unavailable)


def check_revision(root: Place, new: ControllerRevision) -> None:
    """Check a new ControllerRevision."""
    metadata.check_create(root, new.metadata, names.dns_1123_subdomain, namespaced=True)
    if not new.data.raw or new.data.raw == b"null":
        root.child("data").required("data is mandatory")
    root.child("revision").check_non_negative(new.revision)


def check_revision_update(root: Place, new: ControllerRevision, old: ControllerRevision) -> None:
    """Check a changed ControllerRevision: what it keeps stays; its number may grow."""
    metadata.check_update(root, new.metadata, old.metadata)
    check_revision(root, new)
    root.child("data").check_immutable(new.data, old.data)
