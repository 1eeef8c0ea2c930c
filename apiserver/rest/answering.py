"""Answers one HTTP request: who sends it, what it is about, who answers it, and how a refusal is written.

The order is that of upstream's filters (apiserver `pkg/server/config.go`, DefaultBuildHandlerChain). Called by
`connections` for each request, in a task of its own.
"""

import asyncio
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import Any, Final

import structlog
from aiohttp import web

from apiserver.audit.auditing import OnTold
from apiserver.authorization.attributes import Attributes
from apiserver.authorization.authorizer import Authorizer
from apiserver.authorization.checks import Checks, forbidden, selected_name
from apiserver.authorization.impersonation.headers import wanted_user
from apiserver.authorization.impersonation.impersonator import Impersonator
from apiserver.rest import (
    answers,
    bodies,
    calls,
    discovery,
    forms,
    listing,
    pages,
    status,
    streams,
    watching,
)
from apiserver.rest.authentication import Callers
from apiserver.rest.calls import Route
from apiserver.rest.discovery import Page
from apiserver.rest.exchange import Exchange
from apiserver.rest.frames import Frames
from apiserver.rest.info import RequestInfo, read_info
from apiserver.rest.openapi.documents import Documents
from apiserver.rest.reading import Bodies
from apiserver.rest.served import DELETE_OPTIONS, Table
from vaina.api.meta.v1 import meta_pb2
from vaina.clock import Clock
from vaina.durations import DurationError, parse_duration
from vaina.errors import ApiError, BadRequest, Timeout, TooManyRequests, Unavailable
from vaina.kinds import Kind
from vaina.serving.draining import Calls
from vaina.serving.handlers import UNARY, Handlers, Method, RequestContext, as_api_error
from vaina.serving.origins import check_origin
from vaina.serving.turns import Turns
from vaina.serving.wrapping import DEFAULT_DEADLINE_SECONDS, MAX_CALLS

log = structlog.stdlib.get_logger(__name__)

#: puts a method that stands for one of a path under the limits of that
Limited = Callable[[str, Method], Method]
#: verbs that last as long as their client likes
_LONG: Final = frozenset(("watch",))
_WITH_BODIES: Final = frozenset(("create", "update", "patch", "delete", "deletecollection"))
#: larger bodies are read by another thread: a millisecond for 10 kB of JSON, 4 to 20 of YAML
_LARGE_BODY, _LARGE_YAML = 64 * 1024, 8 * 1024
_TIMEOUT: Final = (
    "the server was unable to return a response in the time allotted, but may still be processing the request"
)


