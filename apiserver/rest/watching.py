"""Watches: events as chunks of an answer, or as messages of a WebSocket.

Until a watch has caught up its handler yields batches of events, which are written one after the other; from
then on they come to the `_Feed`, and the task of the request only waits for the end. A client that reads too
slowly is cut off by the storage as one of gRPC is, and may resume. Follows apiserver
`pkg/endpoints/handlers/watch.go`; what cannot be refused any more is an event of type ERROR.
"""

import asyncio
from collections.abc import Callable
from contextlib import aclosing, suppress
from typing import Final, Protocol

import structlog
from aiohttp import WSCloseCode, WSMsgType, web

from apiserver.rest.answers import write_error
from apiserver.rest.exchange import Exchange
from apiserver.rest.forms import Form, Media
from apiserver.rest.frames import Batch, Encoder
from apiserver.rest.selecting import watch_request
from apiserver.rest.upgrades import is_websocket, offered_protocols
from vaina.errors import ApiError, BadRequest, Expired, Timeout
from vaina.serving.unsent import MIN_BYTES, Unsent

log = structlog.stdlib.get_logger(__name__)

#: for what is still on its way when a watch ends; then the connection is broken off
_FLUSH_SECONDS: Final = 10.0
#: how often a WebSocket's client has to answer
_HEARTBEAT_SECONDS: Final = 30.0
#: of a message from its client, who has nothing to say
_MAX_MESSAGE_BYTES: Final = 64 * 1024
#: bytes before a frame of protobuf that say how long it is: a WebSocket's messages need none
_LENGTH_BYTES: Final = 4


async def answer_watch(exchange: Exchange) -> web.StreamResponse:
    """Answer a watch of a resource. Raises ApiErrors as long as nothing was written."""
    served = exchange.served
    request = watch_request(exchange.info, served).SerializeToString()
    sink: _Sink = _WebSocket(exchange) if is_websocket(exchange.http.headers) else _Chunks(exchange)
    feed = _Feed(exchange, sink, exchange.frames.of(served, exchange.form))
    exchange.rpc.outlet = feed
    try:
        async with aclosing(exchange.stream(served.path(served.methods["watch"]), request)) as batches:
            async for batch in batches:
                await feed.write(batch)
    except ApiError as error:
        await feed.flush()
        if not (sink.is_begun or _is_told_as_event(error)):
            raise
        await feed.fail(error)
    await feed.flush()
    return await feed.end()


def _is_told_as_event(error: ApiError) -> bool:
    """Say whether a refusal is an event even before others (`storage/cacher/cacher.go`: newErrWatcher)."""
    return isinstance(error, Expired | Timeout)


class _Sink(Protocol):
    """What the events of a watch are written to."""

    @property
    def is_begun(self) -> bool:
        """Whether the head of the answer was written."""
        ...

    async def begin(self) -> None:
        """Write the head of the answer. Raises BadRequest."""
        ...

    async def send(self, batch: Batch) -> None:
        """Write events; return when there is room for more. Raises ConnectionError."""
        ...

    async def end(self) -> web.StreamResponse:
        """End the answer in good order."""
        ...


class _Chunks:
    """An answer whose body goes on."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._response = exchange.response(exchange.form.stream_type)

    @property
    def is_begun(self) -> bool:
        return self._exchange.is_begun

    async def begin(self) -> None:
        # A client takes the watch for begun when it has the head, however long nothing happens.
        await self._exchange.begin(self._response)

    async def send(self, batch: Batch) -> None:
        await self._response.write(batch.joined)

    async def end(self) -> web.StreamResponse:
        await self._response.write_eof()
        return self._response


class _WebSocket:
    """Messages of a WebSocket, one an event: text for JSON, and binary for protobuf."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange, self._is_text = exchange, exchange.form.media is Media.JSON
        self._socket = web.WebSocketResponse(
            protocols=offered_protocols(exchange.http.headers), compress=False, heartbeat=_HEARTBEAT_SECONDS,
            max_msg_size=_MAX_MESSAGE_BYTES,
        )  # fmt: skip
        self._reading: asyncio.Task[None] | None = None

    @property
    def is_begun(self) -> bool:
        return self._exchange.is_begun

    async def begin(self) -> None:
        if not self._socket.can_prepare(self._exchange.http).ok:
            raise BadRequest("unable to upgrade: the handshake of the WebSocket cannot be read")
        await self._exchange.begin(self._socket)
        self._reading = asyncio.get_running_loop().create_task(self._read())

    async def send(self, batch: Batch) -> None:
        for frame in batch.frames:
            if self._is_text:
                await self._socket.send_str(frame.decode())
            else:
                await self._socket.send_bytes(frame[_LENGTH_BYTES:])

    async def end(self) -> web.StreamResponse:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait((self._reading,))
        await self._socket.close(code=WSCloseCode.OK)
        return self._socket

    async def _read(self) -> None:
        """Read what the client sends, which counts for nothing, until it closes; then end the watch."""
        while not self._socket.closed:
            message = await self._socket.receive()
            if message.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR):
                break
        transport = self._exchange.http.transport
        if transport is not None:
            transport.close()


