"""The node_collector_* metrics, by zone."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from controller.node_lifecycle.zones import Zone


class NodeMetrics:
    """Upstream's names."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._evictions = Counter(
            "node_collector_evictions", "Number of Pod evictions that happened since this process started.",
            ["zone"], registry=registry,
        )  # fmt: skip
        self._size = Gauge(
            "node_collector_zone_size", "Number of registered Nodes per zone.", ["zone"], registry=registry
        )
        self._unhealthy = Gauge(
            "node_collector_unhealthy_nodes_in_zone", "Number of not Ready Nodes per zone.", ["zone"],
            registry=registry,
        )  # fmt: skip
        self._health = Gauge(
            "node_collector_zone_health", "Percentage of healthy nodes per zone.", ["zone"], registry=registry
        )
        self.judged_seconds = Histogram(
            "node_collector_update_all_nodes_health_duration_seconds",
            "Duration in seconds for NodeController to update the health of all nodes.",
            registry=registry, buckets=tuple(0.01 * 4.0**power for power in range(8)),
        )  # fmt: skip
        self._deletions = Counter(
            "taint_eviction_controller_pod_deletions",
            "Total number of Pods deleted by TaintEvictionController since its start.", registry=registry,
        )  # fmt: skip
        self._late = Histogram(
            "taint_eviction_controller_pod_deletion_duration_seconds",
            "Latency, in seconds, between the time when a taint effect has been activated for the Pod and its deletion via "
            "TaintEvictionController.",
            registry=registry, buckets=(0.005, 0.025, 0.1, 0.5, 1, 2.5, 10, 30, 60, 120, 180, 240),
        )  # fmt: skip
        self._zones: set[str] = {""}
        self.show({"": Zone()})
        self._evictions.labels("")

    def evicted(self, zone: str, late: float) -> None:
        """Count an evicted Pod, so many seconds after its time was up."""
        self._evictions.labels(zone).inc()
        self._deletions.inc()
        self._late.observe(max(0.0, late))

    def show(self, zones: Mapping[str, Zone]) -> None:
        """Show how many nodes each zone has; a zone that is gone is shown no more."""
        for name in self._zones - set(zones):
            for gauge in (self._size, self._unhealthy, self._health):
                gauge.remove(name)
        self._zones = set(zones)
        for name, zone in zones.items():
            self._size.labels(name).set(zone.size)
            self._unhealthy.labels(name).set(zone.not_ready)
            self._health.labels(name).set(100.0 * zone.ready / zone.size if zone.size else 100.0)
