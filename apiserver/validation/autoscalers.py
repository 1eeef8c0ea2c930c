"""Rules for HorizontalPodAutoscalers. Follows `pkg/apis/autoscaling/validation` and `pkg/registry/autoscaling`.

Scaling to none (HPAScaleToZero) needs a metric that says something where there are no Pods.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from apiserver.validation import metadata
from apiserver.validation.metadata import check_label_selector
from apiserver.validation.place import Place
from apiserver.validation.resources import check_container_name
from vaina.api.autoscaling.v2 import horizontal_pod_autoscaler_pb2 as v2
from vaina.objects import names

_SELECT: Final = ("Disabled", "Max", "Min")
_POLICIES: Final = ("Percent", "Pods")
#: type of a metric -> the field of its source
_SOURCES: Final = {
    "ContainerResource": "container_resource", "External": "external", "Object": "object", "Pods": "pods",
    "Resource": "resource",
}  # fmt: skip
_TARGETS: Final = ("Utilization", "Value", "AverageValue")
_MAX_WINDOW_SECONDS: Final = 3600
_MAX_PERIOD_SECONDS: Final = 1800
_NO_ZERO: Final = "must specify at least one Object or External metric to support scaling to zero replicas"
_EITHER: Final = "must set either a target raw value or a target utilization"
_NOT_BOTH: Final = "may not set both a target raw value and a target utilization"

Autoscaler = v2.HorizontalPodAutoscaler


def check_create(root: Place, new: Autoscaler) -> None:
    """Check a new HorizontalPodAutoscaler."""
    metadata.check_create(root, new.metadata, names.dns_1123_subdomain, namespaced=True)
    _check_spec(root.child("spec"), new.spec, None)


def check_update(root: Place, new: Autoscaler, old: Autoscaler) -> None:
    """Check a changed HorizontalPodAutoscaler: as a new one, but what was wrong with its reference may stay."""
    metadata.check_update(root, new.metadata, old.metadata)
    _check_spec(root.child("spec"), new.spec, old.spec)


def check_status_update(root: Place, new: Autoscaler, old: Autoscaler) -> None:
    """Check a changed status."""
    metadata.check_update(root, new.metadata, old.metadata)
    root.child("status").check_counts(new.status, "current_replicas", "desired_replicas")


def _check_spec(
    path: Place, spec: v2.HorizontalPodAutoscalerSpec, old: v2.HorizontalPodAutoscalerSpec | None
) -> None:
    path.check_counts(spec, "min_replicas")
    at = path.child("maxReplicas")
    if spec.max_replicas < 1:
        at.invalid(spec.max_replicas, "must be greater than 0")
    if spec.HasField("min_replicas") and spec.max_replicas < spec.min_replicas:
        at.invalid(spec.max_replicas, "must be greater than or equal to `minReplicas`")
    reference = spec.scale_target_ref
    _check_reference(path.child("scaleTargetRef"), reference)
    before = None if old is None else (old.scale_target_ref.api_version, old.scale_target_ref.kind)
    if before != (reference.api_version, reference.kind):
        # ReplicationController is the one kind with replicas in the core group.
        _check_version(
            path.child("scaleTargetRef"), reference, no_group=reference.kind == "ReplicationController"
        )
    _check_metrics(path.child("metrics"), spec)
    if spec.HasField("behavior"):
        for field, shown in (("scale_up", "scaleUp"), ("scale_down", "scaleDown")):
            if spec.behavior.HasField(field):
                _check_rules(path.child("behavior", shown), getattr(spec.behavior, field))


def _check_reference(path: Place, reference: v2.CrossVersionObjectReference) -> None:
    for field in ("kind", "name"):
        path.child(field).check_required(getattr(reference, field), names.path_segment)


def _check_version(path: Place, reference: v2.CrossVersionObjectReference, *, no_group: bool) -> None:
    version = reference.api_version
    group, slash, _ = version.rpartition("/")
    if version.count("/") > 1:
        path.child("apiVersion").invalid(version, f"unexpected GroupVersion string: {version}")
    elif not no_group and not (slash and group):
        path.child("apiVersion").invalid(version, "apiVersion must specify API group")


def _check_metrics(path: Place, spec: v2.HorizontalPodAutoscalerSpec) -> None:
    for index, metric in enumerate(spec.metrics):
        _check_metric(path.index(index), metric)
    to_none = spec.HasField("min_replicas") and spec.min_replicas == 0
    if to_none and not any(metric.type in ("Object", "External") for metric in spec.metrics):
        path.forbidden(_NO_ZERO)


def _check_metric(path: Place, metric: v2.MetricSpec) -> None:
    if not metric.type:
        path.child("type").required("must specify a metric source type")
    path.child("type").check_supported(metric.type, _SOURCES)
    present = [field for field in _CHECKS if metric.HasField(field)]
    if present:
        _CHECKS[present[0]](path.field(metric, present[0]), getattr(metric, present[0]))
    wanted = _SOURCES.get(metric.type, "")
    if wanted and wanted not in present:
        path.field(metric, wanted).required("must populate information for the given metric source")
    if len(present) > 1:
        for field in present:
            if field != wanted:
                path.field(metric, field).forbidden("must populate the given metric source only")


def _check_object(path: Place, source: v2.ObjectMetricSource) -> None:
    _check_reference(path.child("describedObject"), source.described_object)
    _check_version(path.child("describedObject"), source.described_object, no_group=True)
    _check_identifier(path.child("metric"), source.metric)
    at, target = path.child("target"), source.target
    _check_target(at, target)
    if not target.HasField("value") and not target.HasField("average_value"):
        at.child("averageValue").required("must set either a target value or averageValue")


def _check_external(path: Place, source: v2.ExternalMetricSource) -> None:
    _check_identifier(path.child("metric"), source.metric)
    at, target = path.child("target"), source.target
    _check_target(at, target)
    value, average = target.HasField("value"), target.HasField("average_value")
    if not value and not average:
        at.child("averageValue").required("must set either a target value for metric or a per-pod target")
    if value and average:
        at.child("value").forbidden("may not set both a target value for metric and a per-pod target")


def _check_pods(path: Place, source: v2.PodsMetricSource) -> None:
    _check_identifier(path.child("metric"), source.metric)
    at = path.child("target")
    _check_target(at, source.target)
    if not source.target.HasField("average_value"):
        at.child("averageValue").required("must specify a positive target averageValue")


def _check_resource(path: Place, source: v2.ResourceMetricSource) -> None:
    if not source.name:
        path.child("name").required("must specify a resource name")
    _check_resource_target(path.child("target"), source.target)


def _check_container(path: Place, source: v2.ContainerResourceMetricSource) -> None:
    if not source.name:
        path.child("name").required("must specify a resource name")
    else:
        check_container_name(path.child("name"), source.name)
    path.child("container").check_required(source.container, names.dns_1123_label, "must specify a container")
    _check_resource_target(path.child("target"), source.target)


def _check_resource_target(path: Place, target: v2.MetricTarget) -> None:
    _check_target(path, target)
    share, average = target.HasField("average_utilization"), target.HasField("average_value")
    if not share and not average:
        path.child("averageUtilization").required(_EITHER)
    if share and average:
        path.child("averageValue").forbidden(_NOT_BOTH)


#: field -> check, in the order in which upstream looks at them
_CHECKS: Final[Mapping[str, Callable[[Place, Any], None]]] = {
    "object": _check_object,
    "external": _check_external,
    "pods": _check_pods,
    "resource": _check_resource,
    "container_resource": _check_container,
}


def _check_target(path: Place, target: v2.MetricTarget) -> None:
    if not target.type:
        path.child("type").required("must specify a metric target type")
    if target.type not in _TARGETS:
        path.child("type").invalid(target.type, "must be either Utilization, Value, or AverageValue")
    if target.HasField("value"):
        _check_positive(path.child("value"), target.value.string)
    if target.HasField("average_value"):
        _check_positive(path.child("averageValue"), target.average_value.string)
    if target.HasField("average_utilization") and target.average_utilization < 1:
        path.child("averageUtilization").invalid(target.average_utilization, "must be greater than 0")


def _check_positive(path: Place, text: str) -> None:
    if (amount := path.check_quantity(text)) and amount.nanos <= 0:
        path.invalid(text, "must be positive")


def _check_identifier(path: Place, identifier: v2.MetricIdentifier) -> None:
    path.child("name").check_required(identifier.name, names.path_segment, "must specify a metric name")
    if identifier.HasField("selector"):
        # Upstream takes any, and its controller then says that it cannot read it.
        check_label_selector(path.child("selector"), identifier.selector)


def _check_rules(path: Place, rules: v2.HPAScalingRules) -> None:
    if rules.HasField("stabilization_window_seconds"):
        at, seconds = path.child("stabilizationWindowSeconds"), rules.stabilization_window_seconds
        if seconds < 0:
            at.invalid(seconds, "must be greater than or equal to zero")
        if seconds > _MAX_WINDOW_SECONDS:
            at.invalid(seconds, f"must be less than or equal to {_MAX_WINDOW_SECONDS}")
    path.check_given(rules, "select_policy", _SELECT)
    at = path.child("policies")
    if not rules.policies:
        at.required("must specify at least one Policy")
    for index, policy in enumerate(rules.policies):
        _check_policy(at.index(index), policy)
    if rules.HasField("tolerance"):
        at, text = path.child("tolerance"), rules.tolerance.string
        if (amount := at.check_quantity(text)) and amount.nanos < 0:
            at.invalid(text, "must be greater than or equal to 0")


def _check_policy(path: Place, policy: v2.HPAScalingPolicy) -> None:
    path.child("type").check_supported(policy.type, _POLICIES)
    if policy.value <= 0:
        path.child("value").invalid(policy.value, "must be greater than zero")
    at, seconds = path.child("periodSeconds"), policy.period_seconds
    if seconds <= 0:
        at.invalid(seconds, "must be greater than zero")
    if seconds > _MAX_PERIOD_SECONDS:
        at.invalid(seconds, f"must be less than or equal to {_MAX_PERIOD_SECONDS}")
