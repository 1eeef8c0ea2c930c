"""Rules for HorizontalPodAutoscalers. Follows `pkg/apis/autoscaling/validation` and `pkg/registry/autoscaling`.

Scaling to none (HPAScaleToZero) needs a metric that says something where there are no Pods.
"""

from collections.abc import Callable
from typing import Any, Final

from apiserver.validation import metadata
from apiserver.validation.labels import check_label_selector
from apiserver.validation.metadata import Errors, check_non_negative, check_text
from apiserver.validation.resources import check_container_name, check_readable
from vaina.api.autoscaling.v2 import horizontal_pod_autoscaler_pb2 as v2
from vaina.objects import names, quantity
from vaina.objects.field_path import Path, forbidden, invalid, not_supported, required

_SPEC: Final = Path("spec")
_STATUS: Final = Path("status")
_SELECT: Final = ("Disabled", "Max", "Min")
_POLICIES: Final = ("Percent", "Pods")
_SOURCES: Final = ("ContainerResource", "External", "Object", "Pods", "Resource")
_TARGETS: Final = ("Utilization", "Value", "AverageValue")
_MAX_WINDOW_SECONDS: Final = 3600
_MAX_PERIOD_SECONDS: Final = 1800
_NO_ZERO: Final = "must specify at least one Object or External metric to support scaling to zero replicas"
_EITHER: Final = "must set either a target raw value or a target utilization"
_NOT_BOTH: Final = "may not set both a target raw value and a target utilization"

Autoscaler = v2.HorizontalPodAutoscaler


def check_create(new: Autoscaler) -> Errors:
    """Check a new HorizontalPodAutoscaler."""
    errors = metadata.check_create(new.metadata, names.dns_1123_subdomain, namespaced=True)
    _check_spec(errors, new.spec, None)
    return errors


def check_update(new: Autoscaler, old: Autoscaler) -> Errors:
    """Check a changed HorizontalPodAutoscaler: as a new one, but what was wrong with its reference may stay."""
    errors = metadata.check_update(new.metadata, old.metadata)
    _check_spec(errors, new.spec, old.spec)
    return errors


def check_status_update(new: Autoscaler, old: Autoscaler) -> Errors:
    """Check a changed status."""
    errors = metadata.check_update(new.metadata, old.metadata)
    check_non_negative(errors, _STATUS.child("currentReplicas"), new.status.current_replicas)
    check_non_negative(errors, _STATUS.child("desiredReplicas"), new.status.desired_replicas)
    return errors


def _check_spec(
    errors: Errors, spec: v2.HorizontalPodAutoscalerSpec, old: v2.HorizontalPodAutoscalerSpec | None
) -> None:
    if spec.HasField("min_replicas"):
        check_non_negative(errors, _SPEC.child("minReplicas"), spec.min_replicas)
    at = _SPEC.child("maxReplicas")
    if spec.max_replicas < 1:
        errors.append(invalid(at, spec.max_replicas, "must be greater than 0"))
    if spec.HasField("min_replicas") and spec.max_replicas < spec.min_replicas:
        errors.append(invalid(at, spec.max_replicas, "must be greater than or equal to `minReplicas`"))
    reference = spec.scale_target_ref
    _check_reference(errors, _SPEC.child("scaleTargetRef"), reference)
    before = None if old is None else (old.scale_target_ref.api_version, old.scale_target_ref.kind)
    if before != (reference.api_version, reference.kind):
        # ReplicationController is the one kind with replicas in the core group.
        _check_version(
            errors,
            _SPEC.child("scaleTargetRef"),
            reference,
            no_group=reference.kind == "ReplicationController",
        )
    _check_metrics(errors, _SPEC.child("metrics"), spec)
    if spec.HasField("behavior"):
        for field, shown in (("scale_up", "scaleUp"), ("scale_down", "scaleDown")):
            if spec.behavior.HasField(field):
                _check_rules(errors, _SPEC.child("behavior", shown), getattr(spec.behavior, field))