class _Feed:
    """Writes the batches of one watch. Owned by the event loop. Is an outlet (`vaina.serving.outlet`)."""

    def __init__(self, exchange: Exchange, sink: _Sink, encoder: Encoder) -> None:
        self._exchange, self._sink, self._encoder = exchange, sink, encoder
        self._form: Form = exchange.form
        self._unsent: Unsent | None = exchange.rpc.unsent
        #: the last batch is still on its way
        self.is_busy = False
        self._writing: asyncio.Task[None] | None = None
        self._on_idle: Callable[[], None] | None = None

    async def write(self, message: bytes) -> None:
        """Write a batch that the handler yielded. Raises TooManyRequests, ConnectionError."""
        counted = self._count(message)
        try:
            await self._write(message)
        finally:
            self._release(counted)

    def send(self, message: bytes) -> None:
        """Write a batch; not while busy. Raises TooManyRequests."""
        assert not self.is_busy
        counted = self._count(message)
        self._begin(message, counted)

    def on_idle(self, callback: Callable[[], None]) -> None:
        """Call back each time that the next batch may follow; from now on nothing is refused."""
        self._on_idle = callback
        if not self._sink.is_begun:
            self._begin(b"", 0)

    async def flush(self) -> None:
        """Return when nothing is on its way any more."""
        self._on_idle = None
        if self._writing is None or self._writing.done():
            return
        _, late = await asyncio.wait((self._writing,), timeout=_FLUSH_SECONDS)
        if late:
            self._break_off()

    async def fail(self, error: ApiError) -> None:
        """Write the event that the watch ends with."""
        if not self._sink.is_begun:
            await self._sink.begin()
        await self._sink.send(Batch([write_error(self._form, error.to_status())]))

    async def end(self) -> web.StreamResponse:
        """End the answer. A watch that ends before anything happened has a head all the same."""
        if not self._sink.is_begun:
            await self._sink.begin()
        return await self._sink.end()

    def _begin(self, message: bytes, counted: int) -> None:
        self.is_busy = True
        self._writing = asyncio.get_running_loop().create_task(self._write_later(message, counted))

    async def _write_later(self, message: bytes, counted: int) -> None:
        try:
            await self._write(message)
        except ConnectionError:
            # aiohttp cancels the task of a request whose client has gone.
            self._on_idle = None
        except Exception:
            # Nobody waits for this task.
            self._on_idle = None
            log.exception("watch not written", path=self._exchange.info.path)
            self._break_off()
        finally:
            self.is_busy = False
            self._release(counted)
        if self._on_idle is not None:
            self._on_idle()

    async def _write(self, message: bytes) -> None:
        if not self._sink.is_begun:
            await self._sink.begin()
        if message:
            await self._sink.send(self._encoder.find(message) or await self._encoder.encode(message))

    def _count(self, message: bytes) -> int:
        """Count a large batch until it is gone. Raises TooManyRequests: earlier ones were not read."""
        size, rpc = len(message), self._exchange.rpc
        if self._unsent is None or size <= MIN_BYTES:
            return 0
        self._unsent.add(rpc.client, rpc.peer, size)
        return size

    def _release(self, size: int) -> None:
        if size and self._unsent is not None:
            self._unsent.remove(self._exchange.rpc.client, self._exchange.rpc.peer, size)

    def _break_off(self) -> None:
        transport = self._exchange.http.transport
        with suppress(OSError):
            if transport is not None:
                transport.abort()