class Answerer:
    """Answers the requests of one server. Owned by its event loop."""

    def __init__(  # noqa: PLR0913 - what answers, all by keyword
        self,
        handlers: Handlers,
        *,
        table: Table,
        clock: Clock,
        calls: Calls,
        turns: Turns,
        callers: Callers,
        authorizer: Authorizer,
        impersonator: Impersonator,
        pages: pages.Pages,
        in_the_clear: bool,
        body_seconds: float,
        frames: Frames,
        limited: Limited,
        on_told: OnTold | None = None,
    ) -> None:
        self._handlers, self._table, self._clock, self._calls = handlers, table, clock, calls
        self._turns, self._callers, self._authorizer, self._pages = turns, callers, authorizer, pages
        self._in_the_clear, self._on_told, self._checks = in_the_clear, on_told, Checks(authorizer)
        self._limited, self._impersonator = limited, impersonator
        self._bodies, self._frames, self._documents = Bodies(body_seconds), frames, Documents(table, clock)

    async def __call__(self, http: web.BaseRequest) -> web.StreamResponse:
        """Answer a request. Raises ConnectionError: the client has gone, or its answer cannot be finished."""
        rpc = _context(http, self._calls)
        exchange = Exchange(http, rpc, self._handlers, self._calls, self._clock, self._frames)
        self._calls.current += 1
        try:
            return await self._answer(exchange)
        except ApiError as error:
            return await self._refuse(exchange, error)
        except TimeoutError:
            return await self._refuse(exchange, Timeout(_TIMEOUT))
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception as error:  # noqa: BLE001 - a bug of ours, which is logged
            return await self._refuse(exchange, as_api_error(error, exchange.info.path))
        finally:
            rpc.cancelled = True
            self._calls.current -= 1
            if rpc.counted:
                self._calls.clients.leave(rpc.counted, rpc.peer)

    async def _answer(self, exchange: Exchange) -> web.StreamResponse:
        http, rpc = exchange.http, exchange.rpc
        rpc.uri = http.raw_path
        info = exchange.info = read_info(http.method, http.raw_path)
        check_origin(http.headers, in_the_clear=self._in_the_clear)
        if http.headers.get("Transfer-Encoding", "chunked").lower() != "chunked":
            raise BadRequest("Unsupported transfer encoding")
        start = self._clock.monotonic()
        seconds = _seconds(info)
        rpc.deadline = start + seconds
        found: Route | ApiError = status.not_found()
        if info.is_resource:
            try:
                found = calls.route(self._table, info)
            except ApiError as error:
                found = error
        await self._admit(exchange)
        if not info.is_resource:
            async with asyncio.timeout(seconds):
                return await self._page(exchange)
        if isinstance(found, ApiError):
            self._authorize(exchange)
            nothing = pages.page_of_none(info)
            if nothing is None:
                raise found
            return await self._tell(exchange, nothing)
        exchange.served = found.served
        rpc.group = found.served.asked_group
        self._may(exchange, found)
        is_stream = found.part is not None and found.part.is_stream
        if not is_stream:
            exchange.form = forms.choose_form(
                http.headers.get("Accept", ""), info.query, verb=info.verb,
                user_agent=http.headers.get("User-Agent", ""), shape=found.shape,
            )  # fmt: skip
        if is_stream or info.verb in _LONG:
            rpc.deadline = None
        async with nullcontext() if rpc.deadline is None else asyncio.timeout(seconds):
            if is_stream:
                return await streams.answer_stream(exchange)
            return await self._resource(exchange, found)

    async def _admit(self, exchange: Exchange) -> None:
        """Turn away what comes while the server goes, what nobody could answer, and who is not known.

        Say in the request's context in whose name it is made. Raises Unavailable, TooManyRequests, Unauthorized,
        BadRequest, Forbidden.
        """
        rpc, all_calls = exchange.rpc, self._calls
        if all_calls.refusing and exchange.info.is_resource:
            raise Unavailable("The server is shutting down, please try again later.", retry_seconds=1)
        if all_calls.current > MAX_CALLS:
            raise TooManyRequests("Too many requests, please try again later.", retry_seconds=1)
        exchange.caller = await self._callers.identify(exchange.http, rpc)
        if exchange.caller is None and rpc.is_known:
            exchange.identify = partial(self._callers.identify, exchange.http, RequestContext(peer=rpc.peer))
        client = rpc.client
        all_calls.clients.enter(client, rpc.peer, MAX_CALLS - all_calls.current, is_user=rpc.is_known)
        rpc.counted = client
        wanted = wanted_user(exchange.http.headers.items())
        if wanted is not None:
            found = self._impersonator.impersonated(wanted, _question(exchange))
            rpc.user, rpc.sender, rpc.constraint = found.user, rpc.user, found.constraint

    def _may(self, exchange: Exchange, found: Route) -> None:
        """Raise Forbidden unless the caller may do what has a body, before that is read.

        The handler asks again, of what the body says: to read it is dear, and tells what is wrong with it.
        """
        info = exchange.info
        if info.verb not in _WITH_BODIES or not found.path:
            return
        part = info.subresource if info.verb == "patch" else ""
        check = self._checks.of(found.path)
        if info.verb == "deletecollection":
            selectors = info.query.one("fieldSelector"), info.query.one("labelSelector")
            check.selection(exchange.rpc, info.namespace, *selectors)
        else:
            is_named = info.verb != "create" or info.subresource
            check(exchange.rpc, info.namespace, info.name if is_named else "", subresource=part)

    def _authorize(self, exchange: Exchange) -> None:
        """Raise Forbidden unless the caller may do what no handler will ask about."""
        asked = _question(exchange)
        verdict = self._authorizer.authorize(asked)
        exchange.rpc.authorized.append((asked, verdict))
        if not verdict.is_allowed:
            raise forbidden(asked, verdict.reason)

    async def _page(self, exchange: Exchange) -> web.StreamResponse:
        """Answer what is no resource."""
        info = exchange.info
        if info.path.rstrip("/") == pages.VERSION:
            _check_get(info)
            told = pages.version_page(await exchange.unary(pages.VERSION_METHOD, b""))
            return await exchange.answer(told.content_type, told.body)
        self._authorize(exchange)
        headers = {name.lower(): value for name, value in exchange.http.headers.items()}
        page = await self._pages.answer(info)
        if page is None:
            page = discovery.answer(self._table, info, headers)
        if page is None:
            page = await self._documents.answer(info, headers)
        if page is None:
            raise status.not_found()
        _check_get(info)
        return await self._tell(exchange, page)

    async def _tell(self, exchange: Exchange, page: Page) -> web.StreamResponse:
        """Answer with a page that no handler made."""
        if self._on_told is not None:
            self._on_told(exchange.rpc, _question(exchange), page.code, None)
        return await exchange.answer(page.content_type, page.body, page.code, page.headers)

    async def _resource(self, exchange: Exchange, found: Route) -> web.StreamResponse:
        info, rpc = exchange.info, exchange.rpc
        match info.verb:
            case "list" | "watch":
                await self._turns.take(rpc.client if rpc.is_known else rpc.peer)
                if info.verb == "list":
                    return await listing.answer_list(exchange)
                return await watching.answer_watch(exchange)
            case "get":
                return await self._unary(exchange, found, calls.read(info, found))
            case "patch":
                content_type = _content_type(exchange)
                calls.check_patch_type(content_type)
                async with self._bodies.read(exchange) as text:
                    call = calls.patch(info, found, content_type, text)
                return await self._unary(exchange, found, call)
            case "delete" | "deletecollection":
                return await self._delete(exchange, found)
        validation = info.query.one("fieldValidation")
        async with self._bodies.read(exchange) as sent:
            body = await self._read(exchange, found.path, found.shape, sent, validation)
        rpc.trailing.extend(body.warnings)
        data, write = body.data, found.served.write
        if write is not None and found.shape is found.served.shape:
            data = write(data)
        if info.verb == "update":
            return await self._unary(exchange, found, calls.update(info, found, data))
        return await self._unary(exchange, found, calls.create(info, found, data))

    async def _unary(self, exchange: Exchange, found: Route, call: calls.Call) -> web.StreamResponse:
        info = exchange.info
        answer = await exchange.unary(call.path, call.request)
        code = 201 if info.verb == "create" or exchange.rpc.created else 200
        if found.answers_with_status:
            told = meta_pb2.Status.FromString(answer)
            told.code = code
            return await exchange.answer(
                exchange.form.content_type, answers.write_status(exchange.form, told), code
            )
        return await self._object(exchange, found.shape, answer, code, found)

    async def _delete(self, exchange: Exchange, found: Route) -> web.StreamResponse:
        info = exchange.info
        options = meta_pb2.DeleteOptions()
        async with self._bodies.read(exchange) as data:
            if data:
                body = await self._read(exchange, found.path, DELETE_OPTIONS, data, "Ignore")
                options = meta_pb2.DeleteOptions.FromString(body.data)
            elif info.query:
                options = calls.query_options(info.query)
        call = calls.delete(info, found, options)
        answer = await exchange.unary(call.path, call.request)
        shown = calls.deleted(info, found, answer)
        if shown is not None:
            return await exchange.answer(
                exchange.form.content_type, answers.write_status(exchange.form, shown)
            )
        return await self._object(exchange, found.shape, answer, 200, found)

    async def _read(
        self, exchange: Exchange, path: str, shape: Kind[Any], data: bytes, validation: str
    ) -> bodies.Body:
        """Read the object of a body. Raises as `read_object` does, and as flow control refuses.

        A large one waits for its turn before, as a call of its own: 3 MiB of YAML take a thread a second.
        """
        content_type = _content_type(exchange)
        is_yaml = forms.media_of_body(content_type) is forms.Media.YAML
        if len(data) <= (_LARGE_YAML if is_yaml else _LARGE_BODY):
            return bodies.read_object(shape, content_type, data, validation)

        async def read(sent: bytes, _: RequestContext) -> bodies.Body:
            return await asyncio.to_thread(bodies.read_object, shape, content_type, sent, validation)

        # In a context of its own: nothing is written by it.
        body: bodies.Body = await self._limited(path, Method(UNARY, read)).fn(data, replace(exchange.rpc))
        return body

    async def _object(
        self, exchange: Exchange, shape: Kind[Any], answer: bytes, code: int, found: Route
    ) -> web.StreamResponse:
        form, now, read = exchange.form, self._clock.now(), found.served.read

        def write() -> bytes:
            shown = read(answer) if read is not None and shape is found.served.shape else answer
            return answers.write_object(form, shape, shown, now)

        # The bytes of an answer in protobuf are there already.
        size = 0 if form.media is forms.Media.PROTOBUF else len(answer)
        data = await exchange.large.do(size, write)
        return await exchange.answer(exchange.form.content_type, data, code)

    async def _refuse(self, exchange: Exchange, error: ApiError) -> web.StreamResponse:
        """Answer with a Status. Raises ConnectionError where an answer has begun already."""
        if self._on_told is not None and not exchange.is_handled:
            self._on_told(exchange.rpc, _question(exchange), error.code, error)
        if exchange.is_begun:
            transport = exchange.http.transport
            if transport is not None:
                transport.abort()
            raise ConnectionResetError("the answer had begun") from error
        headers = exchange.http.headers
        form = forms.form_of_refusal(
            headers.get("Accept", ""), exchange.info.query, headers.get("User-Agent", "")
        )
        data = answers.write_status(form, error.to_status())
        log.debug("request refused", path=exchange.info.path, code=error.code, message=error.message)
        return await exchange.answer(form.content_type, data, error.code, status.headers_of(error))


