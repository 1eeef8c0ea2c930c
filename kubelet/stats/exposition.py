"""/metrics/resource: what the node, its Pods and containers use, for Prometheus.

Names and labels are upstream's (`pkg/kubelet/metrics/collectors/resource_metrics.go`): here alone they name
Pods, bounded by those that run.
"""

from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from kubelet.stats.sampler import Sampler

_CONTAINER, _POD = ("container", "pod", "namespace"), ("pod", "namespace")


class ResourceCollector(Collector):
    """Reads what was sampled last; measures nothing itself."""

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler

    def collect(self) -> Iterable[Metric]:
        """Yield all series, each with the time it was measured at."""
        node = self._sampler.node
        node_cpu = CounterMetricFamily(
            "node_cpu_usage_seconds", "Cumulative cpu time consumed by the node in core-seconds"
        )
        node_memory = GaugeMetricFamily(
            "node_memory_working_set_bytes", "Current working set of the node in bytes"
        )
        if node is not None:
            node_cpu.add_metric((), node.cpu_nanos / 1e9, timestamp=node.at)
            node_memory.add_metric((), node.working_set_bytes, timestamp=node.at)
        yield from (node_cpu, node_memory)
        yield from self._pods()
        error = GaugeMetricFamily(
            "resource_scrape_error", "1 if there was an error while getting container metrics, 0 otherwise"
        )
        error.add_metric((), 0 if node is not None else 1)
        yield error

    def _pods(self) -> Iterable[Metric]:
        container_cpu = CounterMetricFamily(
            "container_cpu_usage_seconds", "Cumulative cpu time consumed by the container in core-seconds",
            labels=_CONTAINER,
        )  # fmt: skip
        container_memory = GaugeMetricFamily(
            "container_memory_working_set_bytes",
            "Current working set of the container in bytes",
            labels=_CONTAINER,
        )
        started = GaugeMetricFamily(
            "container_start_time_seconds", "Start time of the container since unix epoch in seconds",
            labels=_CONTAINER,
        )  # fmt: skip
        pod_cpu = CounterMetricFamily(
            "pod_cpu_usage_seconds", "Cumulative cpu time consumed by the pod in core-seconds", labels=_POD
        )
        pod_memory = GaugeMetricFamily(
            "pod_memory_working_set_bytes", "Current working set of the pod in bytes", labels=_POD
        )
        for found in self._sampler.pods:
            pod = (found.pod.metadata.name, found.pod.metadata.namespace)
            if found.whole is not None:
                pod_cpu.add_metric(pod, found.whole.cpu_nanos / 1e9, timestamp=found.whole.at)
                pod_memory.add_metric(pod, found.whole.working_set_bytes, timestamp=found.whole.at)
            for name, rate in sorted(found.containers.items()):
                container_cpu.add_metric((name, *pod), rate.cpu_nanos / 1e9, timestamp=rate.at)
                container_memory.add_metric((name, *pod), rate.working_set_bytes, timestamp=rate.at)
                started.add_metric((name, *pod), rate.started_at, timestamp=rate.at)
        yield from (container_cpu, container_memory, started, pod_cpu, pod_memory)
