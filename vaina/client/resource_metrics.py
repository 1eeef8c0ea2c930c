"""A client of NodeMetrics and PodMetrics (metrics.k8s.io): what nodes and Pods use now.

Used by `vaina top` and autoscalers.
"""

from collections.abc import Sequence

from vaina.api.meta.v1 import request_pb2
from vaina.api.metrics.v1beta1 import metrics_pb2
from vaina.client.transport import DEFAULT_TIMEOUT_SECONDS, Transport

_NODES, _PODS = (f"/vaina.api.metrics.v1beta1.{name}MetricsService" for name in ("Node", "Pod"))


class ResourceMetricsClient:
    """Both services over one transport. All verbs raise ApiError."""

    def __init__(self, transport: Transport, *, timeout: float = DEFAULT_TIMEOUT_SECONDS) -> None:
        self._transport, self._timeout = transport, timeout

    async def node(self, name: str) -> metrics_pb2.NodeMetrics:
        """Return what a node uses. Raises NotFound: there is no such node, or it has not been measured yet."""
        request = request_pb2.GetRequest(name=name)
        return metrics_pb2.NodeMetrics.FromString(await self._call(f"{_NODES}/Get", request))

    async def nodes(self, *, label_selector: str = "") -> Sequence[metrics_pb2.NodeMetrics]:
        """Return what the selected nodes use; those that do not answer are left out."""
        request = request_pb2.ListRequest(label_selector=label_selector)
        return metrics_pb2.NodeMetricsList.FromString(await self._call(f"{_NODES}/List", request)).items

    async def pod(self, name: str, namespace: str) -> metrics_pb2.PodMetrics:
        """Return what a Pod uses. Raises NotFound: there is no such Pod, or it has not been measured yet."""
        request = request_pb2.GetRequest(name=name, namespace=namespace)
        return metrics_pb2.PodMetrics.FromString(await self._call(f"{_PODS}/Get", request))

    async def pods(
        self, namespace: str = "", *, label_selector: str = "", field_selector: str = ""
    ) -> Sequence[metrics_pb2.PodMetrics]:
        """Return what the selected Pods use (namespace "": all).

        Those that have not been measured are left out.
        """
        request = request_pb2.ListRequest(
            namespace=namespace, label_selector=label_selector, field_selector=field_selector
        )
        return metrics_pb2.PodMetricsList.FromString(await self._call(f"{_PODS}/List", request)).items

    async def _call(self, method: str, request: request_pb2.GetRequest | request_pb2.ListRequest) -> bytes:
        return await self._transport.unary(method, request.SerializeToString(), timeout=self._timeout)