def _question(exchange: Exchange) -> Attributes:
    """Return what a request asks for."""
    info, user = exchange.info, exchange.rpc.user
    if not info.is_resource:
        return Attributes(user, info.verb, path=info.path)
    name = info.name
    if not name and info.verb in ("list", "watch"):
        name = selected_name(info.query.one("fieldSelector"))
    return Attributes(user, info.verb, info.group, info.resource, info.subresource, info.namespace, name)


def _context(http: web.BaseRequest, all_calls: Calls) -> RequestContext:
    peername = None if http.transport is None else http.transport.get_extra_info("peername")
    host, port = peername[:2] if peername else ("", 0)
    metadata = [(name, http.headers[name]) for name in ("user-agent", "traceparent") if name in http.headers]
    parent = http.headers.get("traceparent", "")
    return RequestContext(
        peer=f"ipv6:[{host}]:{port}" if ":" in host else f"ipv4:{host}:{port}",
        metadata=metadata,
        unsent=all_calls.unsent,
        trace_id=parent.split("-")[1] if parent.count("-") >= 3 else "",
    )


def _seconds(info: RequestInfo) -> float:
    """Return how long a request may take (`pkg/endpoints/filters/request_deadline.go`). Raises BadRequest."""
    text = info.query.one("timeout")
    if not text or info.verb == "watch":
        return DEFAULT_DEADLINE_SECONDS
    try:
        seconds = parse_duration(text) / 1e9
    except DurationError as error:
        raise BadRequest(f"invalid timeout specified in the request URL - {error}") from error
    return min(seconds, DEFAULT_DEADLINE_SECONDS) if seconds > 0 else DEFAULT_DEADLINE_SECONDS


def _content_type(exchange: Exchange) -> str:
    return exchange.http.headers.get("Content-Type", "")


def _check_get(info: RequestInfo) -> None:
    if info.method not in ("GET", "HEAD"):
        raise status.not_allowed()
