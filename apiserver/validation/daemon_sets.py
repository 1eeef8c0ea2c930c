"""Rules for DaemonSets. Follows `pkg/apis/apps/validation` (ValidateDaemonSet and what it calls)."""

from typing import Final

from apiserver.validation import metadata, templates
from apiserver.validation.amounts import check_amount, check_at_most_all, is_zero
from apiserver.validation.labels import check_label_selector
from apiserver.validation.metadata import Errors, check_non_negative
from vaina.api.apps.v1 import daemon_set_pb2
from vaina.objects import names, selectors
from vaina.objects.field_path import Path, invalid, not_supported, required

_SPEC: Final = Path("spec")
_STATUS: Final = Path("status")
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


def check_create(new: DaemonSet) -> Errors:
    """Check a new DaemonSet."""
    errors = metadata.check_create(new.metadata, names.dns_1123_subdomain, namespaced=True)
    _check_spec(errors, new.spec)
    return errors


def check_update(new: DaemonSet, old: DaemonSet) -> Errors:
    """Check a changed DaemonSet: the selector stays."""
    errors = check_create(new)
    errors.extend(metadata.check_update(new.metadata, old.metadata))
    metadata.check_immutable(errors, _SPEC.child("selector"), new.spec.selector, old.spec.selector)
    return errors


def check_status_update(new: DaemonSet, old: DaemonSet) -> Errors:
    """Check a changed status: nothing is negative, and collisions are never forgotten."""
    errors = metadata.check_update(new.metadata, old.metadata)
    for field, shown in _COUNTS:
        check_non_negative(errors, _STATUS.child(shown), getattr(new.status, field))
    if new.status.collision_count < old.status.collision_count:
        at = _STATUS.child("collisionCount")
        errors.append(invalid(at, new.status.collision_count, "cannot be decremented"))
    return errors


def _check_spec(errors: Errors, spec: daemon_set_pb2.DaemonSetSpec) -> None:
    at = _SPEC.child("selector")
    if not spec.HasField("selector"):
        errors.append(required(at))
    else:
        check_label_selector(errors, at, spec.selector)
        _check_match(errors, spec)
    templates.check_endless_template(errors, _SPEC.child("template"), spec.template, "DaemonSet")
    check_non_negative(errors, _SPEC.child("minReadySeconds"), spec.min_ready_seconds)
    _check_strategy(errors, _SPEC.child("updateStrategy"), spec.update_strategy)
    if spec.HasField("revision_history_limit"):
        check_non_negative(errors, _SPEC.child("revisionHistoryLimit"), spec.revision_history_limit)


def _check_match(errors: Errors, spec: daemon_set_pb2.DaemonSetSpec) -> None:
    try:
        selector = selectors.from_message(spec.selector)
    except selectors.SelectorError:
        return
    labels = spec.template.metadata.labels
    if not selector.matches(labels):
        where = _SPEC.child("template", "metadata", "labels")
        errors.append(invalid(where, dict(labels) if labels else None, _NO_MATCH))
    if not spec.selector.match_labels and not spec.selector.match_expressions:
        errors.append(
            invalid(_SPEC.child("selector"), spec.selector, "empty selector is invalid for daemonset")
        )


def _check_strategy(errors: Errors, path: Path, strategy: daemon_set_pb2.DaemonSetUpdateStrategy) -> None:
    if strategy.type == "OnDelete":
        return
    if strategy.type != "RollingUpdate":
        errors.append(not_supported(path, strategy, _TYPES))
        return
    at = path.child("rollingUpdate")
    if not strategy.HasField("rolling_update"):
        errors.append(required(at))
        return
    rolling = strategy.rolling_update
    unavailable, surge = rolling.max_unavailable, rolling.max_surge
    for field, amount in (("maxUnavailable", unavailable), ("maxSurge", surge)):
        check_amount(errors, at.child(field), amount)
        check_at_most_all(errors, at.child(field), amount)
    if is_zero(unavailable) and is_zero(surge):
        errors.append(required(at.child("maxUnavailable"), "cannot be 0 when maxSurge is 0"))
    if not is_zero(unavailable) and not is_zero(surge):
        shown = surge.str_val if surge.type else surge.int_val
        errors.append(invalid(at.child("maxSurge"), shown, "may not be set when maxUnavailable is non-zero"))
