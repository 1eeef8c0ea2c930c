"""NodeMetricsService and PodMetricsService: what nodes and Pods use now."""

from apiserver.registry.options import ListOptions
from apiserver.registry.resource_metrics import ResourceMetrics
from vaina.api.meta.v1 import request_pb2
from vaina.api.metrics.v1beta1 import metrics_pb2
from vaina.serving.handlers import Method, RequestContext, typed

NODES, PODS = (f"vaina.api.metrics.v1beta1.{name}MetricsService" for name in ("Node", "Pod"))


def resource_metrics_handlers(metrics: ResourceMetrics) -> dict[str, Method]:
    """Return the methods by full path."""

    async def node(request: request_pb2.GetRequest, rpc: RequestContext) -> metrics_pb2.NodeMetrics:
        return await metrics.node(request.name)

    async def nodes(request: request_pb2.ListRequest, rpc: RequestContext) -> metrics_pb2.NodeMetricsList:
        return metrics_pb2.NodeMetricsList(items=await metrics.nodes(_options(request)))

    async def pod(request: request_pb2.GetRequest, rpc: RequestContext) -> metrics_pb2.PodMetrics:
        return await metrics.pod(request.namespace or "default", request.name)

    async def pods(request: request_pb2.ListRequest, rpc: RequestContext) -> metrics_pb2.PodMetricsList:
        return metrics_pb2.PodMetricsList(items=await metrics.pods(_options(request)))

    return {
        f"/{NODES}/Get": typed(node, request_pb2.GetRequest),
        f"/{NODES}/List": typed(nodes, request_pb2.ListRequest),
        f"/{PODS}/Get": typed(pod, request_pb2.GetRequest),
        f"/{PODS}/List": typed(pods, request_pb2.ListRequest),
    }


def _options(request: request_pb2.ListRequest) -> ListOptions:
    return ListOptions(
        namespace=request.namespace, label_selector=request.label_selector,
        field_selector=request.field_selector,
        # What was measured is seconds old: what the cache has is as new.
        resource_version="0",
    )  # fmt: skip