def _check_reference(errors: Errors, path: Path, reference: v2.CrossVersionObjectReference) -> None:
    for field in ("kind", "name"):
        value = getattr(reference, field)
        if not value:
            errors.append(required(path.child(field)))
        else:
            check_text(errors, path.child(field), value, names.path_segment)


def _check_version(
    errors: Errors, path: Path, reference: v2.CrossVersionObjectReference, *, no_group: bool
) -> None:
    version = reference.api_version
    group, slash, _ = version.rpartition("/")
    if version.count("/") > 1:
        errors.append(
            invalid(path.child("apiVersion"), version, f"unexpected GroupVersion string: {version}")
        )
    elif not no_group and not (slash and group):
        errors.append(invalid(path.child("apiVersion"), version, "apiVersion must specify API group"))


def _check_metrics(errors: Errors, path: Path, spec: v2.HorizontalPodAutoscalerSpec) -> None:
    for index, metric in enumerate(spec.metrics):
        _check_metric(errors, path.index(index), metric)
    to_none = spec.HasField("min_replicas") and spec.min_replicas == 0
    if to_none and not any(metric.type in ("Object", "External") for metric in spec.metrics):
        errors.append(forbidden(path, _NO_ZERO))


def _check_metric(errors: Errors, path: Path, metric: v2.MetricSpec) -> None:
    if not metric.type:
        errors.append(required(path.child("type"), "must specify a metric source type"))
    if metric.type not in _SOURCES:
        errors.append(not_supported(path.child("type"), metric.type, _SOURCES))
    present = [shown for field, shown, *_ in _CHECKS if metric.HasField(field)]
    for field, shown, _, check in _CHECKS:
        if present and shown == present[0]:
            check(errors, path.child(shown), getattr(metric, field))
    wanted = next((shown for _, shown, source, _ in _CHECKS if source == metric.type), "")
    if wanted and wanted not in present:
        errors.append(required(path.child(wanted), "must populate information for the given metric source"))
    if len(present) > 1:
        errors.extend(
            forbidden(path.child(shown), "must populate the given metric source only")
            for shown in present
            if shown != wanted
        )


def _check_object(errors: Errors, path: Path, source: v2.ObjectMetricSource) -> None:
    _check_reference(errors, path.child("describedObject"), source.described_object)
    _check_version(errors, path.child("describedObject"), source.described_object, no_group=True)
    _check_identifier(errors, path.child("metric"), source.metric)
    at, target = path.child("target"), source.target
    _check_target(errors, at, target)
    if not target.HasField("value") and not target.HasField("average_value"):
        errors.append(required(at.child("averageValue"), "must set either a target value or averageValue"))


def _check_external(errors: Errors, path: Path, source: v2.ExternalMetricSource) -> None:
    _check_identifier(errors, path.child("metric"), source.metric)
    at, target = path.child("target"), source.target
    _check_target(errors, at, target)
    value, average = target.HasField("value"), target.HasField("average_value")
    if not value and not average:
        detail = "must set either a target value for metric or a per-pod target"
        errors.append(required(at.child("averageValue"), detail))
    if value and average:
        detail = "may not set both a target value for metric and a per-pod target"
        errors.append(forbidden(at.child("value"), detail))


def _check_pods(errors: Errors, path: Path, source: v2.PodsMetricSource) -> None:
    _check_identifier(errors, path.child("metric"), source.metric)
    at = path.child("target")
    _check_target(errors, at, source.target)
    if not source.target.HasField("average_value"):
        errors.append(required(at.child("averageValue"), "must specify a positive target averageValue"))


def _check_resource(errors: Errors, path: Path, source: v2.ResourceMetricSource) -> None:
    if not source.name:
        errors.append(required(path.child("name"), "must specify a resource name"))
    _check_resource_target(errors, path.child("target"), source.target)


def _check_container(errors: Errors, path: Path, source: v2.ContainerResourceMetricSource) -> None:
    if not source.name:
        errors.append(required(path.child("name"), "must specify a resource name"))
    else:
        check_container_name(errors, path.child("name"), source.name)
    if not source.container:
        errors.append(required(path.child("container"), "must specify a container"))
    else:
        check_text(errors, path.child("container"), source.container, names.dns_1123_label)
    _check_resource_target(errors, path.child("target"), source.target)


