"""HorizontalPodAutoscalers as autoscaling/v1 has them. PURE.

Follows `pkg/apis/autoscaling/v1/conversion.go`: the older form knows the use of CPU alone; the other metrics,
the behavior and the conditions travel as JSON in annotations, which the stored form never has. An annotation
that cannot be read counts for nothing, as upstream.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from google.protobuf.message import Message

from vaina.api.autoscaling.v1 import horizontal_pod_autoscaler_pb2 as v1
from vaina.api.autoscaling.v2 import horizontal_pod_autoscaler_pb2 as v2
from vaina.api.meta.v1 import meta_pb2
from vaina.objects.decode import dict_to_message
from vaina.objects.encode import message_to_dict
from vaina.objects.quantity import QuantityError, parse
from vaina.objects.tree import TextError, compact_json, parse_one

_PREFIX: Final = "autoscaling.alpha.kubernetes.io/"
_METRICS: Final = f"{_PREFIX}metrics"
_CURRENT: Final = f"{_PREFIX}current-metrics"
_CONDITIONS: Final = f"{_PREFIX}conditions"
_BEHAVIOR: Final = f"{_PREFIX}behavior"
_ANNOTATIONS: Final = (
    _METRICS, _CURRENT, _CONDITIONS, _BEHAVIOR, f"{_PREFIX}scale-down-tolerance", f"{_PREFIX}scale-up-tolerance",
)  # fmt: skip
_CPU_PERCENT: Final = 80
_UTILIZATION, _VALUE, _AVERAGE = "Utilization", "Value", "AverageValue"
#: fields that both forms of a spec, a status and a condition have
_SPEC: Final = ("min_replicas", "max_replicas")
_STATUS: Final = ("observed_generation", "current_replicas", "desired_replicas")


def _copy_set(source: Any, target: Any, *names: str) -> None:
    """Copy fields that are set: scalars and messages."""
    for name in names:
        descriptor = source.DESCRIPTOR.fields_by_name[name]
        if descriptor.has_presence and not source.HasField(name):
            continue
        if descriptor.message_type is None:
            setattr(target, name, getattr(source, name))
        else:
            getattr(target, name).CopyFrom(getattr(source, name))


def _move(source: Any, name: str, target: Any, other: str) -> None:
    """Copy a field to one of another name, where it is set."""
    if source.HasField(name):
        value = getattr(source, name)
        if isinstance(value, Message):
            getattr(target, other).CopyFrom(value)
        else:
            setattr(target, other, value)


def _refer(source: Any, target: Any) -> None:
    target.kind, target.name, target.api_version = source.kind, source.name, source.api_version


def _is_cpu_use(metric: v2.MetricSpec) -> bool:
    resource = metric.resource
    return (
        metric.type == "Resource"
        and resource.name == "cpu"
        and resource.target.HasField("average_utilization")
    )


def read(stored: v2.HorizontalPodAutoscaler) -> v1.HorizontalPodAutoscaler:
    """Return a stored autoscaler in the older form."""
    made = v1.HorizontalPodAutoscaler()
    made.metadata.CopyFrom(stored.metadata)
    for name in _ANNOTATIONS:
        made.metadata.annotations.pop(name, None)
    spec, status = stored.spec, stored.status
    if stored.HasField("spec"):
        made.spec.SetInParent()
        _copy_set(spec, made.spec, *_SPEC)
        if spec.HasField("scale_target_ref"):
            _refer(spec.scale_target_ref, made.spec.scale_target_ref)
    use = next(filter(_is_cpu_use, spec.metrics), None)
    if use is not None:
        made.spec.target_cpu_utilization_percentage = use.resource.target.average_utilization
    if stored.HasField("status"):
        made.status.SetInParent()
        _copy_set(status, made.status, *_STATUS, "last_scale_time")
    for current in status.current_metrics:
        resource = current.resource
        if (
            current.type == "Resource"
            and resource.name == "cpu"
            and resource.current.HasField("average_utilization")
        ):
            made.status.current_cpu_utilization_percentage = resource.current.average_utilization
    _annotate(made.metadata, stored)
    return made


def _annotate(metadata: meta_pb2.ObjectMeta, stored: v2.HorizontalPodAutoscaler) -> None:
    """Write down what the older form has no fields for."""
    others = [_read_metric(metric) for metric in stored.spec.metrics if not _is_cpu_use(metric)]
    if others:
        metadata.annotations[_METRICS] = _json([message_to_dict(metric) for metric in others])
    if stored.status.current_metrics:
        current = [message_to_dict(_read_current(each)) for each in stored.status.current_metrics]
        metadata.annotations[_CURRENT] = _json(current)
    if stored.spec.HasField("behavior"):
        metadata.annotations[_BEHAVIOR] = _json(_behavior(stored.spec.behavior))
    if stored.status.conditions:
        conditions = [message_to_dict(condition) for condition in stored.status.conditions]
        metadata.annotations[_CONDITIONS] = _json(conditions)


def _json(value: object) -> str:
    return compact_json(value).decode()


def write(shown: v1.HorizontalPodAutoscaler) -> v2.HorizontalPodAutoscaler:
    """Return an autoscaler of the older form as it is stored."""
    made = v2.HorizontalPodAutoscaler()
    made.metadata.CopyFrom(shown.metadata)
    annotations = made.metadata.annotations
    found = {name: annotations.pop(name, "") for name in _ANNOTATIONS}
    spec, status = shown.spec, shown.status
    made.spec.SetInParent()
    _copy_set(spec, made.spec, *_SPEC)
    if spec.HasField("scale_target_ref"):
        _refer(spec.scale_target_ref, made.spec.scale_target_ref)
    made.spec.metrics.extend(map(_write_metric, _messages(v1.MetricSpec, found[_METRICS])))
    if spec.HasField("target_cpu_utilization_percentage"):
        made.spec.metrics.append(_cpu_use(spec.target_cpu_utilization_percentage))
    elif not made.spec.metrics:
        made.spec.metrics.append(_cpu_use(_CPU_PERCENT))
    behavior = _read_behavior(found[_BEHAVIOR])
    if behavior is not None:
        made.spec.behavior.CopyFrom(behavior)
    if shown.HasField("status"):
        made.status.SetInParent()
        _copy_set(status, made.status, *_STATUS, "last_scale_time")
    current = [_write_current(each) for each in _messages(v1.MetricStatus, found[_CURRENT])]
    if not current and status.HasField("current_cpu_utilization_percentage"):
        current.append(v2.MetricStatus(type="Resource"))
        current[0].resource.name = "cpu"
        current[0].resource.current.average_utilization = status.current_cpu_utilization_percentage
    made.status.current_metrics.extend(current)
    made.status.conditions.extend(_messages(v2.HorizontalPodAutoscalerCondition, found[_CONDITIONS]))
    if not made.status.ByteSize() and not shown.HasField("status"):
        made.ClearField("status")
    return made


def _cpu_use(percent: int) -> v2.MetricSpec:
    metric = v2.MetricSpec(type="Resource")
    metric.resource.name = "cpu"
    metric.resource.target.type = _UTILIZATION
    metric.resource.target.average_utilization = percent
    return metric


def _messages(message: type[Any], text: str) -> list[Any]:
    """Return the messages of an annotation; none where it is no list of them."""
    try:
        tree = parse_one(text.encode()) if text else None
    except TextError:
        return []
    if not isinstance(tree, list):
        return []
    found: list[Any] = []
    for item in tree:
        if not isinstance(item, dict):
            return []
        read_one, _ = dict_to_message(message, item)
        if read_one is None:
            return []
        found.append(read_one)
    return found


def _read_object(source: v2.ObjectMetricSource, made: v1.ObjectMetricSource) -> None:
    _move(source.target, "value", made, "target_value")
    _move(source.target, "average_value", made, "average_value")
    _refer(source.described_object, made.target)
    _read_identifier(source.metric, made, "selector")


def _read_pods(source: v2.PodsMetricSource, made: v1.PodsMetricSource) -> None:
    _move(source.target, "average_value", made, "target_average_value")
    _read_identifier(source.metric, made, "selector")


def _read_external(source: v2.ExternalMetricSource, made: v1.ExternalMetricSource) -> None:
    _move(source.target, "value", made, "target_value")
    _move(source.target, "average_value", made, "target_average_value")
    _read_identifier(source.metric, made, "metric_selector")


def _read_resource(source: Any, made: Any) -> None:
    """... of Pods or, with its name, of a container."""
    made.name = source.name
    if "container" in made.DESCRIPTOR.fields_by_name:
        made.container = source.container
    _move(source.target, "average_utilization", made, "target_average_utilization")
    _move(source.target, "average_value", made, "target_average_value")


def _read_identifier(metric: v2.MetricIdentifier, made: Any, selector: str) -> None:
    made.metric_name = metric.name
    _move(metric, "selector", made, selector)


_SOURCES: Final[Mapping[str, Callable[[Any, Any], None]]] = {
    "object": _read_object, "pods": _read_pods, "external": _read_external, "resource": _read_resource,
    "container_resource": _read_resource,
}  # fmt: skip


def _read_metric(metric: v2.MetricSpec) -> v1.MetricSpec:
    made = v1.MetricSpec(type=metric.type)
    for name, convert in _SOURCES.items():
        if metric.HasField(name):
            getattr(made, name).SetInParent()
            convert(getattr(metric, name), getattr(made, name))
    return made


def _is_zero(amount: meta_pb2.Quantity) -> bool:
    try:
        return not amount.string or parse(amount.string).nanos == 0
    except QuantityError:
        return False


def _set_amount(target: Any, name: str, amount: meta_pb2.Quantity) -> None:
    getattr(target, name).string = amount.string or "0"


def _write_object(source: v1.ObjectMetricSource, made: v2.ObjectMetricSource) -> None:
    averaged = source.HasField("average_value")
    made.target.type = _AVERAGE if averaged else _VALUE
    # The older form shows an unset value as "0".
    if not averaged or not _is_zero(source.target_value):
        _set_amount(made.target, "value", source.target_value)
    _move(source, "average_value", made.target, "average_value")
    _refer(source.target, made.described_object)
    _write_identifier(source, "selector", made.metric)


def _write_pods(source: v1.PodsMetricSource, made: v2.PodsMetricSource) -> None:
    made.target.type = _AVERAGE
    _set_amount(made.target, "average_value", source.target_average_value)
    _write_identifier(source, "selector", made.metric)


def _write_external(source: v1.ExternalMetricSource, made: v2.ExternalMetricSource) -> None:
    made.target.type = _VALUE if source.HasField("target_value") else _AVERAGE
    _move(source, "target_value", made.target, "value")
    _move(source, "target_average_value", made.target, "average_value")
    _write_identifier(source, "metric_selector", made.metric)


def _write_resource(source: Any, made: Any) -> None:
    made.name = source.name
    if "container" in made.DESCRIPTOR.fields_by_name:
        made.container = source.container
    made.target.type = _UTILIZATION if source.HasField("target_average_utilization") else _AVERAGE
    _move(source, "target_average_utilization", made.target, "average_utilization")
    _move(source, "target_average_value", made.target, "average_value")


def _write_identifier(source: Any, selector: str, made: v2.MetricIdentifier) -> None:
    made.name = source.metric_name
    _move(source, selector, made, "selector")


_TARGETS: Final[Mapping[str, Callable[[Any, Any], None]]] = {
    "object": _write_object, "pods": _write_pods, "external": _write_external, "resource": _write_resource,
    "container_resource": _write_resource,
}  # fmt: skip


def _write_metric(metric: v1.MetricSpec) -> v2.MetricSpec:
    made = v2.MetricSpec(type=metric.type)
    for name, convert in _TARGETS.items():
        if metric.HasField(name):
            getattr(made, name).SetInParent()
            convert(getattr(metric, name), getattr(made, name))
    return made


#: metric -> names of its averaged value and of its selector in the older form's status
_REPORTED: Final = {
    "object": ("average_value", "selector"),
    "external": ("current_average_value", "metric_selector"),
}


def _read_current(status: v2.MetricStatus) -> v1.MetricStatus:
    made = v1.MetricStatus(type=status.type)
    for name in _SOURCES:
        if not status.HasField(name):
            continue
        source, target = getattr(status, name), getattr(made, name)
        target.SetInParent()
        if name in _REPORTED:
            averaged, selector = _REPORTED[name]
            _move(source.current, "value", target, "current_value")
            _move(source.current, "average_value", target, averaged)
            _read_identifier(source.metric, target, selector)
            if name == "object":
                _refer(source.described_object, target.target)
            continue
        _move(source.current, "average_value", target, "current_average_value")
        if name == "pods":
            _read_identifier(source.metric, target, "selector")
            continue
        target.name = source.name
        if name == "container_resource":
            target.container = source.container
        _move(source.current, "average_utilization", target, "current_average_utilization")
    return made


def _write_current(status: v1.MetricStatus) -> v2.MetricStatus:
    made = v2.MetricStatus(type=status.type)
    for name in _SOURCES:
        if not status.HasField(name):
            continue
        source, target = getattr(status, name), getattr(made, name)
        target.SetInParent()
        if name in _REPORTED:
            averaged, selector = _REPORTED[name]
            _set_amount(target.current, "value", source.current_value)
            _move(source, averaged, target.current, "average_value")
            _write_identifier(source, selector, target.metric)
            if name == "object":
                _refer(source.target, target.described_object)
            continue
        _set_amount(target.current, "average_value", source.current_average_value)
        if name == "pods":
            _write_identifier(source, "selector", target.metric)
            continue
        target.name = source.name
        if name == "container_resource":
            target.container = source.container
        _move(source, "current_average_utilization", target.current, "average_utilization")
    return made


def _behavior(behavior: v2.HorizontalPodAutoscalerBehavior) -> dict[str, Any]:
    """Return what upstream's internal type is in JSON: the fields by their names in Go, unset ones null."""
    return {
        "ScaleUp": _rules(behavior.scale_up) if behavior.HasField("scale_up") else None,
        "ScaleDown": _rules(behavior.scale_down) if behavior.HasField("scale_down") else None,
    }


