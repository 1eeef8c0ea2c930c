"""Metrics of storage: upstream's names where the meaning is the same.

One object is made in `build.py` and handed to whoever counts.
"""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

STORAGE_SIZE: Final = "apiserver_storage_size_bytes"
#: what upstream calls the first of several clusters; there is one
_CLUSTER_ID: Final = "etcd-0"

_SECONDS = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.5, 2, 3, 5, 8, 15, 30,
)  # fmt: skip


class StorageMetrics:
    """Counters and histograms of the etcd client, the group commit and the watch cache."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """Register the metrics; without a registry they are counted and shown nowhere."""
        registry = registry or CollectorRegistry()
        self._duration = Histogram(
            "etcd_request_duration_seconds", "Latency of requests to etcd.", ("operation",), buckets=_SECONDS,
            registry=registry,
        )  # fmt: skip
        self._requests = Counter("etcd_requests", "Requests to etcd.", ("operation",), registry=registry)
        self._errors = Counter(
            "etcd_request_errors", "Requests to etcd that failed.", ("operation",), registry=registry
        )
        self.batch_writes = Histogram(
            "vaina_storage_batch_writes", "Writes per transaction of the group commit.",
            buckets=(1, 2, 4, 8, 16, 32, 64, 96, 126, 250, 500), registry=registry,
        )  # fmt: skip
        self.pending_writes = Gauge(
            "vaina_storage_pending_writes", "Writes that wait for their batch.", registry=registry
        )
        self.settled = Counter(
            "vaina_storage_settled_batches", "Batches whose answer was lost, by what became of them.", ("outcome",),
            registry=registry,
        )  # fmt: skip
        self.decode_errors = Counter(
            "apiserver_storage_decode_errors", "Stored objects that could not be read.", registry=registry
        )
        self.events_received = Counter(
            "apiserver_watch_cache_events_received", "Events that the watch cache received.", ("resource",),
            registry=registry,
        )  # fmt: skip
        self.events_dispatched = Counter(
            "apiserver_watch_cache_events_dispatched",
            "Events handed to watchers.",
            ("resource",),
            registry=registry,
        )
        self.terminated_watchers = Counter(
            "apiserver_terminated_watchers", "Watchers that were cut because they were too slow.", ("resource",),
            registry=registry,
        )  # fmt: skip
        self.cache_version = Gauge(
            "apiserver_watch_cache_resource_version",
            "Version up to which the cache is filled.",
            registry=registry,
        )
        self.cache_initializations = Counter(
            "apiserver_watch_cache_initializations",
            "Times that the cache was filled from a list.",
            registry=registry,
        )
        self.went_back = Counter(
            "vaina_storage_went_back",
            "Times that storage was found to be older than what was served; the apiserver serves nothing until it is restarted.",
            registry=registry,
        )
        self.history_reads = Counter(
            "vaina_storage_history_reads",
            "Readings of what the rings of events no longer have, for watches that resume, by what became of them.",
            ("outcome",), registry=registry,
        )  # fmt: skip
        self.read_wait = Histogram(
            "apiserver_watch_cache_read_wait_seconds", "Time that reads waited for the cache to be fresh enough.",
            buckets=(0.0005, 0.001, 0.0025, 0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3),
            registry=registry,
        )  # fmt: skip
        self.consistent_reads = Counter(
            "apiserver_watch_cache_consistent_read", "Consistent reads, by where they were answered.",
            ("success", "fallback"), registry=registry,
        )  # fmt: skip
        self.resource_objects = Gauge(
            "apiserver_resource_objects", "Objects in the watch cache.", ("resource",), registry=registry
        )
        self._size = Gauge(
            STORAGE_SIZE, "Size of the storage database file physically allocated in bytes.", ("storage_cluster_id",),
            registry=registry,
        )  # fmt: skip

    def set_size(self, size: int | None) -> None:
        """Take the size of the store's file, in bytes; None: nobody says it."""
        self._size.clear()
        if size is not None:
            self._size.labels(_CLUSTER_ID).set(size)

    def etcd_done(self, operation: str, seconds: float) -> None:
        self._requests.labels(operation).inc()
        self._duration.labels(operation).observe(seconds)

    def etcd_failed(self, operation: str, seconds: float) -> None:
        self.etcd_done(operation, seconds)
        self._errors.labels(operation).inc()
