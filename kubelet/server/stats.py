"""What was sampled of the node and its Pods, for the apiserver (metrics.k8s.io) and for Prometheus. Shell."""

from collections.abc import Iterable, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from kubelet.stats import PodRates, Rate, Sampler
from vaina.api.kubelet.v1 import stats_service_pb2
from vaina.api.metrics.v1beta1 import metrics_pb2
from vaina.clock import timestamp
from vaina.objects.quantity import format_bytes
from vaina.serving.handlers import Handlers, RequestContext, typed

SERVICE = stats_service_pb2.DESCRIPTOR.services_by_name["StatsService"].full_name


class StatsService:
    """Stateless."""

    def __init__(self, sampler: Sampler, node_name: str) -> None:
        self._sampler, self._node_name = sampler, node_name

    def handlers(self) -> Handlers:
        return {f"/{SERVICE}/Summary": typed(self.summary, stats_service_pb2.SummaryRequest)}

    async def summary(
        self, request: stats_service_pb2.SummaryRequest, ctx: RequestContext
    ) -> stats_service_pb2.SummaryResponse:
        answer = stats_service_pb2.SummaryResponse()
        sampler = self._sampler
        if request.node not in {"", self._node_name}:
            return answer
        if sampler.node is not None and sampler.node.cpu_nano_cores is not None:
            answer.node.CopyFrom(node_metrics(self._node_name, sampler.node))
        answer.pods.extend(item for item in map(pod_metrics, sampler.pods) if item is not None)
        return answer


def node_metrics(name: str, rate: Rate) -> metrics_pb2.NodeMetrics:
    """Return what a node uses."""
    made = metrics_pb2.NodeMetrics()
    made.metadata.name = name
    made.timestamp.CopyFrom(timestamp(rate.at))
    made.window.duration = round(rate.window_seconds * 1e9)
    for resource, amount in _usage(rate).items():
        made.usage[resource].string = amount
    return made


def pod_metrics(found: PodRates) -> metrics_pb2.PodMetrics | None:
    """Return what a Pod uses; None, as metrics-server, while one of its containers was looked at only once."""
    rates = found.containers
    if not rates or any(rate.cpu_nano_cores is None for rate in rates.values()):
        return None
    made, meta = metrics_pb2.PodMetrics(), found.pod.metadata
    made.metadata.name, made.metadata.namespace = meta.name, meta.namespace
    made.metadata.labels.update(meta.labels)
    made.metadata.creation_timestamp.CopyFrom(meta.creation_timestamp)
    first = min(rates.values(), key=lambda rate: rate.at)
    made.timestamp.CopyFrom(timestamp(first.at))
    made.window.duration = round(max(rate.window_seconds for rate in rates.values()) * 1e9)
    for name, rate in sorted(rates.items()):
        container = made.containers.add(name=name)
        for resource, amount in _usage(rate).items():
            container.usage[resource].string = amount
    return made


def _usage(rate: Rate) -> dict[str, str]:
    # Nanocores and bytes, as metrics-server writes them.
    return {"cpu": f"{rate.cpu_nano_cores or 0}n", "memory": format_bytes(rate.working_set_bytes)}


_CONTAINER, _POD = ("container", "pod", "namespace"), ("pod", "namespace")


class ResourceCollector(Collector):
    """/metrics/resource: gives what was sampled last, and measures nothing itself.

    Names and labels are upstream's (`pkg/kubelet/metrics/collectors/resource_metrics.go`).
    """

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler

    def collect(self) -> Iterable[Metric]:
        node, pods = self._sampler.node, self._sampler.pods
        names = [(found.pod.metadata.name, found.pod.metadata.namespace) for found in pods]
        containers = [
            ((name, *pod), rate)
            for pod, found in zip(names, pods, strict=True)
            for name, rate in sorted(found.containers.items())
        ]
        started = GaugeMetricFamily(
            "container_start_time_seconds", "Start time of the container since unix epoch in seconds",
            labels=_CONTAINER,
        )  # fmt: skip
        for labels, rate in containers:
            started.add_metric(labels, rate.started_at, timestamp=rate.at)
        error = GaugeMetricFamily(
            "resource_scrape_error", "1 if there was an error while getting container metrics, 0 otherwise"
        )
        error.add_metric((), 0 if node is not None else 1)
        yield from _use("node", (), [((), node)])
        yield from _use("container", _CONTAINER, containers)
        yield started
        yield from _use("pod", _POD, [(pod, found.whole) for pod, found in zip(names, pods, strict=True)])
        yield error


def _use(
    of: str, labels: Sequence[str], rates: Iterable[tuple[Sequence[str], Rate | None]]
) -> tuple[Metric, Metric]:
    """Return the two series of what is used, CPU and memory; what is not known has none."""
    cpu = CounterMetricFamily(
        f"{of}_cpu_usage_seconds", f"Cumulative cpu time consumed by the {of} in core-seconds", labels=labels
    )
    memory = GaugeMetricFamily(
        f"{of}_memory_working_set_bytes", f"Current working set of the {of} in bytes", labels=labels
    )
    for names, rate in rates:
        if rate is not None:
            cpu.add_metric(names, rate.cpu_nanos / 1e9, timestamp=rate.at)
            memory.add_metric(names, rate.working_set_bytes, timestamp=rate.at)
    return cpu, memory
