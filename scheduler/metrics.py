"""The scheduler's metrics under upstream's names, units and buckets, and the observer around plugins."""

import collections
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from scheduler.framework.events import ClusterEvent
from scheduler.framework.runtime import Observer
from scheduler.queue.places import Place
from vaina.clock import Clock
from vaina.metrics import exponential_buckets, observe_all

_ATTEMPT_LABELS = 15
#: share of the classes whose plugins are timed
PLUGINS_TIMED: Final = 0.1
#: extension points whose answers are counted (scheduler_plugin_evaluation_total)
_EVALUATED: Final = frozenset({"PreFilter", "Filter", "PreScore", "Score"})


class SchedulerMetrics:
    """What the shell counts. Children that are used for every Pod are bound once."""

    def __init__(self, registry: CollectorRegistry, profiles: Iterable[str]) -> None:
        attempts = Counter(
            "scheduler_schedule_attempts",
            "Number of attempts to schedule pods, by the result. 'unschedulable' means a pod could not be scheduled, "
            "while 'error' means an internal scheduler problem.",
            ["result", "profile"], registry=registry,
        )  # fmt: skip
        durations = Histogram(
            "scheduler_scheduling_attempt_duration_seconds",
            "Scheduling attempt latency in seconds (scheduling algorithm + binding)",
            ["result", "profile"], buckets=exponential_buckets(0.001, 2, 15), registry=registry,
        )  # fmt: skip
        results = ("scheduled", "unschedulable", "error")
        #: by (profile, result)
        self.attempts = {
            (profile, result): attempts.labels(result, profile) for profile in profiles for result in results
        }
        self.attempt_seconds = {
            (profile, result): durations.labels(result, profile) for profile, result in self.attempts
        }
        self._algorithm_seconds = Histogram(
            "scheduler_scheduling_algorithm_duration_seconds", "Scheduling algorithm latency in seconds",
            buckets=exponential_buckets(0.001, 2, 15), registry=registry,
        )  # fmt: skip
        sli = Histogram(
            "scheduler_pod_scheduling_sli_duration_seconds",
            "E2e latency for a pod being scheduled, from the time the pod enters the scheduling queue.",
            ["attempts"], buckets=exponential_buckets(0.01, 2, 20), registry=registry,
        )  # fmt: skip
        labels = [*(str(number) for number in range(1, _ATTEMPT_LABELS + 1)), f"{_ATTEMPT_LABELS}+"]
        self._sli = [sli.labels(label) for label in labels]
        self.pod_attempts = Histogram(
            "scheduler_pod_scheduling_attempts", "Number of attempts to successfully schedule a pod.",
            buckets=exponential_buckets(1, 2, 5), registry=registry,
        )  # fmt: skip
        self._pending = Gauge(
            "scheduler_pending_pods",
            "Number of pending pods, by the queue type.",
            ["queue"], registry=registry,
        )  # fmt: skip
        self._cache_size = Gauge(
            "scheduler_scheduler_cache_size", "Number of nodes, pods, and assumed (bound) pods in the scheduler cache.",
            ["type"], registry=registry,
        )  # fmt: skip
        self._incoming = Counter(
            "scheduler_queue_incoming_pods",
            "Number of pods added to scheduling queues by event and queue type.",
            ["queue", "event"], registry=registry,
        )  # fmt: skip
        event_handling = Histogram(
            "scheduler_event_handling_duration_seconds", "Event handling latency in seconds.",
            ["event"], buckets=exponential_buckets(0.0001, 2, 12), registry=registry,
        )  # fmt: skip
        self._event_handling = {event: event_handling.labels(event.value) for event in ClusterEvent}
        self.bind_batch = Histogram(
            "scheduler_bind_batch_size", "Number of bindings in one call.",
            buckets=exponential_buckets(1, 2, 8), registry=registry,
        )  # fmt: skip

    def scheduled(self, profile: str, took: Sequence[float], since: Sequence[tuple[float, int]]) -> None:
        """Count bound Pods of a profile: seconds of their attempts, and (seconds, attempts) since each came."""
        self.attempts[profile, "scheduled"].inc(len(took))
        observe_all(self.attempt_seconds[profile, "scheduled"], took)
        by_attempts: dict[int, list[float]] = {}
        for seconds, attempts in since:
            values = by_attempts.get(attempts)
            if values is None:
                values = by_attempts[attempts] = []
            values.append(seconds)
        for attempts, values in by_attempts.items():
            observe_all(self._sli[min(attempts, _ATTEMPT_LABELS + 1) - 1], values)
            observe_all(self.pod_attempts, [attempts] * len(values))

    def decided(self, seconds: Sequence[float]) -> None:
        observe_all(self._algorithm_seconds, seconds)

    def events_handled(self, event: ClusterEvent, seconds: Sequence[float]) -> None:
        """Count how long the queue took, for each of some changes, to look whom it could help."""
        observe_all(self._event_handling[event], seconds)

    def failed(self, profile: str, result: str, seconds: float) -> None:
        self.attempts[profile, result].inc()
        self.attempt_seconds[profile, result].observe(seconds)

    def watch(self, queue: Callable[[], Mapping[str, int]], cache: Callable[[], Mapping[str, int]]) -> None:
        """Ask for the sizes of queue and cache whenever somebody reads the metrics."""
        for place in (Place.ACTIVE, Place.BACKOFF, Place.UNSCHEDULABLE, Place.GATED):
            self._pending.labels(place).set_function(_reader(queue, place))
        for kind in ("nodes", "pods", "assumed_pods"):
            self._cache_size.labels(kind).set_function(_reader(cache, kind))

    def count_incoming(self, incoming: Mapping[tuple[str, str], int]) -> None:
        for (queue, event), count in incoming.items():
            self._incoming.labels(queue, event).inc(count)


