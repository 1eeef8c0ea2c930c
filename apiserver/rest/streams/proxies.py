"""pods/proxy and services/proxy: HTTP to a port of a Pod; nodes/proxy: pages of a kubelet.

A Pod is reached by the bytes of a port-forward (the methods Proxy), with aiohttp's client over them: one
connection a request. Both ways are passed on as they come.

Follows apimachinery `pkg/util/proxy/upgradeaware.go`.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any, Final

import structlog
from aiohttp import (
    BaseConnector,
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    hdrs,
    web,
)
from multidict import CIMultiDict
from yarl import URL

from apiserver.rest.exchange import Exchange
from apiserver.rest.streams.proxy_headers import backend_path, request_headers, response_headers
from apiserver.rest.streams.sockets import IDLE_SECONDS
from apiserver.rest.upgrades import is_upgrade
from vaina.api.core.v1 import node_service_pb2, pod_stream_pb2
from vaina.errors import ApiError, BadRequest, Unavailable
from vaina.kinds import NODE, POD, SERVICE
from vaina.objects.names import split_scheme_name_port
from vaina.quoting import go_quote
from vaina.tasks import beside

log = structlog.stdlib.get_logger(__name__)

#: of a Pod's answer: until its head is there
HEAD_SECONDS: Final = 15 * 60.0
#: bytes of one message to a kubelet
_PIECE: Final = 8_000
_NO_UPGRADE: Final = (
    "unable to upgrade: the proxy passes on requests and answers, and no upgraded connections"
)
_BACKEND: Final = "backend"


async def answer_pod_proxy(exchange: Exchange) -> web.StreamResponse:
    """Pass a request on to a Pod. Raises ApiErrors as long as nothing was written."""
    return await _proxy(exchange, "pod", POD.method("Proxy"))


async def answer_service_proxy(exchange: Exchange) -> web.StreamResponse:
    """Pass a request on to a Pod that a Service selects. Raises ApiErrors as long as nothing was written."""
    return await _proxy(exchange, "service", SERVICE.method("Proxy"))


async def _proxy(exchange: Exchange, kind: str, method: str) -> web.StreamResponse:
    info = exchange.info
    found = split_scheme_name_port(info.name)
    if found is None:
        raise BadRequest(f"invalid {kind} request {go_quote(info.name)}")
    if is_upgrade(exchange.http.headers):
        raise BadRequest(_NO_UPGRADE)
    path = backend_path(info.rest, info.path)
    if not path and info.method in ("GET", "HEAD"):
        return await _redirect(exchange)
    start = pod_stream_pb2.PodProxyStart(namespace=info.namespace, name=info.name, verb=info.verb)
    tls = _unverified() if found[0] == "https" else None
    async with _connected(exchange, method, start) as connection:
        return await _pass_on(exchange, connection, tls, path or "/")


async def answer_node_proxy(exchange: Exchange) -> web.StreamResponse:
    """Answer with a page of a node's kubelet."""
    info = exchange.info
    if is_upgrade(exchange.http.headers):
        raise BadRequest(_NO_UPGRADE)
    request = node_service_pb2.NodeProxyRequest(
        name=info.name, verb=info.verb, path=info.rest or "/", query=info.uri.partition("?")[2]
    )
    answer = node_service_pb2.NodeProxyResponse.FromString(
        await exchange.unary(NODE.method("Proxy"), request.SerializeToString())
    )
    return await exchange.answer(answer.content_type, answer.body, answer.code)


async def _redirect(exchange: Exchange) -> web.StreamResponse:
    """Lead to the same path with a slash at its end, so that relative links of the page lead to the Pod."""
    path, mark, query = exchange.info.uri.partition("?")
    return await exchange.answer("", b"", 301, {"Location": f"{path}/{mark}{query}"})


