"""Rules for ReplicaSets and ReplicationControllers, and those that all workloads share: amounts of Pods,
selectors that must match templates, counts in a status.

Follows `pkg/apis/apps/validation` and `pkg/apis/core/validation`, and the strategies that make a ReplicaSet's
selector immutable.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from apiserver.validation import metadata, templates
from apiserver.validation.metadata import check_label_selector
from apiserver.validation.place import Place
from vaina.api.apps.v1 import apps_pb2, deployment_pb2
from vaina.api.core.v1 import replication_controller_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.objects import names, selectors

_STRING: Final = 1
_PERCENT = re.compile("[0-9]+%", re.ASCII).fullmatch
_NO_PERCENT: Final = (
    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for "
    "validation is '[0-9]+%')"
)

ReplicaSet = apps_pb2.ReplicaSet
ReplicationController = replication_controller_pb2.ReplicationController


def check_amount(path: Place, amount: meta_pb2.IntOrString) -> None:
    """Report a negative number, and a text that is no share."""
    if amount.type != _STRING:
        path.check_non_negative(amount.int_val)
    elif not _PERCENT(amount.str_val):
        path.invalid(amount.str_val, _NO_PERCENT)


def check_at_most_all(path: Place, amount: meta_pb2.IntOrString) -> None:
    """Report a share of more than all."""
    text = amount.str_val
    if amount.type != _STRING or not _PERCENT(text):
        return
    # Zeros before it change nothing, as upstream. Not read when it is long: int() of thousands of digits raises.
    digits = text[:-1].lstrip("0") or "0"
    if len(digits) > len("100") or int(digits) > 100:
        path.invalid(text, "must not be greater than 100%")


def is_zero(amount: meta_pb2.IntOrString) -> bool:
    """Say whether an amount is none at all; a text that is no share counts as none, as upstream."""
    if amount.type != _STRING:
        return amount.int_val == 0
    return not _PERCENT(amount.str_val) or not amount.str_val[:-1].strip("0")


def check_share(path: Place, amount: meta_pb2.IntOrString) -> None:
    """Check a number of Pods, or a share of at most all."""
    check_amount(path, amount)
    check_at_most_all(path, amount)


def check_match(path: Place, selector: selectors.LabelSelector, labels: Mapping[str, str]) -> None:
    """Report labels of a template that a selector does not match; `path` is the spec's."""
    if not selector.matches(labels):
        _report_no_match(path, labels)


def _report_no_match(path: Place, labels: Mapping[str, str]) -> None:
    detail = "`selector` does not match template `labels`"
    path.child("template", "metadata", "labels").invalid(dict(labels) if labels else None, detail)


def check_parts(path: Place, status: Any, *parts: str, ready: str = "readyReplicas") -> None:
    """Report parts of the replicas that are more than all, and more available replicas than ready ones."""
    for field in parts:
        if (count := getattr(status, field)) > status.replicas:
            path.field(status, field).invalid(count, "cannot be greater than status.replicas")
    if status.available_replicas > status.ready_replicas:
        path.child("availableReplicas").invalid(status.available_replicas, f"cannot be greater than {ready}")


def check_collisions(path: Place, new: Any, old: Any) -> None:
    """Report that a status forgets collisions of names."""
    if new.collision_count < old.collision_count:
        path.child("collisionCount").invalid(new.collision_count, "cannot be decremented")


def check_selector_and_template(
    path: Place, spec: apps_pb2.ReplicaSetSpec | deployment_pb2.DeploymentSpec
) -> None:
    """Check that a selector is there and selects the Pods of the template, which do not end."""
    at, labels = path.child("selector"), spec.template.metadata.labels
    if not spec.HasField("selector"):
        at.required()
        _report_no_match(path, labels)
    else:
        check_label_selector(at, spec.selector)
        is_empty = not spec.selector.match_labels and not spec.selector.match_expressions
        if is_empty:
            at.invalid(spec.selector, "empty selector is invalid for deployment")
        try:
            selector = selectors.from_message(spec.selector)
        except selectors.SelectorError:
            at.invalid(spec.selector, "invalid label selector")
            return
        if not is_empty:
            check_match(path, selector, labels)
    templates.check_endless_template(path.child("template"), spec.template, "ReplicaSet")


def check_replica_set(root: Place, new: ReplicaSet) -> None:
    """Check a new ReplicaSet."""
    metadata.check_create(root, new.metadata, names.dns_1123_subdomain, namespaced=True)
    path = root.child("spec")
    path.check_counts(new.spec, "replicas", "min_ready_seconds")
    check_selector_and_template(path, new.spec)


def check_replica_set_update(root: Place, new: ReplicaSet, old: ReplicaSet) -> None:
    """Check a changed ReplicaSet: the selector stays."""
    check_replica_set(root, new)
    metadata.check_update(root, new.metadata, old.metadata)
    root.child("spec", "selector").check_immutable(new.spec.selector, old.spec.selector)


def check_controller(root: Place, new: ReplicationController) -> None:
    """Check a new ReplicationController."""
    metadata.check_create(root, new.metadata, names.dns_1123_subdomain, namespaced=True)
    spec, path = new.spec, root.child("spec")
    path.check_counts(spec, "min_ready_seconds")
    if not spec.selector:
        path.child("selector").required()
    path.check_counts(spec, "replicas")
    if not spec.HasField("template"):
        path.child("template").required()
        return
    labels = spec.template.metadata.labels
    if any(labels.get(key) != value for key, value in spec.selector.items()):
        _report_no_match(path, labels)
    templates.check_endless_template(path.child("template"), spec.template, "ReplicationController")


def check_controller_update(root: Place, new: ReplicationController, old: ReplicationController) -> None:
    """Check a changed ReplicationController; its selector may change."""
    check_controller(root, new)
    metadata.check_update(root, new.metadata, old.metadata)


def check_status_update(
    root: Place, new: ReplicaSet | ReplicationController, old: ReplicaSet | ReplicationController
) -> None:
    """Check a changed status of either kind."""
    metadata.check_update(root, new.metadata, old.metadata)
    path, status = root.child("status"), new.status
    parts = ("fully_labeled_replicas", "ready_replicas", "available_replicas")
    path.check_counts(status, "replicas", *parts, "observed_generation")
    if isinstance(status, apps_pb2.ReplicaSetStatus):
        path.check_counts(status, "terminating_replicas")
    check_parts(path, status, *parts)
