"""Metric registries, and the metrics that every component has, under the names that dashboards expect.

Buckets and labels are upstream's. Labels are bounded: never a Pod's name. Code that is timed takes what it
needs (a bound child, or a small observer), never the registry.
"""

import platform
from bisect import bisect_left
from collections import Counter as Tally
from collections.abc import Iterator, Sequence
from typing import Protocol
from weakref import WeakSet

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from vaina.version import GIT_VERSION

#: One for the process: informers are made in many places, and this should never count anything.
WENT_BACK = Counter(
    "vaina_informer_went_back",
    "Times that an informer found the storage older than what it had seen (restored from an older copy, or data was lost).",
    ["kind"], registry=None,
)  # fmt: skip

#: likewise, and upstream has none: its recorders write a line into the log
EVENTS_DROPPED = Counter(
    "vaina_events_dropped",
    "Events that were said and never written: too many waited, too much was said about one object, or the apiserver refused.",
    ["component"], registry=None,
)  # fmt: skip


class Recording(Protocol):
    """A recorder of Events."""

    component: str

    @property
    def waiting(self) -> int: ...


class EventsWaiting(Collector):
    """vaina_events_waiting: asked of the process' recorders when somebody reads it."""

    def __init__(self) -> None:
        self._recorders: WeakSet[Recording] = WeakSet()

    def add(self, recorder: Recording) -> None:
        """Take in a recorder, for as long as it lives."""
        self._recorders.add(recorder)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        sums: dict[str, int] = {}
        for recorder in self._recorders:
            sums[recorder.component] = sums.get(recorder.component, 0) + recorder.waiting
        family = GaugeMetricFamily(
            "vaina_events_waiting", "Events that were said and are not written yet.", labels=["component"]
        )
        for component, waiting in sums.items():
            family.add_metric([component], waiting)
        yield family


#: likewise
EVENTS_WAITING = EventsWaiting()

#: of most upstream histograms of requests
REQUEST_BUCKETS = (
    0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60,
)  # fmt: skip


def exponential_buckets(start: float, factor: float, count: int) -> tuple[float, ...]:
    """Return Prometheus' ExponentialBuckets: `count` bounds from `start`, each `factor` times the one before."""
    return tuple(start * factor**index for index in range(count))


def observe_all(histogram: Histogram, values: Sequence[float]) -> None:
    """Observe many values at once, at a fifth of what `observe` costs for each."""
    # The library has no such call; `Histogram.observe` adds one to the first bucket that holds the value.
    bounds, buckets = histogram._upper_bounds, histogram._buckets
    for index, count in Tally([bisect_left(bounds, value) for value in values]).items():
        buckets[index].inc(count)
    histogram._sum.inc(sum(values))


def new_registry(component: str) -> CollectorRegistry:
    """Make the registry of a process, with what is known of the process itself."""
    # A second series beside every counter and histogram, which upstream does not have.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    # Some of a page may be asked for by name: those that cannot say their names beforehand as well.
    registry = CollectorRegistry(auto_describe=False, support_collectors_without_names=True)
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    build = Gauge(
        "kubernetes_build_info", "The version of the component, as labels; the value is always 1.",
        ["component", "git_version", "python_version"], registry=registry,
    )  # fmt: skip
    for ours in (WENT_BACK, EVENTS_DROPPED, EVENTS_WAITING):
        registry.register(ours)
    build.labels(component, GIT_VERSION, platform.python_version()).set(1)
    return registry


class QueueMetrics:
    """The workqueue_* metrics, by the name of the queue."""

    def __init__(self, registry: CollectorRegistry) -> None:
        buckets = exponential_buckets(10e-9, 10, 10)
        self.depth = Gauge("workqueue_depth", "Current depth of workqueue.", ["name"], registry=registry)
        self.adds = Counter(
            "workqueue_adds", "Total number of adds handled by workqueue.", ["name"], registry=registry
        )
        self.retries = Counter(
            "workqueue_retries", "Total number of retries handled by workqueue.", ["name"], registry=registry
        )
        self.queue_duration = Histogram(
            "workqueue_queue_duration_seconds",
            "How long in seconds an item stays in workqueue before being requested.",
            ["name"], buckets=buckets, registry=registry,
        )  # fmt: skip
        self.work_duration = Histogram(
            "workqueue_work_duration_seconds",
            "How long in seconds processing an item from workqueue takes.",
            ["name"], buckets=buckets, registry=registry,
        )  # fmt: skip
        self.unfinished = Gauge(
            "workqueue_unfinished_work_seconds",
            "How many seconds of work has been done that is in progress and hasn't been observed by work_duration.",
            ["name"], registry=registry,
        )  # fmt: skip
        self.longest_running = Gauge(
            "workqueue_longest_running_processor_seconds",
            "How many seconds has the longest running processor for workqueue been running.",
            ["name"], registry=registry,
        )  # fmt: skip


class RpcMetrics:
    """The grpc_server_* metrics of go-grpc-prometheus."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ["grpc_type", "grpc_service", "grpc_method"]
        self.started = Counter(
            "grpc_server_started", "Total number of RPCs started on the server.", labels, registry=registry
        )
        self.handled = Counter(
            "grpc_server_handled",
            "Total number of RPCs completed on the server, regardless of success or failure.",
            [*labels, "grpc_code"], registry=registry,
        )  # fmt: skip
        self.received = Counter(
            "grpc_server_msg_received", "Total number of RPC stream messages received on the server.",
            labels, registry=registry,
        )  # fmt: skip
        self.sent = Counter(
            "grpc_server_msg_sent", "Total number of gRPC stream messages sent by the server.",
            labels, registry=registry,
        )  # fmt: skip
        self.handling = Histogram(
            "grpc_server_handling_seconds",
            "Histogram of response latency (seconds) of gRPC that had been application-level handled by the server.",
            labels, registry=registry,
        )  # fmt: skip