def _rules(rules: v2.HPAScalingRules) -> dict[str, Any]:
    window = rules.stabilization_window_seconds if rules.HasField("stabilization_window_seconds") else None
    policies = [
        {"Type": policy.type, "Value": policy.value, "PeriodSeconds": policy.period_seconds}
        for policy in rules.policies
    ]
    return {
        "StabilizationWindowSeconds": window,
        "SelectPolicy": rules.select_policy if rules.HasField("select_policy") else None,
        "Policies": policies or None,
        "Tolerance": (rules.tolerance.string or "0") if rules.HasField("tolerance") else None,
    }


def _read_behavior(text: str) -> v2.HorizontalPodAutoscalerBehavior | None:
    """Return the behavior of an annotation; None: there is none that can be read."""
    try:
        tree = parse_one(text.encode()) if text else None
    except TextError:
        return None
    if not isinstance(tree, dict):
        return None
    made: Any
    made, _ = dict_to_message(v2.HorizontalPodAutoscalerBehavior, _lower(tree))
    return made if made is not None and made.ByteSize() else None


def _lower(tree: Any) -> Any:
    """Return a tree whose names begin with a small letter, as JSON has them elsewhere."""
    if isinstance(tree, dict):
        return {name[:1].lower() + name[1:]: _lower(value) for name, value in tree.items()}
    return [_lower(value) for value in tree] if isinstance(tree, list) else tree
