"""A WebSocket of one session: bounded both ways, kept alive by pings, and closed so that nothing is lost.

aiohttp stops reading a connection when some 128 KiB of it wait, so a client is held back by whoever takes its
messages. Everything that is sent goes through one task: a sender that is cancelled while aiohttp waits for room
would leave it waiting for a future that is gone (`aiohttp.base_protocol`, _drain_helper).
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Final

import structlog
from aiohttp import WSCloseCode, WSMsgType, hdrs, web

from apiserver.rest.exchange import Exchange
from apiserver.rest.streams.channels import Protocol, choose_protocol, refusal_words
from apiserver.rest.upgrades import offered_protocols
from vaina.errors import BadRequest, Forbidden
from vaina.tasks import beside

log = structlog.stdlib.get_logger(__name__)

#: a message of a client; kubectl's have 32 KiB
MAX_MESSAGE: Final = 1024 * 1024
#: messages on their way to a client that were not handed to the kernel, each of some 8 KB
_QUEUE: Final = 8
#: a ping goes out so often, and an answer to it has to come before the next but one
PING_SECONDS: Final = 30.0
#: without bytes either way (apiserver `pkg/util/proxy/websocket.go`, defaultIdleConnectionTimeout)
IDLE_SECONDS: Final = 4 * 60 * 60.0
#: until a client has read what was sent and closes (`websocket.go`, finishTimeout)
CLOSE_SECONDS: Final = 15 * 60.0
#: of the words of a close frame
_MAX_WORDS: Final = 123
#: WebSocket 8 and 7 are this one's early versions (RFC 6455)
_VERSIONS: Final = frozenset(("13", "8", "7"))


def negotiate(http: web.BaseRequest, known: Mapping[str, Protocol]) -> Protocol:
    """Return the subprotocol to speak. Raises Forbidden: none; BadRequest: no handshake that can be read."""
    if http.headers.get(hdrs.SEC_WEBSOCKET_VERSION, "") not in _VERSIONS:
        raise BadRequest("unable to upgrade: missing or bad WebSocket Version")
    offered = offered_protocols(http.headers)
    chosen = choose_protocol(offered, known)
    if chosen is None:
        raise Forbidden(f"unable to upgrade: {refusal_words(offered, known)}")
    # aiohttp reads the rest of the handshake; what it refuses is said here, as a Status.
    if not web.WebSocketResponse(protocols=(chosen.name,)).can_prepare(http):
        raise BadRequest("unable to upgrade: mismatch challenge/response")
    return chosen


class Socket:
    """One session's connection. `messages` is read by one task; any task may send."""

    def __init__(self, http: web.BaseRequest, response: web.WebSocketResponse, *, is_text: bool) -> None:
        self._http, self.response, self._is_text = http, response, is_text
        self._outbox: asyncio.Queue[tuple[WSMsgType, bytes]] = asyncio.Queue(_QUEUE)
        self._loop = asyncio.get_running_loop()
        self._heard = self._busy = self._loop.time()
        self._reads = False
        self._written = asyncio.Event()
        #: the client has closed, or is gone
        self.gone = asyncio.Event()

    async def messages(self) -> AsyncGenerator[bytes, None]:
        """Yield what the client sends, until it closes or goes."""
        while not self.gone.is_set():
            # Whoever was held back may answer pings from now on.
            self._reads, self._heard = True, self._loop.time()
            message = await self.response.receive()
            self._reads, self._heard = False, self._loop.time()
            if message.type in (WSMsgType.BINARY, WSMsgType.TEXT):
                self._busy = self._heard
                data = message.data
                yield data.encode() if isinstance(data, str) else data
            elif message.type is WSMsgType.PING:
                await self._outbox.put((WSMsgType.PONG, message.data))
            elif message.type is not WSMsgType.PONG:
                self.gone.set()

    async def ignore(self) -> None:
        """Read what the client sends, which means nothing here, until it closes or goes."""
        async with aclosing(self.messages()) as messages:
            async for _ in messages:
                pass

    async def send(self, data: bytes) -> None:
        """Send a message; returns when there is room for another. What is sent to nobody is dropped."""
        if self.gone.is_set():
            return
        self._busy = self._loop.time()
        await self._outbox.put((WSMsgType.TEXT if self._is_text else WSMsgType.BINARY, data))

    async def keep(self) -> None:
        """Ping the client; return when it does not answer, or nothing was sent either way for hours."""
        while not self.gone.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(PING_SECONDS):
                    await self.gone.wait()
            now = self._loop.time()
            # Who is held back is not heard.
            if self._reads and now - self._heard > 2 * PING_SECONDS:
                log.info("session ended", reason="no answer to pings", peer=self._http.remote)
                self._abort()
                return
            if now - self._busy > IDLE_SECONDS:
                log.info("session ended", reason="idle", peer=self._http.remote)
                return
            with suppress(asyncio.QueueFull):
                self._outbox.put_nowait((WSMsgType.PING, b""))

    async def close(self, code: int = WSCloseCode.OK, words: str = "") -> None:
        """Send what waits, then the end, and wait until the client closes.

        If the connection ended at once, the kernel would reset it as soon as the client's next frame arrives,
        and drop what was not sent yet (`websocket.go`, finish).
        """
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                told = code.to_bytes(2, "big") + words.encode()[:_MAX_WORDS]
                await self._outbox.put((WSMsgType.CLOSE, told))
                await self._written.wait()
        except TimeoutError:
            self._abort()

    def _abort(self) -> None:
        self.gone.set()
        if self._http.transport is not None:
            self._http.transport.abort()

    async def write(self) -> None:
        """Send what others hand over, until the end was sent or the client is gone."""
        try:
            while True:
                kind, data = await self._outbox.get()
                if kind is WSMsgType.CLOSE:
                    await self.response.close(code=int.from_bytes(data[:2], "big"), message=data[2:])
                    return
                with suppress(ConnectionError):
                    await self.response.send_frame(data, kind)
        finally:
            self._written.set()


@asynccontextmanager
async def open_socket(exchange: Exchange, protocol: Protocol) -> AsyncGenerator[Socket, None]:
    """Upgrade a request's connection; the context ends with its session."""
    response = web.WebSocketResponse(
        protocols=(protocol.name,) if protocol.name else (), timeout=CLOSE_SECONDS, autoping=False,
        compress=False, max_msg_size=MAX_MESSAGE,
        # Each message waits for room: many that send at once must not gather.
        writer_limit=0,
    )  # fmt: skip
    await exchange.begin(response)
    socket = Socket(exchange.http, response, is_text=protocol.is_text)
    async with beside(socket.write()):
        yield socket
