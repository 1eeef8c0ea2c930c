"""Rules for DaemonSets. Follows `pkg/apis/apps/validation` (ValidateDaemonSet and what it calls)."""

from typing import Final

from apiserver.validation import metadata, templates, workloads
from apiserver.validation.metadata import check_label_selector
from apiserver.validation.place import Place
from apiserver.validation.workloads import check_share, is_zero
from vaina.api.apps.v1 import daemon_set_pb2
from vaina.objects import names, selectors

_TYPES: Final = ("OnDelete", "RollingUpdate")
_COUNTS: Final = (
    "current_number_scheduled", "number_misscheduled", "desired_number_scheduled", "number_ready", "observed_generation",
    "updated_number_scheduled", "number_available", "number_unavailable", "collision_count",
)  # fmt: skip

DaemonSet = daemon_set_pb2.DaemonSet


def check_create(root: Place, new: DaemonSet) -> None:
    """Check a new DaemonSet."""
    metadata.check_create(root, new.metadata, names.dns_1123_subdomain, namespaced=True)
    _check_spec(root.child("spec"), new.spec)


def check_update(root: Place, new: DaemonSet, old: DaemonSet) -> None:
    """Check a changed DaemonSet: the selector stays."""
    check_create(root, new)
    metadata.check_update(root, new.metadata, old.metadata)
    root.child("spec", "selector").check_immutable(new.spec.selector, old.spec.selector)


def check_status_update(root: Place, new: DaemonSet, old: DaemonSet) -> None:
    """Check a changed status."""
    metadata.check_update(root, new.metadata, old.metadata)
    path = root.child("status")
    path.check_counts(new.status, *_COUNTS)
    workloads.check_collisions(path, new.status, old.status)


def _check_spec(path: Place, spec: daemon_set_pb2.DaemonSetSpec) -> None:
    at = path.child("selector")
    if not spec.HasField("selector"):
        at.required()
    else:
        check_label_selector(at, spec.selector)
        _check_match(path, spec)
    templates.check_endless_template(path.child("template"), spec.template, "DaemonSet")
    path.check_counts(spec, "min_ready_seconds")
    _check_strategy(path.child("updateStrategy"), spec.update_strategy)
    path.check_counts(spec, "revision_history_limit")


def _check_match(path: Place, spec: daemon_set_pb2.DaemonSetSpec) -> None:
    try:
        selector = selectors.from_message(spec.selector)
    except selectors.SelectorError:
        return
    workloads.check_match(path, selector, spec.template.metadata.labels)
    if not spec.selector.match_labels and not spec.selector.match_expressions:
        path.child("selector").invalid(spec.selector, "empty selector is invalid for daemonset")


def _check_strategy(path: Place, strategy: daemon_set_pb2.DaemonSetUpdateStrategy) -> None:
    if strategy.type == "OnDelete":
        return
    if strategy.type != "RollingUpdate":
        path.not_supported(strategy, _TYPES)
        return
    at = path.child("rollingUpdate")
    if not strategy.HasField("rolling_update"):
        at.required()
        return
    rolling = strategy.rolling_update
    unavailable, surge = rolling.max_unavailable, rolling.max_surge
    check_share(at.child("maxUnavailable"), unavailable)
    check_share(at.child("maxSurge"), surge)
    if is_zero(unavailable) and is_zero(surge):
        at.child("maxUnavailable").required("cannot be 0 when maxSurge is 0")
    if not is_zero(unavailable) and not is_zero(surge):
        shown = surge.str_val if surge.type else surge.int_val
        at.child("maxSurge").invalid(shown, "may not be set when maxUnavailable is non-zero")
