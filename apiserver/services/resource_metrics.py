"""NodeMetricsService and PodMetricsService: what nodes and Pods use now."""

from apiserver.authorization.checks import Checks
from apiserver.registry.options import ListOptions
from apiserver.registry.resource_metrics import ResourceMetrics
from vaina.api.meta.v1 import request_pb2
from vaina.api.metrics.v1beta1 import metrics_pb2
from vaina.serving.handlers import Method, RequestContext, typed

NODES, PODS = (f"vaina.api.metrics.v1beta1.{name}MetricsService" for name in ("Node", "Pod"))


def resource_metrics_handlers(metrics: ResourceMetrics, checks: Checks) -> dict[str, Method]:
    """Return the methods by full path."""
    may_get = {service: checks.of(f"/{service}/Get") for service in (NODES, PODS)}
    may_list = {service: checks.of(f"/{service}/List") for service in (NODES, PODS)}

    async def node(request: request_pb2.GetRequest, rpc: RequestContext) -> metrics_pb2.NodeMetrics:
        may_get[NODES](rpc, "", request.name)
        return await metrics.node(request.name)

    async def nodes(request: request_pb2.ListRequest, rpc: RequestContext) -> metrics_pb2.NodeMetricsList:
        may_list[NODES].selection(rpc, "", request.field_selector)
        return metrics_pb2.NodeMetricsList(items=await metrics.nodes(_options(request)))

    async def pod(request: request_pb2.GetRequest, rpc: RequestContext) -> metrics_pb2.PodMetrics:
        may_get[PODS](rpc, request.namespace, request.name)
        return await metrics.pod(request.namespace or "default", request.name)

    async def pods(request: request_pb2.ListRequest, rpc: RequestContext) -> metrics_pb2.PodMetricsList:
        may_list[PODS].selection(rpc, request.namespace, request.field_selector)
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
