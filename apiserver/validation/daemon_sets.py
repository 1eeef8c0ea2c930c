"""Rules for DaemonSets. Follows `pkg/apis/apps/validation` (ValidateDaemonSet and what it calls)."""

from typing import Final

from apiserver.validation import metadata, templates
from apiserver.validation.amounts import check_amount, check_at_most_all, is_zero
from apiserver.validation.labels import check_label_selector
from apiserver.validation.place import Place
from vaina.api.apps.v1 import daemon_set_pb2
from vaina.objects import names, selectors

_TYPES: Final = ("OnDelete", "RollingUpdate")
_NO_MATCH: Final = "`selector` does not match template `labels`"
_COUNTS: Final = (
    ("current_number_scheduled", "currentNumberScheduled"), ("number_misscheduled", "numberMisscheduled"),
    ("desired_number_scheduled", "desiredNumberScheduled"), ("number_ready", "numberReady"),
    ("observed_generation", "observedGeneration"), ("updated_number_scheduled", "updatedNumberScheduled"),
    ("number_available", "numberAvailable"), ("number_unavailable", "numberUnavailable"),
    ("collision_count", "collisionCount"),
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
    """Check a changed status: nothing is negative, and collisions are never forgotten."""
    metadata.check_update(root, new.metadata, old.metadata)
    for field, shown in _COUNTS:
        root.child("status", shown).check_non_negative(getattr(new.status, field))
    if new.status.collision_count < old.status.collision_count:
        root.child("status", "collisionCount").invalid(new.status.collision_count, "cannot be decremented")


def _check_spec(path: Place, spec: daemon_set_pb2.DaemonSetSpec) -> None:
    at = path.child("selector")
    if not spec.HasField("selector"):
        at.required()
    else:
        check_label_selector(at, spec.selector)
        _check_match(path, spec)
    templates.check_endless_template(path.child("template"), spec.template, "DaemonSet")
    path.child("minReadySeconds").check_non_negative(spec.min_ready_seconds)
    _check_strategy(path.child("updateStrategy"), spec.update_strategy)
    if spec.HasField("revision_history_limit"):
        path.child("revisionHistoryLimit").check_non_negative(spec.revision_history_limit)


def _check_match(path: Place, spec: daemon_set_pb2.DaemonSetSpec) -> None:
    try:
        selector = selectors.from_message(spec.selector)
    except selectors.SelectorError:
        return
    labels = spec.template.metadata.labels
    if not selector.matches(labels):
        path.child("template", "metadata", "labels").invalid(dict(labels) if labels else None, _NO_MATCH)
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
    for field, amount in (("maxUnavailable", unavailable), ("maxSurge", surge)):
        check_amount(at.child(field), amount)
        check_at_most_all(at.child(field), amount)
    if is_zero(unavailable) and is_zero(surge):
        at.child("maxUnavailable").required("cannot be 0 when maxSurge is 0")
    if not is_zero(unavailable) and not is_zero(surge):
        shown = surge.str_val if surge.type else surge.int_val
        at.child("maxSurge").invalid(shown, "may not be set when maxUnavailable is non-zero")
