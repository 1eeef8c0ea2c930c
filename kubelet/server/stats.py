"""StatsService: what the node and its Pods use, for the apiserver. Shell; the shapes are metrics.k8s.io's."""

from kubelet.stats.sampler import PodRates, Rate, Sampler
from vaina.api.kubelet.v1 import stats_service_pb2
from vaina.api.metrics.v1beta1 import metrics_pb2
from vaina.clock import timestamp
from vaina.objects.quantity import format_bytes
from vaina.serving.handlers import Handlers, RequestContext, typed

SERVICE = stats_service_pb2.DESCRIPTOR.services_by_name["StatsService"].full_name


class StatsService:
    """Stateless."""

    def __init__(self, sampler: Sampler, node_name: str) -> None:
        """Make it.

        Args:
            sampler: measures.
            node_name: of this node.
        """
        self._sampler, self._node_name = sampler, node_name

    def handlers(self) -> Handlers:
        """Return the methods by path."""
        return {f"/{SERVICE}/Summary": typed(self.summary, stats_service_pb2.SummaryRequest)}

    async def summary(
        self, request: stats_service_pb2.SummaryRequest, ctx: RequestContext
    ) -> stats_service_pb2.SummaryResponse:
        """Return what was measured last."""
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
    """Return what a Pod uses; None while a running container of it was looked at only once, as
    metrics-server.
    """
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
