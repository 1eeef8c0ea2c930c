"""A kubelet whose commands and ports are functions of the test, behind an apiserver with a REST server."""

import asyncio
import struct
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from apiserver.authorization.authorizer import Authorizer
from kubelet.server.pages import PageService
from tests.support.apiserver import Harness, make_apiserver
from tests.support.rest import RestServer, rest_server
from vaina.api.core.v1 import pod_stream_pb2
from vaina.client.transport import InProcessTransport, Transport
from vaina.errors import ApiError, InternalError
from vaina.serving.draining import Drain
from vaina.serving.handlers import BIDI, STREAM, UNARY, Method, RequestContext
from vaina.serving.http import Pages
from vaina.spdy import (
    CANCEL,
    DICTIONARY,
    SYN_STREAM,
    Control,
    Data,
    FrameReader,
    HeaderReader,
    control_frame,
    data_frame,
    header_block,
    reset_frame,
)
from vaina.testing.builders import make_container, make_node
from vaina.testing.clock import settle

_SERVICE = "/vaina.api.kubelet.v1.KubeletService"
ExecRequest, ExecResponse = pod_stream_pb2.PodExecRequest, pod_stream_pb2.PodExecResponse
ForwardResponse = pod_stream_pb2.PodPortForwardResponse
#: a command: what it was started with, its input, and its output
Command = Callable[
    [pod_stream_pb2.PodExecStart, AsyncIterator[ExecRequest]], AsyncGenerator[ExecResponse, None]
]
#: a port: the bytes that come, and those that go
Port = Callable[[AsyncIterator[bytes]], AsyncGenerator[bytes, None]]


async def cat(start: Any, inputs: AsyncIterator[ExecRequest]) -> AsyncGenerator[ExecResponse, None]:
    """Write what is read, until that ends."""
    async for item in inputs:
        if item.close_stdin:
            break
        if item.WhichOneof("input") == "stdin":
            yield ExecResponse(stdout=item.stdin)
    yield ExecResponse(exit_code=0)


async def waits(start: Any, inputs: AsyncIterator[ExecRequest]) -> AsyncGenerator[ExecResponse, None]:
    """Say something, and never end."""
    yield ExecResponse(stdout=b"on\n")
    await asyncio.Event().wait()


