"""The log of a container: as a text that is sent as it comes, or as messages of a WebSocket.

Nothing is written before the node has answered, so that whatever is refused is a Status. A log that breaks, or
that is cut because the server ends, ends its connection in the middle of its answer: a client must not take it
for the whole.

Follows apiserver `pkg/endpoints/handlers/responsewriters/writers.go` (StreamObject), kubernetes
`pkg/registry/core/pod/rest/log.go`.
"""

import base64
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

import structlog
from aiohttp import WSCloseCode, web

from apiserver.refusals import NoHostAssigned
from apiserver.rest.exchange import Exchange
from apiserver.rest.streams.channels import READER, Protocol
from apiserver.rest.streams.options import log_options
from apiserver.rest.streams.sockets import Socket, negotiate, open_socket
from apiserver.rest.upgrades import is_websocket
from vaina.api.core.v1 import pod_stream_pb2
from vaina.errors import ApiError, Unavailable
from vaina.kinds import POD
from vaina.tasks import first_of

log = structlog.stdlib.get_logger(__name__)


async def answer_log(exchange: Exchange) -> web.StreamResponse:
    """Answer with the log of a container. Raises ApiErrors as long as nothing was written."""
    info = exchange.info
    request = pod_stream_pb2.PodLogRequest(
        namespace=info.namespace, name=info.name, options=log_options(info.query)
    )
    protocol = negotiate(exchange.http, READER) if is_websocket(exchange.http.headers) else None
    stream = exchange.stream(POD.method("Logs"), request.SerializeToString())
    async with aclosing(_written(stream)) as pieces:
        try:
            # The first has no data: it says that the log is there.
            first = await anext(pieces, b"")
        except NoHostAssigned:
            # So does upstream: there is nothing, and no error.
            response = exchange.response(code=204)
            await exchange.begin(response)
            await response.write_eof()
            return response
        if exchange.is_cut:
            raise Unavailable("The server is shutting down, please try again later.", retry_seconds=1)
        if protocol is not None:
            return await _over_websocket(exchange, protocol, first, pieces)
        return await _as_text(exchange, first, pieces)


async def _written(stream: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    async with aclosing(stream) as answers:
        async for raw in answers:
            yield pod_stream_pb2.PodLogResponse.FromString(raw).data


async def _as_text(
    exchange: Exchange, first: bytes, pieces: AsyncGenerator[bytes, None]
) -> web.StreamResponse:
    response = exchange.response("text/plain")
    response.enable_chunked_encoding()
    await exchange.begin(response)
    try:
        if first:
            await exchange.send(response, first)
        async for data in pieces:
            if data:
                await exchange.send(response, data)
        if exchange.is_cut:
            _abort(exchange.http)
        else:
            await response.write_eof()
    except ApiError as error:
        log.info("log broke", pod=exchange.info.name, error=error.message)
        _abort(exchange.http)
    except ConnectionError:
        # The client has heard enough.
        pass
    return response


def _abort(http: web.BaseRequest) -> None:
    if http.transport is not None:
        http.transport.abort()


async def _over_websocket(
    exchange: Exchange, protocol: Protocol, first: bytes, pieces: AsyncGenerator[bytes, None]
) -> web.StreamResponse:
    code = WSCloseCode.OK

    async def send(socket: Socket) -> None:
        nonlocal code
        # Clients know by it that the log is there.
        await socket.send(b"")
        try:
            if first:
                await socket.send(_message(protocol, first))
            async for data in pieces:
                if data:
                    await socket.send(_message(protocol, data))
        except ApiError as error:
            log.info("log broke", pod=exchange.info.name, error=error.message)
            code = WSCloseCode.INTERNAL_ERROR

    async with open_socket(exchange, protocol) as socket:
        await first_of(send(socket), socket.ignore(), socket.keep())
        if not socket.gone.is_set():
            with suppress(ConnectionError):
                await socket.close(code)
        return socket.response


def _message(protocol: Protocol, data: bytes) -> bytes:
    return base64.b64encode(data) if protocol.is_text else data
