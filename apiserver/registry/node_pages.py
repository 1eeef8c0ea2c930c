"""The sub-resource proxy of Nodes: pages of kubelets, over the connection that the apiserver has to each.

Upstream's leads to the kubelet's HTTPS port (ResourceLocation of `pkg/registry/core/node/strategy.go`). Ours
speaks gRPC there, and answers with what its port for metrics serves (decision 272).
"""

from typing import Final

from apiserver import refusals
from apiserver.registry.store import Store
from apiserver.registry.streams import Kubelets, kubelet_address
from vaina.api.core.v1 import node_pb2, node_service_pb2
from vaina.errors import BadRequest, InternalError, Unavailable
from vaina.kinds import NODE
from vaina.objects.names import split_scheme_name_port
from vaina.quoting import go_quote

#: where kubelets serve the same pages themselves
_METRICS_PORT: Final = "10255"
_GET: Final = "/vaina.api.kubelet.v1.PageService/Get"


class NodePages:
    """Asks kubelets for pages."""

    def __init__(self, nodes: Store[node_pb2.Node], kubelets: Kubelets) -> None:
        self._nodes, self._kubelets = nodes, kubelets

    async def get(self, request: node_service_pb2.NodeProxyRequest) -> node_service_pb2.NodeProxyResponse:
        """Return a page.

        Raises BadRequest: it is asked of another port; NotFound: there is no such node; Unavailable: its kubelet
        does not answer.
        """
        found = split_scheme_name_port(request.name)
        if found is None:
            raise BadRequest(f"invalid node request {go_quote(request.name)}")
        _, name, port = found
        node = await self._nodes.find("", name)
        if node is None:
            raise refusals.not_found(NODE, name)
        own = str(node.status.daemon_endpoints.kubelet_endpoint.port)
        if port not in ("", own, _METRICS_PORT):
            raise BadRequest(f"only the kubelet's own pages are served, not those of port {go_quote(port)}")
        try:
            async with self._kubelets.to(kubelet_address(node)) as kubelet:
                answer = await kubelet.unary(_GET, request.SerializeToString())
        except (Unavailable, InternalError) as error:
            # A node that says no port is one that cannot be reached.
            raise Unavailable(f"error trying to reach service: {error.message}") from error
        return node_service_pb2.NodeProxyResponse.FromString(answer)
