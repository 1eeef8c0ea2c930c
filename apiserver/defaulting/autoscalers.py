"""Defaults of HorizontalPodAutoscalers. Follows `pkg/apis/autoscaling/v2/defaults.go`."""

from typing import Final

from vaina.api.autoscaling.v2 import horizontal_pod_autoscaler_pb2 as v2

#: percent of the CPU that Pods ask for
_CPU_UTILIZATION: Final = 80
_PERIOD_SECONDS: Final = 15
#: what one period may bring: (type, value); the higher one holds
_UP: Final = (("Pods", 4), ("Percent", 100))
_DOWN: Final = (("Percent", 100),)


def default_autoscaler(autoscaler: v2.HorizontalPodAutoscaler) -> None:
    """One replica at least, four fifths of the CPU.

    A behavior is filled where it says nothing, and only where there is one.
    """
    spec = autoscaler.spec
    if not spec.HasField("min_replicas"):
        spec.min_replicas = 1
    if not spec.metrics:
        metric = spec.metrics.add(type="Resource")
        metric.resource.name, metric.resource.target.type = "cpu", "Utilization"
        metric.resource.target.average_utilization = _CPU_UTILIZATION
    if spec.HasField("behavior"):
        _fill(spec.behavior.scale_up, _UP)
        if not spec.behavior.scale_up.HasField("stabilization_window_seconds"):
            spec.behavior.scale_up.stabilization_window_seconds = 0
        # The window for fewer replicas stays unset: the controller's own holds.
        _fill(spec.behavior.scale_down, _DOWN)


def _fill(rules: v2.HPAScalingRules, policies: tuple[tuple[str, int], ...]) -> None:
    if not rules.HasField("select_policy"):
        rules.select_policy = "Max"
    if not rules.policies:
        for kind, value in policies:
            rules.policies.add(type=kind, value=value, period_seconds=_PERIOD_SECONDS)
