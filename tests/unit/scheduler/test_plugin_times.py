"""What is measured around plugins, as whoever reads /metrics sees it."""

from prometheus_client import CollectorRegistry

from scheduler.metrics import PluginMetrics, PluginTimes
from vaina.testing.clock import FakeClock

LABELS = {"plugin": "Fit", "extension_point": "Filter"}


def observed(draws: list[float]) -> CollectorRegistry:
    """Return what can be read after one answer a draw, each of a millisecond."""
    registry, drawn = CollectorRegistry(), iter(draws)
    times = PluginTimes(PluginMetrics(registry), FakeClock(), "default", lambda: next(drawn))
    for _ in draws:
        times.begin()
        times.plugin("Fit", "Filter", 0.001)
        times.extension_point("Filter", success=True, seconds=0.002)
    times.flush()
    times.flush()
    return registry


def test_every_answer_is_counted_and_one_of_ten_is_timed() -> None:
    value = observed([0.05, 0.5, 0.0999, 0.1, 0.9]).get_sample_value
    duration = "scheduler_plugin_execution_duration_seconds"
    assert value("scheduler_plugin_evaluation_total", {**LABELS, "profile": "default"}) == 5
    assert value(f"{duration}_count", {**LABELS, "status": "Success"}) == 2
    assert value(f"{duration}_sum", {**LABELS, "status": "Success"}) == 0.002


def test_what_is_called_beside_the_decision_is_timed_and_not_counted() -> None:
    registry = CollectorRegistry()
    times = PluginTimes(PluginMetrics(registry), FakeClock(), "default", lambda: 0.0)
    times.begin()
    times.plugin("Gang", "Permit", 0.001, "Wait")
    times.extension_point("Permit", success=False, seconds=0.002, failed="Wait")
    times.flush()
    value, labels = registry.get_sample_value, {"extension_point": "Permit", "status": "Wait"}
    assert value("scheduler_plugin_execution_duration_seconds_count", {"plugin": "Gang", **labels}) == 1
    points = "scheduler_framework_extension_point_duration_seconds_count"
    assert value(points, {"profile": "default", **labels}) == 1
    counted = {"plugin": "Gang", "extension_point": "Permit", "profile": "default"}
    assert value("scheduler_plugin_evaluation_total", counted) is None


def test_extension_points_are_always_timed() -> None:
    value = observed([0.5, 0.5]).get_sample_value
    labels = {"extension_point": "Filter", "status": "Success", "profile": "default"}
    assert value("scheduler_framework_extension_point_duration_seconds_count", labels) == 2
    assert value("scheduler_framework_extension_point_duration_seconds_sum", labels) == 0.004