class PreemptionMetrics:
    """What preemption counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.attempts = Counter(
            "scheduler_preemption_attempts", "Total preemption attempts in the cluster till now", registry=registry
        )  # fmt: skip
        self.victims = Histogram(
            "scheduler_preemption_victims", "Number of selected preemption victims",
            buckets=exponential_buckets(1, 2, 7), registry=registry,
        )  # fmt: skip
        seconds = Histogram(
            "scheduler_preemption_goroutines_duration_seconds",
            "Duration in seconds for running goroutines for the preemption.",
            ["result"], buckets=exponential_buckets(0.01, 2, 20), registry=registry,
        )  # fmt: skip
        total = Counter(
            "scheduler_preemption_goroutines_execution",
            "Number of preemption goroutines executed.",
            ["result"], registry=registry,
        )  # fmt: skip
        self._results = {
            done: (seconds.labels(label), total.labels(label))
            for done, label in ((True, "success"), (False, "error"))
        }

    def executed(self, success: bool, seconds: float) -> None:
        histogram, counter = self._results[success]
        histogram.observe(seconds)
        counter.inc()


def _reader(sizes: Callable[[], Mapping[str, int]], key: str) -> Callable[[], float]:
    return lambda: float(sizes()[key])


class PluginMetrics:
    """What the profiles' observers have in common."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.plugins = Histogram(
            "scheduler_plugin_execution_duration_seconds",
            "Duration for running a plugin at a specific extension point.",
            ["plugin", "extension_point", "status"],
            buckets=exponential_buckets(0.00001, 1.5, 20), registry=registry,
        )  # fmt: skip
        self.points = Histogram(
            "scheduler_framework_extension_point_duration_seconds",
            "Latency for running all plugins of a specific extension point.",
            ["extension_point", "status", "profile"],
            buckets=exponential_buckets(0.0001, 2, 12), registry=registry,
        )  # fmt: skip
        self.evaluations = Counter(
            "scheduler_plugin_evaluation",
            "Number of attempts to schedule pods by each plugin and the extension point (available only in PreFilter, "
            "Filter, PreScore, and Score).",
            ["plugin", "extension_point", "profile"], registry=registry,
        )  # fmt: skip


class PluginTimes(Observer):
    """Observer of one profile's runtime.

    What plugins take is observed for one class of ten (`pluginMetricsSamplePercent` of upstream's
    schedule_one.go); how often filters and scores are asked, and what extension points take, always. All of it
    is put into the registry by `flush`, a series at once.
    """

    def __init__(self, metrics: PluginMetrics, clock: Clock, profile: str, draw: Callable[[], float]) -> None:
        """Take no times yet. `draw` returns a number from 0 up to 1: whether plugins are timed."""
        self._metrics, self._clock, self._profile, self._draw = metrics, clock, profile, draw
        self._timed = False
        #: (plugin, extension point) -> how often it was asked
        self._asked: collections.Counter[tuple[str, str]] = collections.Counter()
        #: by (plugin, extension point, status), and by (extension point, status): seconds
        self._took: dict[tuple[str, str, str], list[float]] = {}
        self._points_took: dict[tuple[str, str], list[float]] = {}
        #: the series of a metric with these labels: looked up once
        self._series = cache(lambda metric, *labels: metric.labels(*labels))

    def begin(self) -> None:
        self._timed = self._draw() < PLUGINS_TIMED

    def now(self) -> float:
        return self._clock.monotonic()

    def plugin(self, plugin: str, extension_point: str, seconds: float, status: str = "Success") -> None:
        if extension_point in _EVALUATED:
            self._asked[plugin, extension_point] += 1
        if self._timed:
            self._took.setdefault((plugin, extension_point, status), []).append(seconds)

    def extension_point(
        self, name: str, *, success: bool = True, seconds: float, failed: str = "Unschedulable"
    ) -> None:
        self._points_took.setdefault((name, "Success" if success else failed), []).append(seconds)

    def flush(self) -> None:
        metrics, series = self._metrics, self._series
        for asked, count in self._asked.items():
            series(metrics.evaluations, *asked, self._profile).inc(count)
        for key, seconds in self._took.items():
            observe_all(series(metrics.plugins, *key), seconds)
        for point, seconds in self._points_took.items():
            observe_all(series(metrics.points, *point, self._profile), seconds)
        self._asked.clear()
        self._took.clear()
        self._points_took.clear()