def _check_resource_target(errors: Errors, path: Path, target: v2.MetricTarget) -> None:
    _check_target(errors, path, target)
    share, average = target.HasField("average_utilization"), target.HasField("average_value")
    if not share and not average:
        errors.append(required(path.child("averageUtilization"), _EITHER))
    if share and average:
        errors.append(forbidden(path.child("averageValue"), _NOT_BOTH))


#: (field, name in manifests, type, check), in the order in which upstream looks at them
_CHECKS: Final[tuple[tuple[str, str, str, Callable[[Errors, Path, Any], None]], ...]] = (
    ("object", "object", "Object", _check_object),
    ("external", "external", "External", _check_external),
    ("pods", "pods", "Pods", _check_pods),
    ("resource", "resource", "Resource", _check_resource),
    ("container_resource", "containerResource", "ContainerResource", _check_container),
)


def _check_target(errors: Errors, path: Path, target: v2.MetricTarget) -> None:
    if not target.type:
        errors.append(required(path.child("type"), "must specify a metric target type"))
    if target.type not in _TARGETS:
        detail = "must be either Utilization, Value, or AverageValue"
        errors.append(invalid(path.child("type"), target.type, detail))
    if target.HasField("value"):
        _check_positive(errors, path.child("value"), target.value.string)
    if target.HasField("average_value"):
        _check_positive(errors, path.child("averageValue"), target.average_value.string)
    if target.HasField("average_utilization") and target.average_utilization < 1:
        at = path.child("averageUtilization")
        errors.append(invalid(at, target.average_utilization, "must be greater than 0"))


def _check_positive(errors: Errors, path: Path, text: str) -> None:
    if check_readable(errors, path, text) and quantity.parse(text).nanos <= 0:
        errors.append(invalid(path, text, "must be positive"))


def _check_identifier(errors: Errors, path: Path, identifier: v2.MetricIdentifier) -> None:
    if not identifier.name:
        errors.append(required(path.child("name"), "must specify a metric name"))
    else:
        check_text(errors, path.child("name"), identifier.name, names.path_segment)
    if identifier.HasField("selector"):
        # Upstream takes any, and its controller then says that it cannot read it.
        check_label_selector(errors, path.child("selector"), identifier.selector)


def _check_rules(errors: Errors, path: Path, rules: v2.HPAScalingRules) -> None:
    if rules.HasField("stabilization_window_seconds"):
        at, seconds = path.child("stabilizationWindowSeconds"), rules.stabilization_window_seconds
        if seconds < 0:
            errors.append(invalid(at, seconds, "must be greater than or equal to zero"))
        if seconds > _MAX_WINDOW_SECONDS:
            errors.append(invalid(at, seconds, f"must be less than or equal to {_MAX_WINDOW_SECONDS}"))
    if rules.HasField("select_policy") and rules.select_policy not in _SELECT:
        errors.append(not_supported(path.child("selectPolicy"), rules.select_policy, _SELECT))
    at = path.child("policies")
    if not rules.policies:
        errors.append(required(at, "must specify at least one Policy"))
    for index, policy in enumerate(rules.policies):
        _check_policy(errors, at.index(index), policy)
    if rules.HasField("tolerance"):
        at, text = path.child("tolerance"), rules.tolerance.string
        if check_readable(errors, at, text) and quantity.parse(text).nanos < 0:
            errors.append(invalid(at, text, "must be greater than or equal to 0"))


def _check_policy(errors: Errors, path: Path, policy: v2.HPAScalingPolicy) -> None:
    if policy.type not in _POLICIES:
        errors.append(not_supported(path.child("type"), policy.type, _POLICIES))
    if policy.value <= 0:
        errors.append(invalid(path.child("value"), policy.value, "must be greater than zero"))
    at, seconds = path.child("periodSeconds"), policy.period_seconds
    if seconds <= 0:
        errors.append(invalid(at, seconds, "must be greater than zero"))
    if seconds > _MAX_PERIOD_SECONDS:
        errors.append(invalid(at, seconds, f"must be less than or equal to {_MAX_PERIOD_SECONDS}"))
