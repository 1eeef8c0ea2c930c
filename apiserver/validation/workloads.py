"""Rules for ReplicaSets and ReplicationControllers.

Follows `pkg/apis/apps/validation` and `pkg/apis/core/validation`, and the strategies that make a ReplicaSet's
selector immutable.
"""

from collections.abc import Mapping
from typing import Final

from apiserver.validation import metadata, templates
from apiserver.validation.labels import check_label_selector
from apiserver.validation.place import Place
from vaina.api.apps.v1 import apps_pb2, deployment_pb2
from vaina.api.core.v1 import pod_pb2, replication_controller_pb2
from vaina.objects import names, selectors

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


def check_replica_set(root: Place, new: ReplicaSet) -> None:
    """Check a new ReplicaSet."""
    metadata.check_create(root, new.metadata, names.dns_1123_subdomain, namespaced=True)
    _check_replica_set_spec(root.child("spec"), new.spec)


def check_replica_set_update(root: Place, new: ReplicaSet, old: ReplicaSet) -> None:
    """Check a changed ReplicaSet: the selector stays."""
    check_replica_set(root, new)
    metadata.check_update(root, new.metadata, old.metadata)
    root.child("spec", "selector").check_immutable(new.spec.selector, old.spec.selector)


def check_replica_set_status_update(root: Place, new: ReplicaSet, old: ReplicaSet) -> None:
    """Check a changed status of a ReplicaSet."""
    metadata.check_update(root, new.metadata, old.metadata)
    _check_status(root.child("status"), new.status)


def _check_replica_set_spec(path: Place, spec: apps_pb2.ReplicaSetSpec) -> None:
    path.child("replicas").check_non_negative(spec.replicas)
    path.child("minReadySeconds").check_non_negative(spec.min_ready_seconds)
    check_selector_and_template(path, spec)


def check_selector_and_template(
    path: Place, spec: apps_pb2.ReplicaSetSpec | deployment_pb2.DeploymentSpec
) -> None:
    """Check that a selector is there and selects what the template makes.

    The template is one for Pods that do not end.
    """
    at = path.child("selector")
    given = spec.selector.match_labels or spec.selector.match_expressions
    if not spec.HasField("selector"):
        at.required()
    else:
        check_label_selector(at, spec.selector)
        if not given:
            at.invalid(spec.selector, "empty selector is invalid for deployment")
    try:
        selector = selectors.from_message(spec.selector)
    except selectors.SelectorError:
        at.invalid(spec.selector, "invalid label selector")
        return
    if not spec.HasField("selector"):
        selector = selectors.NOTHING
    labels = spec.template.metadata.labels
    if (given or not spec.HasField("selector")) and not selector.matches(labels):
        _report_no_match(path, labels)
    templates.check_endless_template(path.child("template"), spec.template, "ReplicaSet")


def _report_no_match(path: Place, labels: Mapping[str, str]) -> None:
    path.child("template", "metadata", "labels").invalid(dict(labels) if labels else None, _NO_MATCH)


def check_controller(root: Place, new: ReplicationController) -> None:
    """Check a new ReplicationController."""
    metadata.check_create(root, new.metadata, names.dns_1123_subdomain, namespaced=True)
    spec = new.spec
    root.child("spec", "minReadySeconds").check_non_negative(spec.min_ready_seconds)
    if not spec.selector:
        root.child("spec", "selector").required()
    root.child("spec", "replicas").check_non_negative(spec.replicas)
    if not spec.HasField("template"):
        root.child("spec", "template").required()
        return
    labels = spec.template.metadata.labels
    if any(labels.get(key) != value for key, value in spec.selector.items()):
        _report_no_match(root.child("spec"), labels)
    _check_controller_template(root.child("spec"), spec.template)


def _check_controller_template(path: Place, template: pod_pb2.PodTemplateSpec) -> None:
    templates.check_endless_template(path.child("template"), template, "ReplicationController")


def check_controller_update(root: Place, new: ReplicationController, old: ReplicationController) -> None:
    """Check a changed ReplicationController; its selector may change."""
    check_controller(root, new)
    metadata.check_update(root, new.metadata, old.metadata)


def check_controller_status_update(
    root: Place, new: ReplicationController, old: ReplicationController
) -> None:
    """Check a changed status of a ReplicationController."""
    metadata.check_update(root, new.metadata, old.metadata)
    _check_status(root.child("status"), new.status)


def _check_status(path: Place, status: Status) -> None:
    for field, shown in _COUNTS:
        path.child(shown).check_non_negative(getattr(status, field))
    if isinstance(status, apps_pb2.ReplicaSetStatus):
        path.child("terminatingReplicas").check_non_negative(status.terminating_replicas)
    for field, shown in _COUNTS[1:4]:
        count = getattr(status, field)
        if count > status.replicas:
            path.child(shown).invalid(count, _TOO_MANY)
    if status.available_replicas > status.ready_replicas:
        at = path.child("availableReplicas")
        at.invalid(status.available_replicas, "cannot be greater than readyReplicas")
