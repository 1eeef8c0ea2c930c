"""What the page's /metrics shows of its hub."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from dashboard.hub import Hub


class PageMetrics(Collector):
    """Reads the hub when somebody asks."""

    def __init__(self, registry: CollectorRegistry, hub: Hub) -> None:
        self._hub = hub
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        hub = self._hub
        yield GaugeMetricFamily("vaina_page_listeners", "Open pages.", value=len(hub.listeners))
        yield GaugeMetricFamily(
            "vaina_page_topics", "Topics that somebody listens to.", value=len(hub.topics)
        )
        yield CounterMetricFamily("vaina_page_frames", "Frames that were encoded.", value=hub.frames)
        yield CounterMetricFamily(
            "vaina_page_dropped_queues", "Times that a page did not keep up and got a fresh snapshot.",
            value=hub.dropped,
        )  # fmt: skip
