"""PageService: the pages of the kubelet's HTTP port, for the apiserver's proxy to nodes (decision 272)."""

from vaina.api.core.v1 import node_service_pb2
from vaina.api.kubelet.v1 import page_service_pb2
from vaina.serving.handlers import Handlers, RequestContext, typed
from vaina.serving.http import Pages

SERVICE = page_service_pb2.DESCRIPTOR.services_by_name["PageService"].full_name
#: what HTTP's method is for the verb of a request
_METHODS = {"": "GET", "get": "GET"}


class PageService:
    """Answers with pages. Stateless."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages

    def handlers(self) -> Handlers:
        return {f"/{SERVICE}/Get": typed(self._get, node_service_pb2.NodeProxyRequest)}

    async def _get(
        self, request: node_service_pb2.NodeProxyRequest, _: RequestContext
    ) -> node_service_pb2.NodeProxyResponse:
        method = _METHODS.get(request.verb, request.verb.upper())
        status, content_type, body = await self._pages.page(method, request.path, request.query)
        code = int(status.partition(" ")[0])
        return node_service_pb2.NodeProxyResponse(code=code, content_type=content_type, body=body)
