"""The node_collector_* metrics, by zone."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge

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
        self._zones: set[str] = {""}
        self.show({"": Zone()})
        self._evictions.labels("")

    def evicted(self, zone: str) -> None:
        """Count a Pod that was driven from a node of a zone."""
        self._evictions.labels(zone).inc()

    def show(self, zones: Mapping[str, Zone]) -> None:
        """Say how many nodes each zone has; one that is gone has none, and is shown no more."""
        for name in self._zones - set(zones):
            for gauge in (self._size, self._unhealthy, self._health):
                gauge.remove(name)
        self._zones = set(zones)
        for name, zone in zones.items():
            self._size.labels(name).set(zone.size)
            self._unhealthy.labels(name).set(zone.not_ready)
            self._health.labels(name).set(100.0 * zone.ready / zone.size if zone.size else 100.0)
