"""Rules for ReplicaSets and ReplicationControllers.

Follows `pkg/apis/apps/validation` and `pkg/apis/core/validation`, and the strategies that make a ReplicaSet's
selector immutable.
"""

from collections.abc import Mapping
from typing import Final

from apiserver.validation import metadata, templates
from apiserver.validation.labels import check_label_selector
from apiserver.validation.metadata import Errors, check_non_negative
from vaina.api.apps.v1 import apps_pb2, deployment_pb2
from vaina.api.core.v1 import pod_pb2, replication_controller_pb2
from vaina.objects import names, selectors
from vaina.objects.field_path import Path, invalid, required

_SPEC: Final = Path("spec")
_STATUS: Final = Path("status")
_NO_MATCH: Final = "`selector` does not match template `labels`"
_TOO_MANY: Final = "cannot be greater than status.replicas"

ReplicaSet = apps_pb2.ReplicaSet
ReplicationController = replication_controller_pb2.ReplicationController
Status = apps_pb2.ReplicaSetStatus | replication_controller_pb2.ReplicationControllerStatus

#: (field, name in manifests) of the counts in a status
_COUNTS: Final = (
    ("replicas", "replicas"), ("fully_labeled_replicas", "fullyLabeledReplicas"), ("ready_replicas", "readyReplicas"),
    ("available_replicas", "availableReplicas"), ("observed_generation", "observedGeneration"),
)  # fmt: skip


def check_replica_set(new: ReplicaSet) -> Errors:
    """Check a new ReplicaSet."""
    errors = metadata.check_create(new.metadata, names.dns_1123_subdomain, namespaced=True)
    _check_replica_set_spec(errors, new.spec)
    return errors


def check_replica_set_update(new: ReplicaSet, old: ReplicaSet) -> Errors:
    """Check a changed ReplicaSet: the selector stays."""
    errors = check_replica_set(new)
    errors.extend(metadata.check_update(new.metadata, old.metadata))
    metadata.check_immutable(errors, _SPEC.child("selector"), new.spec.selector, old.spec.selector)
    return errors


def check_replica_set_status_update(new: ReplicaSet, old: ReplicaSet) -> Errors:
    """Check a changed status of a ReplicaSet."""
    errors = metadata.check_update(new.metadata, old.metadata)
    _check_status(errors, new.status)
    return errors


def _check_replica_set_spec(errors: Errors, spec: apps_pb2.ReplicaSetSpec) -> None:
    check_non_negative(errors, _SPEC.child("replicas"), spec.replicas)
    check_non_negative(errors, _SPEC.child("minReadySeconds"), spec.min_ready_seconds)
    check_selector_and_template(errors, _SPEC, spec)


def check_selector_and_template(
    errors: Errors, path: Path, spec: apps_pb2.ReplicaSetSpec | deployment_pb2.DeploymentSpec
) -> None:
    """Check that a selector is there and selects what the template makes.

    The template is one for Pods that do not end.
    """
    at = path.child("selector")
    given = spec.selector.match_labels or spec.selector.match_expressions
    if not spec.HasField("selector"):
        errors.append(required(at))
    else:
        check_label_selector(errors, at, spec.selector)
        if not given:
            errors.append(invalid(at, spec.selector, "empty selector is invalid for deployment"))
    try:
        selector = selectors.from_message(spec.selector)
    except selectors.SelectorError:
        errors.append(invalid(at, spec.selector, "invalid label selector"))
        return
    if not spec.HasField("selector"):
        selector = selectors.NOTHING
    labels = spec.template.metadata.labels
    if (given or not spec.HasField("selector")) and not selector.matches(labels):
        _report_no_match(errors, labels)
    templates.check_endless_template(errors, _SPEC.child("template"), spec.template, "ReplicaSet")


def _report_no_match(errors: Errors, labels: Mapping[str, str]) -> None:
    at = _SPEC.child("template", "metadata", "labels")
    errors.append(invalid(at, dict(labels) if labels else None, _NO_MATCH))


def check_controller(new: ReplicationController) -> Errors:
    """Check a new ReplicationController."""
    errors = metadata.check_create(new.metadata, names.dns_1123_subdomain, namespaced=True)
    spec = new.spec
    check_non_negative(errors, _SPEC.child("minReadySeconds"), spec.min_ready_seconds)
    if not spec.selector:
        errors.append(required(_SPEC.child("selector")))
    check_non_negative(errors, _SPEC.child("replicas"), spec.replicas)
    if not spec.HasField("template"):
        errors.append(required(_SPEC.child("template")))
        return errors
    labels = spec.template.metadata.labels
    if any(labels.get(key) != value for key, value in spec.selector.items()):
        _report_no_match(errors, labels)
    _check_controller_template(errors, spec.template)
    return errors


def _check_controller_template(errors: Errors, template: pod_pb2.PodTemplateSpec) -> None:
    at = _SPEC.child("template")
    templates.check_endless_template(errors, at, template, "ReplicationController")


def check_controller_update(new: ReplicationController, old: ReplicationController) -> Errors:
    """Check a changed ReplicationController; its selector may change."""
    errors = check_controller(new)
    errors.extend(metadata.check_update(new.metadata, old.metadata))
    return errors


def check_controller_status_update(new: ReplicationController, old: ReplicationController) -> Errors:
    """Check a changed status of a ReplicationController."""
    errors = metadata.check_update(new.metadata, old.metadata)
    _check_status(errors, new.status)
    return errors


def _check_status(errors: Errors, status: Status) -> None:
    for field, shown in _COUNTS:
        check_non_negative(errors, _STATUS.child(shown), getattr(status, field))
    if isinstance(status, apps_pb2.ReplicaSetStatus):
        check_non_negative(errors, _STATUS.child("terminatingReplicas"), status.terminating_replicas)
    for field, shown in _COUNTS[1:4]:
        count = getattr(status, field)
        if count > status.replicas:
            errors.append(invalid(_STATUS.child(shown), count, _TOO_MANY))
    if status.available_replicas > status.ready_replicas:
        at = _STATUS.child("availableReplicas")
        errors.append(invalid(at, status.available_replicas, "cannot be greater than readyReplicas"))
