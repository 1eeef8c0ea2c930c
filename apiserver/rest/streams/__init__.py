"""What goes on after its answer has begun: logs, shells, forwarded ports, proxies."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from aiohttp import web

from apiserver.rest.exchange import Exchange
from apiserver.rest.streams.logs import answer_log
from apiserver.rest.streams.port_forward import answer_port_forward
from apiserver.rest.streams.proxies import answer_node_proxy, answer_pod_proxy, answer_service_proxy
from apiserver.rest.streams.remote_command import answer_attach, answer_exec
from vaina.errors import MethodNotSupported

Answer = Callable[[Exchange], Awaitable[web.StreamResponse]]

_PROXIED: Final = frozenset(("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"))
#: resource, sub-resource -> what answers, and HTTP's methods (kubernetes `pkg/registry/core/pod/rest`)
_ANSWERS: Final[Mapping[tuple[str, str], tuple[Answer, frozenset[str]]]] = {
    ("pods", "log"): (answer_log, frozenset(("GET",))),
    ("pods", "exec"): (answer_exec, frozenset(("GET", "POST"))),
    ("pods", "attach"): (answer_attach, frozenset(("GET", "POST"))),
    ("pods", "portforward"): (answer_port_forward, frozenset(("GET", "POST"))),
    ("pods", "proxy"): (answer_pod_proxy, _PROXIED),
    ("nodes", "proxy"): (answer_node_proxy, _PROXIED),
    ("services", "proxy"): (answer_service_proxy, _PROXIED),
}


async def answer_stream(exchange: Exchange) -> web.StreamResponse:
    """Answer a request whose sub-resource is a stream. Raises ApiErrors as long as nothing was written."""
    answer, methods = _ANSWERS[exchange.info.resource, exchange.info.subresource]
    if exchange.info.method not in methods:
        raise MethodNotSupported("the server does not allow this method on the requested resource")
    return await answer(exchange)