async def upper(data: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Answer each piece in capitals, and all of them once there are no more."""
    count = 0
    async for piece in data:
        count += len(piece)
        yield piece.upper()
    yield b"<%d>" % count


@dataclass
class FakeKubelet:
    """Answers as its fields say."""

    log: list[bytes | asyncio.Event | ApiError] = field(default_factory=lambda: [b"one\n", b"two\n"])
    command: Command = cat
    ports: dict[int, Port] = field(default_factory=dict)
    #: refuses every session
    refusal: ApiError | None = None
    #: what it serves over HTTP; None: nothing is asked
    pages: Pages | None = None
    asked: list[Any] = field(default_factory=list)
    #: sessions under way
    open: int = 0
    #: set when one of them has ended
    _ended: asyncio.Event = field(default_factory=asyncio.Event)

    def connect(self, _: str) -> Transport:
        return InProcessTransport({
            f"{_SERVICE}/Logs": Method(STREAM, self._logs),
            f"{_SERVICE}/Exec": Method(BIDI, self._exec),
            f"{_SERVICE}/Attach": Method(BIDI, self._attach),
            f"{_SERVICE}/PortForward": Method(BIDI, self._port_forward),
            "/vaina.api.kubelet.v1.PageService/Get": Method(UNARY, self._page),
        })  # fmt: skip

    async def _page(self, data: bytes, rpc: RequestContext) -> bytes:
        assert self.pages is not None
        [method] = PageService(self.pages).handlers().values()
        return await method.fn(data, rpc)  # type: ignore[no-any-return]

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[None]:
        if self.refusal is not None:
            raise self.refusal
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1
            self._ended.set()

    async def idle(self) -> None:
        """Wait until no session is under way."""
        async with asyncio.timeout(60):
            while self.open:
                self._ended.clear()
                await self._ended.wait()

    async def _logs(self, data: bytes, _: RequestContext) -> AsyncIterator[bytes]:
        self.asked.append(pod_stream_pb2.PodLogRequest.FromString(data))
        async with self._session():
            yield pod_stream_pb2.PodLogResponse(attempt=0).SerializeToString()
            for item in self.log:
                if isinstance(item, asyncio.Event):
                    await item.wait()
                elif isinstance(item, ApiError):
                    raise item
                else:
                    yield pod_stream_pb2.PodLogResponse(data=item).SerializeToString()

    async def _exec(self, requests: AsyncIterator[bytes], _: RequestContext) -> AsyncIterator[bytes]:
        start = ExecRequest.FromString(await anext(requests)).start
        self.asked.append(start)
        async with self._session():
            async for answer in self.command(start, self._inputs(requests)):
                yield answer.SerializeToString()

    async def _attach(self, requests: AsyncIterator[bytes], _: RequestContext) -> AsyncIterator[bytes]:
        start = pod_stream_pb2.PodAttachRequest.FromString(await anext(requests)).start
        self.asked.append(start)
        async with self._session():
            yield b""
            # The messages of exec and attach differ in their last field alone.
            async for answer in self.command(start, self._inputs(requests)):  # type: ignore[arg-type]
                if answer.WhichOneof("output") == "exit_code":
                    yield pod_stream_pb2.PodAttachResponse(ended=True).SerializeToString()
                else:
                    yield answer.SerializeToString()

    async def _inputs(self, requests: AsyncIterator[bytes]) -> AsyncIterator[ExecRequest]:
        async for item in requests:
            yield ExecRequest.FromString(item)

    async def _port_forward(self, requests: AsyncIterator[bytes], _: RequestContext) -> AsyncIterator[bytes]:
        start = pod_stream_pb2.PodPortForwardRequest.FromString(await anext(requests)).start
        self.asked.append(start)
        async with self._session():
            port = self.ports.get(start.port)
            if port is None:
                raise InternalError(f"error forwarding port {start.port} to pod web: connection refused")
            yield ForwardResponse(connected=True).SerializeToString()

            async def data() -> AsyncIterator[bytes]:
                async for item in requests:
                    yield pod_stream_pb2.PodPortForwardRequest.FromString(item).data

            async for piece in port(data()):
                yield ForwardResponse(data=piece).SerializeToString()


@dataclass
class Plane:
    """A REST server, and the kubelet of its only node, on which the Pod web runs."""

    rest: RestServer
    kubelet: FakeKubelet
    api: Harness

    def path(self, subresource: str, query: str = "", pod: str = "web") -> str:
        return f"/api/v1/namespaces/default/pods/{pod}/{subresource}{'?' + query if query else ''}"

    @asynccontextmanager
    async def socket(
        self, subresource: str, query: str = "", *protocols: str, pod: str = "web", **kwargs: Any
    ) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """Open a WebSocket. Raises WSServerHandshakeError."""
        url = aiohttp.client.URL(self.rest.url + self.path(subresource, query, pod), encoded=True)
        async with self.rest.session.ws_connect(url, protocols=protocols, **kwargs) as socket:
            yield socket


@asynccontextmanager
async def streaming(
    *containers: str, authorizer: Authorizer | None = None, **options: Any
) -> AsyncIterator[Plane]:
    """Run a REST server over an apiserver with a node and a Pod of some containers."""
    kubelet = FakeKubelet()
    api = make_apiserver(connect_kubelet=kubelet.connect, authorizer=authorizer)
    node = make_node()
    node.status.daemon_endpoints.kubelet_endpoint.port = 10250
    await api.client.nodes.create(node)
    named = {"containers": [make_container(name) for name in containers]} if containers else {}
    await api.pod(node="node-1", **named)
    given = {"drain": Drain(calls_seconds=0.5), **options}
    async with rest_server(api, authorizer=authorizer, **given) as rest:
        yield Plane(rest, kubelet, api)


class TunnelClient:
    """kubectl's side of a tunnel: SPDY in messages of a WebSocket."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket, self._compress, self._number = socket, zlib.compressobj(zdict=DICTIONARY), -1
        self._frames, self._headers = FrameReader(), HeaderReader()
        #: by stream: what came, and whether it has ended
        self.data: dict[int, bytes] = {}
        self.ended: set[int] = set()
        self.controls: list[tuple[int, int]] = []

    async def open(self, kind: str, port: int, request: str) -> int:
        await self.socket.send_bytes(self._opening(kind, port, request))
        return self._number

    def _opening(self, kind: str, port: int, request: str) -> bytes:
        """Return the frame that opens the next stream."""
        self._number += 2
        headers = {"streamType": kind, "port": str(port), "requestID": request}
        block = self._compress.compress(header_block(headers)) + self._compress.flush(zlib.Z_SYNC_FLUSH)
        return control_frame(SYN_STREAM, 0, struct.pack(">IIBB", self._number, 0, 0, 0) + block)

    async def send_at_once(self, port: int, request: str, data: bytes) -> None:
        """Open a connection, send bytes and give it up, all in one message."""
        opening = self._opening("data", port, request)
        stream = self._number
        frames = (
            opening, data_frame(stream, data), self._opening("error", port, request), reset_frame(stream, CANCEL)
        )  # fmt: skip
        await self.socket.send_bytes(b"".join(frames))

    async def connect(self, port: int, request: str = "0") -> tuple[int, int]:
        """Open a connection; return its data stream and its error stream."""
        error = await self.open("error", port, request)
        await self.socket.send_bytes(data_frame(error, b"", last=True))
        return await self.open("data", port, request), error

    async def send(self, stream: int, data: bytes, *, last: bool = False) -> None:
        await self.socket.send_bytes(data_frame(stream, data, last=last))

    async def until(self, done: Callable[[], bool]) -> None:
        """Read until something holds, or the session has ended."""
        async with asyncio.timeout(60):
            while not done():
                message = await self.socket.receive()
                if message.type is not aiohttp.WSMsgType.BINARY:
                    return
                for frame in self._frames.feed(message.data):
                    match frame:
                        case Data():
                            self.data[frame.stream] = self.data.get(frame.stream, b"") + frame.data
                            if frame.last:
                                self.ended.add(frame.stream)
                        case Control():
                            self.controls.append((frame.kind, frame.stream))


async def grown(count: Callable[[], int]) -> int:
    """Return a count when it grows no more: each end waits for the other, and all of them are on this loop."""
    before = -1
    while before != (now := count()):
        before = now
        await settle(1000)
    return now


async def everything(socket: aiohttp.ClientWebSocketResponse) -> list[Any]:
    """Return all messages that come until the server closes."""
    async with asyncio.timeout(60):
        return [message.data async for message in socket]


async def leave(socket: aiohttp.ClientWebSocketResponse) -> None:
    """Break the connection, as a client that is killed does."""
    writer = socket._writer
    assert writer is not None
    with suppress(ConnectionError):
        writer.transport.abort()