def _unverified() -> ssl.SSLContext:
    # A Pod's certificate is its own business, as for upstream's proxy transport. A default context would
    # read the machine's authorities first.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class _Connection:
    """A socket whose other end is the Pod's port: what a client's library wants. Owned by the request's task."""

    def __init__(self, exchange: Exchange, method: str, start: pod_stream_pb2.PodProxyStart) -> None:
        self._exchange, self._method, self._start = exchange, method, start
        self.ours, self._theirs = socket.socketpair()
        for each in (self.ours, self._theirs):
            each.setblocking(False)
        #: done when the port is connected, or cannot be
        self.connected: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def close(self) -> None:
        self.ours.close()
        self._theirs.close()

    async def run(self) -> None:
        """Carry the bytes both ways until one side ends."""
        loop = asyncio.get_running_loop()
        try:
            stream = self._exchange.stream(self._method, self._requests())
            async with aclosing(stream) as answers:
                async for raw in answers:
                    # The first has no data: it says that the port is connected.
                    if not self.connected.done():
                        self.connected.set_result(None)
                    data = pod_stream_pb2.PodPortForwardResponse.FromString(raw).data
                    await loop.sock_sendall(self._theirs, data)
        except ApiError as error:
            if self.connected.done():
                log.info("proxied connection broke", name=self._start.name, error=error.message)
            else:
                self.connected.set_exception(error)
        except OSError:
            # The client's library has closed its end.
            pass
        finally:
            if not self.connected.done():
                self.connected.set_exception(Unavailable("the connection has ended"))
            with suppress(OSError):
                self._theirs.shutdown(socket.SHUT_WR)

    async def _requests(self) -> AsyncGenerator[bytes, None]:
        yield pod_stream_pb2.PodProxyRequest(start=self._start).SerializeToString()
        loop = asyncio.get_running_loop()
        with suppress(OSError):
            while data := await loop.sock_recv(self._theirs, _PIECE):
                yield pod_stream_pb2.PodProxyRequest(data=data).SerializeToString()


@asynccontextmanager
async def _connected(
    exchange: Exchange, method: str, start: pod_stream_pb2.PodProxyStart
) -> AsyncGenerator[_Connection, None]:
    """Connect to the Pod's port. Raises ApiErrors; Unavailable: the port is not reached."""
    connection = _Connection(exchange, method, start)
    try:
        async with beside(connection.run()):
            await connection.connected
            yield connection
    finally:
        # Once nobody waits for it: a loop does not notice that a socket it watches is closed.
        connection.close()


class _Connector(BaseConnector):
    """Hands a connection that is there to aiohttp's client."""

    def __init__(self, connection: _Connection, tls: ssl.SSLContext | None) -> None:
        super().__init__(force_close=True)
        self._connection, self._tls = connection, tls

    async def _create_connection(self, *_: Any) -> Any:
        _transport, protocol = await self._loop.create_connection(
            self._factory,
            sock=self._connection.ours,
            ssl=self._tls,
            server_hostname="" if self._tls else None,
        )
        return protocol


async def _pass_on(
    exchange: Exchange, connection: _Connection, tls: ssl.SSLContext | None, path: str
) -> web.StreamResponse:
    http, info = exchange.http, exchange.info
    query = info.uri.partition("?")[2]
    url = URL(f"http://{_BACKEND}{path}{'?' + query if query else ''}", encoded=True)
    headers = CIMultiDict(request_headers([*http.headers.items()], client=http.remote or "", uri=info.path))
    if hdrs.CONTENT_LENGTH in http.headers:
        headers[hdrs.CONTENT_LENGTH] = http.headers[hdrs.CONTENT_LENGTH]
    await exchange.go_on()
    async with ClientSession(
        connector=_Connector(connection, tls), cookie_jar=DummyCookieJar(), auto_decompress=False,
        timeout=ClientTimeout(total=None, sock_read=IDLE_SECONDS),
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
    ) as session:  # fmt: skip
        try:
            async with asyncio.timeout(HEAD_SECONDS):
                answer = await session.request(
                    info.method, url, headers=headers, data=http.content if http.body_exists else None,
                    allow_redirects=False,
                )  # fmt: skip
        except ClientError as error:
            raise Unavailable(f"error trying to reach service: {error}") from error
        async with answer:
            return await _answer(exchange, answer)


async def _answer(exchange: Exchange, answer: ClientResponse) -> web.StreamResponse:
    """Pass an answer on as it comes; one that breaks off ends the connection."""
    info = exchange.info
    prefix = info.path.removesuffix(info.rest)
    headers = response_headers([*answer.headers.items()], host=exchange.http.host, prefix=prefix)
    response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=CIMultiDict(headers))
    has_body = info.method != "HEAD" and answer.status not in (204, 304) and answer.status >= 200
    if hdrs.CONTENT_LENGTH in answer.headers:
        response.content_length = int(answer.headers[hdrs.CONTENT_LENGTH])
    elif has_body:
        response.enable_chunked_encoding()
    await exchange.begin(response)
    try:
        if has_body:
            async for data in answer.content.iter_chunked(_PIECE):
                await exchange.send(response, data)
        await response.write_eof()
    except ClientError as error:
        log.info("proxied answer broke off", name=info.name, error=str(error))
        if exchange.http.transport is not None:
            exchange.http.transport.abort()
    return response
