"""One HTTP request under way, as the modules that answer it have it.

Made by `answering`; `listing`, `watching` and `streams` are called with it. The handlers of gRPC are
called through it alone.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager, nullcontext
from typing import Final

from aiohttp import web

from apiserver.rest.calls import integer
from apiserver.rest.forms import Form
from apiserver.rest.frames import Frames
from apiserver.rest.info import Query, RequestInfo
from apiserver.rest.served import Served
from apiserver.rest.status import not_found, warning_headers
from vaina.clock import Clock
from vaina.errors import ApiError, BadRequest, Unauthorized
from vaina.serving.authentication import Caller
from vaina.serving.draining import Calls, Stream
from vaina.serving.handlers import Handlers, RequestContext, guarded, guarded_stream
from vaina.serving.unsent import MIN_BYTES
from vaina.tasks import beside

#: how often the token of a session's caller is looked at again
TOKEN_SECONDS: Final = 60.0
#: a watch whose client wants no longer one is not looked at: it ends by itself within that time
#: (`apiserver.registry.reading`), and twice as long where nothing is said
_SHORT_WATCH_SECONDS: Final = 1800
#: of every answer (apiserver `pkg/endpoints/filters/cachecontrol.go`)
HEADERS: Final = (("Cache-Control", "no-cache, private"), ("Server", "vaina"))


class ExpectationFailed(BadRequest):
    """The client waits for something that is never sent."""

    code = 417


class Exchange:
    """A request for a resource. Owned by its task."""

    def __init__(
        self,
        http: web.BaseRequest,
        rpc: RequestContext,
        handlers: Handlers,
        calls: Calls,
        clock: Clock,
        frames: Frames,
    ) -> None:
        """Make it; `answering` fills in the rest before it hands it on.

        Args:
            http: aiohttp's: headers, body, and what a response is prepared with.
            rpc: the context of the methods that are called for it.
            handlers: these methods.
            calls: all requests under way.
            clock: for ages and waiting.
            frames: encodes the events of all watches.
        """
        self.http, self.rpc, self.clock, self.frames = http, rpc, clock, frames
        #: turns of long work, and of what is large
        self.slices, self.large = frames.slices, frames.large
        #: what it is about
        self.info = RequestInfo(http.method, http.path, http.method.lower(), Query())
        self.served: Served
        self.form = Form()
        #: the holder of the connection's certificate
        self.caller: Caller | None = None
        #: finds again who sends a request that showed a token; raises Unauthorized
        self.identify: Callable[[], Awaitable[object]] | None = None
        #: a handler was called, which writes the audit log itself
        self.is_handled = False
        #: a stream ended because the server does
        self.is_cut = False
        #: an answer was begun: a refusal cannot be told any more
        self.is_begun = False
        self._handlers, self._calls = handlers, calls

    async def unary(self, path: str, request: bytes) -> bytes:
        """Call a unary method by its full gRPC path. Raises ApiErrors alone."""
        method = self._handlers.get(path)
        if method is None:
            raise not_found()
        self.is_handled = True
        return await guarded(path, method, request, self.rpc)

    async def stream(
        self, path: str, request: bytes | AsyncIterator[bytes], rpc: RequestContext | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Call a streaming method by its full gRPC path. Raises ApiErrors alone.

        `rpc` is the context of a call that is one of several at once; by default the request's own.

        One with one request ends in good order when the server ends, between two answers (`is_cut`); one with
        many ends when the time for calls under way is over. Both end with Unauthorized when the caller's
        certificate, or but for watches that end within the hour their token, counts no more. The iterator has
        to be closed (`aclosing`), and is used by one task.
        """
        method = self._handlers.get(path)
        if method is None:
            raise not_found()
        self.is_handled = True
        task = asyncio.current_task()
        assert task is not None
        stream = Stream(task)
        if self.caller is not None:
            stream.caller = self.caller
            self._calls.authenticated.add(stream)
        if isinstance(request, bytes):
            self._calls.streams.add(stream)
        follows = self.identify is not None and not self._ends_soon(path)
        try:
            async with (
                beside(self._follow_token(stream)) if follows else nullcontext(),
                aclosing(guarded_stream(path, method, request, rpc or self.rpc)) as answers,
            ):
                stream.waiting = True
                async for answer in answers:
                    stream.waiting = False
                    yield answer
                    if stream.ending:
                        self.is_cut = True
                        return
                    stream.waiting = True
        except asyncio.CancelledError:
            if stream.refusal is not None:
                task.uncancel()
                raise stream.refusal from None
            if not (stream.ending and stream.waiting):
                raise
            # The server is going: the answer ends in good order.
            task.uncancel()
            self.is_cut = True
        finally:
            self._calls.streams.discard(stream)
            self._calls.authenticated.discard(stream)

    def _ends_soon(self, path: str) -> bool:
        """Say whether a stream is a watch that ends by itself soon enough."""
        wished = self.info.query.one("timeoutSeconds")
        return path.endswith("/Watch") and (not wished or integer(wished) <= _SHORT_WATCH_SECONDS)

    async def _follow_token(self, stream: Stream) -> None:
        """End a stream when its caller's token counts no more."""
        assert self.identify is not None
        while True:
            await self.clock.sleep(TOKEN_SECONDS)
            try:
                await self.identify()
            except Unauthorized as error:
                stream.refuse(error)
                return
            except ApiError:
                # Nobody can say so now.
                continue

    def response(
        self, content_type: str = "", code: int = 200, headers: Mapping[str, str] | None = None
    ) -> web.StreamResponse:
        """Return the beginning of an answer, with the warnings that there are by now.

        It has to be begun (`begin`) before parts are sent.
        """
        response = web.StreamResponse(status=code)
        self._add_headers(response, content_type, headers)
        return response

    async def begin(self, response: web.StreamResponse) -> None:
        """Send the head of an answer; from here on a refusal can only break it off."""
        self.is_begun = True
        await response.prepare(self.http)

    async def send(self, response: web.StreamResponse, data: bytes) -> None:
        """Write a part of an answer that was begun.

        Raises TooManyRequests: it is large, and its client has not read earlier ones. Raises ConnectionError:
        the client has gone.
        """
        with self.holding(len(data)):
            await response.write(data)

    async def answer(
        self, content_type: str, data: bytes, code: int = 200, headers: Mapping[str, str] | None = None
    ) -> web.StreamResponse:
        """Answer with bytes that are whole. Raises as `send` does."""
        # Its head and its body are one write, 20 µs less than two.
        response = web.Response(body=data, status=code)
        self._add_headers(response, content_type, headers)
        with self.holding(len(data)):
            await self.begin(response)
            await response.write_eof()
        return response

    @contextmanager
    def holding(self, size: int) -> Iterator[None]:
        """Count bytes that are held for the client, where they are many, until they are gone.

        Raises TooManyRequests: it has not read earlier answers; Timeout: neither, and a write is done.
        """
        if size <= MIN_BYTES:
            yield
            return
        client, peer, unsent = self.rpc.client, self.rpc.peer, self._calls.unsent
        unsent.add(client, peer, size, is_done=self.rpc.is_done)
        try:
            yield
        finally:
            unsent.remove(client, peer, size)

    def _add_headers(
        self, response: web.StreamResponse, content_type: str, headers: Mapping[str, str] | None
    ) -> None:
        if content_type:
            response.headers["Content-Type"] = content_type
        if self._calls.refusing:
            response.force_close()
        for name, value in (*HEADERS, *warning_headers(self.rpc.trailing)):
            response.headers.add(name, value)
        if headers:
            # What may be kept says so.
            response.headers.update(headers)

    async def go_on(self) -> None:
        """Tell a client that waits for it that its body is read. Raises ExpectationFailed."""
        wanted = self.http.headers.get("Expect")
        if wanted is None:
            return
        if wanted.lower() != "100-continue":
            raise ExpectationFailed("Expectation Failed: only 100-continue is known")
        if not self.http.content.is_eof():
            await self.http.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.http.writer.output_size = 0
