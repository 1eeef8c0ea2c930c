"""Shell of `hub`: the one WebSocket of the page, `/live`. Reads what browsers subscribe to, and sends frames.

    {"subscribe": NAME}, {"unsubscribe": NAME}     what a browser says; anything else closes the connection

Every topic has one task, which follows it, and sends what is new at most four times a second. It begins with the
first listener and ends with the last.
"""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, Final

import msgspec
import structlog
from aiohttp import WSCloseCode, WSMsgType, web

from dashboard.hub import Hub, Listener, error_frame
from dashboard.view import Topic, TopicFactory
from vaina.clock import Clock
from vaina.errors import ApiError, InternalError, NotFound
from vaina.tasks import first_error, first_of

log = structlog.stdlib.get_logger(__name__)

#: between two frames of a topic
FRAME_SECONDS: Final = 0.25
#: of what a browser says at once
MAX_MESSAGE_BYTES: Final = 4096
#: a browser that does not answer for so long is gone
PING_SECONDS: Final = 30.0
#: for a browser to take leave: one that does not read is not waited for
END_SECONDS: Final = 1.0


class _Asked(msgspec.Struct, forbid_unknown_fields=True):
    """What a browser says."""

    subscribe: str = ""
    unsubscribe: str = ""


class _Open:
    """A topic that somebody listens to."""

    def __init__(self, name: str, topic: Topic) -> None:
        self.name, self.topic = name, topic
        self.is_ready = False
        self.wake = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    def changed(self) -> None:
        self.is_ready = True
        self.wake.set()


class Live:
    """All connections and topics. Owned by one event loop; topics live within its context."""

    def __init__(self, factories: Mapping[str, TopicFactory], clock: Clock) -> None:
        """Make it; factories make topics, by the first part of their names."""
        self._factories, self._clock = factories, clock
        self.hub = Hub()
        self._open: dict[str, _Open] = {}
        self._wakes: dict[Listener, asyncio.Event] = {}
        self._sockets: set[web.WebSocketResponse] = set()
        self._group = asyncio.TaskGroup()

    async def __aenter__(self) -> "Live":
        await self._group.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        for name in [*self._open]:
            self._close(name)
        await self._group.__aexit__(*error)

    async def close(self) -> None:
        """Tell all browsers that the page ends."""
        async with asyncio.TaskGroup() as group:
            for socket in self._sockets:
                group.create_task(_end(socket, WSCloseCode.GOING_AWAY))

    async def serve(self, request: web.Request, session_seconds: float) -> web.StreamResponse:
        """Serve a browser until it leaves, or its session ends. Raises TooManyRequests."""
        listener = self.hub.connect()
        wake = self._wakes[listener] = asyncio.Event()
        # Not compressed: it stays on this machine, and each connection would compress the same frames again.
        socket = web.WebSocketResponse(heartbeat=PING_SECONDS, max_msg_size=MAX_MESSAGE_BYTES, compress=False)
        try:
            await socket.prepare(request)
            self._sockets.add(socket)
            await first_of(
                self._read(socket, listener),
                self._send(socket, listener, wake),
                self._clock.sleep(session_seconds),
            )
            await _end(socket, WSCloseCode.POLICY_VIOLATION)
        except* ConnectionError:
            log.debug("a page was closed")
        finally:
            self._sockets.discard(socket)
            del self._wakes[listener]
            for name in self.hub.disconnect(listener):
                self._close(name)
        return socket

    async def _read(self, socket: web.WebSocketResponse, listener: Listener) -> None:
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                return
            try:
                asked = msgspec.json.decode(message.data, type=_Asked)
            except msgspec.MsgspecError:
                return
            if asked.subscribe:
                self._subscribe(listener, asked.subscribe)
            if asked.unsubscribe and self.hub.unsubscribe(listener, asked.unsubscribe):
                self._close(asked.unsubscribe)

    async def _send(self, socket: web.WebSocketResponse, listener: Listener, wake: asyncio.Event) -> None:
        while True:
            await wake.wait()
            wake.clear()
            while (frame := listener.take()) is not None:
                await socket.send_frame(frame, WSMsgType.TEXT)
            for name in listener.waits_for:
                self._bring(name)

    def _subscribe(self, listener: Listener, name: str) -> None:
        try:
            if self.hub.subscribe(listener, name):
                try:
                    topic = self._make(name)
                except ApiError:
                    self.hub.unsubscribe(listener, name)
                    raise
                opened = self._open[name] = _Open(name, topic)
                opened.task = self._group.create_task(self._keep(opened), name=f"topic-{name}")
            else:
                self._bring(name)
        except ApiError as error:
            self.hub.tell(listener, error_frame(name, error))
            self._wake((listener,))

    def _bring(self, name: str) -> None:
        """Bring a snapshot to who waits for one: at once where it is encoded already, or with the next frame."""
        self._wake(self.hub.share(name))
        self._open[name].wake.set()

    def _make(self, name: str) -> Topic:
        first = name.replace("?", "/").partition("/")[0]
        factory = self._factories.get(first)
        if factory is None:
            raise NotFound(f"there is no topic {first[:64]!r}")
        return factory(name)

    async def _keep(self, opened: _Open) -> None:
        """Follow a topic and send what is new, until nobody listens or it fails; the others go on."""
        error: ApiError | None = None
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._tick(opened))
                await opened.topic.run(opened.changed)
        except* ApiError as group_of_errors:
            found = first_error(group_of_errors)
            assert isinstance(found, ApiError)
            error = found
        except* Exception as bugs:
            log.exception("a topic has a bug", topic=opened.name, exc_info=bugs)
            error = InternalError("the page has a bug; its log says more")
        # It may have been closed, and opened anew, at the same moment.
        if error is not None and self._open.get(opened.name) is opened:
            del self._open[opened.name]
            self._wake(self.hub.fail(opened.name, error))

    async def _tick(self, opened: _Open) -> None:
        while True:
            await opened.wake.wait()
            opened.wake.clear()
            if opened.is_ready:
                self._wake(self.hub.flush(opened.name, opened.topic))
            await self._clock.sleep(FRAME_SECONDS)

    def _wake(self, listeners: Iterable[Listener]) -> None:
        for listener in listeners:
            self._wakes[listener].set()

    def _close(self, name: str) -> None:
        opened = self._open.pop(name, None)
        if opened is not None and opened.task is not None:
            opened.task.cancel()


async def _end(socket: web.WebSocketResponse, code: WSCloseCode) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(END_SECONDS):
            await socket.close(code=code)
