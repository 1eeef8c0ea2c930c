"""What the service of Nodes has besides the verbs of every kind: the proxy to kubelets."""

from apiserver.authorization.checks import Checks
from apiserver.registry.node_pages import NodePages
from vaina.api.core.v1 import node_service_pb2
from vaina.kinds import NODE
from vaina.serving.handlers import Method, RequestContext, typed


def node_handlers(pages: NodePages, checks: Checks) -> dict[str, Method]:
    """Return the methods by full path."""
    path = NODE.method("Proxy")
    may = checks.proxy(path)

    async def proxy(
        request: node_service_pb2.NodeProxyRequest, rpc: RequestContext
    ) -> node_service_pb2.NodeProxyResponse:
        may(rpc, request.verb, "", request.name)
        return await pages.get(request)

    return {path: typed(proxy, node_service_pb2.NodeProxyRequest)}
