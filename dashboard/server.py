"""HTTP of the page: who is let in, what each path answers, and what every answer says to the browser."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Container, Mapping
from contextlib import asynccontextmanager
from typing import Final
from weakref import WeakSet

import msgspec
import structlog
from aiohttp import web

from dashboard.hub import error_value
from dashboard.live import Live
from dashboard.session import Sessions, own_path
from dashboard.static_files import INDEX, File, StaticFiles
from dashboard.view import SESSION_SECONDS, Handler
from vaina.clock import Clock
from vaina.errors import ApiError, BadRequest, InternalError, MethodNotSupported, NotFound, Unauthorized
from vaina.serving.origins import check_origin

log = structlog.stdlib.get_logger(__name__)

#: connections of browsers, which open some six each
MAX_CONNECTIONS: Final = 512
#: a connection on which there is no whole request for so long is closed, also before its first
IDLE_SECONDS: Final = 15.0
#: a line of a request's head, and one of its fields
MAX_LINE_BYTES: Final = 16 * 1024
#: nobody sends bodies
MAX_BODY_BYTES: Final = 1024
#: for requests that are under way at the end
_END_SECONDS: Final = 1.0
#: Scripts and styles come from files of this page alone, and no text becomes HTML.
SECURITY_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
NO_SESSION: Final = """\
This page opens by a link with a secret in it. `make up` has printed it, and `vaina dashboard` prints it again.

Esta página se abre con un enlace que contiene un secreto. `make up` lo ha mostrado, y `vaina dashboard` lo
muestra de nuevo.
"""


class Pages:
    """Answers all requests."""

    def __init__(
        self,
        sessions: Sessions,
        files: StaticFiles,
        live: Live,
        handlers: Mapping[str, Handler],
        clock: Clock,
    ) -> None:
        self._sessions, self._files, self._live, self._clock = sessions, files, live, clock
        #: connections on which somebody with a session has asked
        self.known = WeakSet[asyncio.Transport]()
        self.app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[self._answer])
        self.app.on_response_prepare.append(_add_headers)
        routes = self.app.router
        routes.add_get("/login", self._login)
        routes.add_get("/live", self._serve_live)
        routes.add_get("/static/{path:.*}", self._file)
        for path, handler in handlers.items():
            routes.add_get(path, _as_json(handler))
        routes.add_get("/api/{path:.*}", _nowhere)
        routes.add_get("/{path:.*}", self._index)

    @web.middleware
    async def _answer(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        try:
            check_origin(request.headers, in_the_clear=True)
            self._check_session(request)
            return await handler(request)
        except ApiError as error:
            return _refusal(request, error)
        except web.HTTPMethodNotAllowed as error:
            return _refusal(
                request, MethodNotSupported(f"{error.method} is not served here: the page only reads")
            )
        except web.HTTPException:
            return _refusal(request, BadRequest("the request cannot be read"))
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception:
            log.exception("a handler of the page has a bug", path=request.path)
            return _refusal(request, InternalError("the page has a bug; its log says more"))

    def _check_session(self, request: web.Request) -> None:
        seconds = request[SESSION_SECONDS] = self._seconds_left(request)
        if request.path != "/login" and not seconds:
            raise Unauthorized(NO_SESSION)
        if seconds and request.transport is not None:
            self.known.add(request.transport)

    def _seconds_left(self, request: web.Request) -> float:
        cookie = request.cookies.get(self._sessions.cookie, "")
        return self._sessions.seconds_left(cookie, self._clock.now())

    async def _login(self, request: web.Request) -> web.StreamResponse:
        if not self._sessions.is_secret(request.query.get("token", "")):
            raise Unauthorized(NO_SESSION)
        response = web.Response(status=303, headers={"Location": own_path(request.query.get("to", "/"))})
        # Secure is left out: it is served on loopback, in the clear.
        response.set_cookie(
            self._sessions.cookie, self._sessions.issue(self._clock.now()), httponly=True, samesite="Strict", path="/"
        )  # fmt: skip
        return response

    async def _serve_live(self, request: web.Request) -> web.StreamResponse:
        # A browser names the origin of every WebSocket; check_origin has compared it.
        if "Origin" not in request.headers:
            raise BadRequest("a WebSocket of a browser has an origin")
        return await self._live.serve(request, request[SESSION_SECONDS])

    async def _file(self, request: web.Request) -> web.StreamResponse:
        return _send(request, self._files.get(request.match_info["path"]))

    async def _index(self, request: web.Request) -> web.StreamResponse:
        return _send(request, self._files.get(INDEX))


def _as_json(handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(request: web.Request) -> web.StreamResponse:
        value = await handler(request)
        return value if isinstance(value, web.StreamResponse) else _json(value)

    return answer


def _json(value: object, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), status=status, content_type="application/json")


async def _nowhere(request: web.Request) -> web.StreamResponse:
    raise NotFound(f"there is no {request.path[:64]!r}")


async def _add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(SECURITY_HEADERS)
    response.headers["Server"] = "vaina"
    response.headers.setdefault("Cache-Control", "no-store")


def _send(request: web.Request, file: File) -> web.StreamResponse:
    headers = {"ETag": f'"{file.etag}"', "Cache-Control": "no-cache"}
    if request.headers.get("If-None-Match") == headers["ETag"]:
        return web.Response(status=304, headers=headers)
    return web.Response(
        body=file.data, content_type=file.content_type, headers=headers,
        charset="utf-8" if file.content_type.startswith("text/") else None,
    )  # fmt: skip


def _refusal(request: web.Request, error: ApiError) -> web.StreamResponse:
    if request.path.startswith("/api/"):
        return _json(error_value(error), error.code)
    return web.Response(text=error.message, status=error.code)


@asynccontextmanager
async def serve_page(pages: Pages, listen: str) -> AsyncIterator[int]:
    """Serve while the context lasts, in the clear; yields the port. Raises OSError."""
    runner = web.AppRunner(
        pages.app, access_log=None, handle_signals=False, shutdown_timeout=_END_SECONDS, max_line_size=MAX_LINE_BYTES,
        max_field_size=MAX_LINE_BYTES, handler_cancellation=True, keepalive_timeout=IDLE_SECONDS,
        lingering_time=_END_SECONDS,
    )  # fmt: skip
    await runner.setup()
    server = runner.server
    assert server is not None

    host, _, port = listen.rpartition(":")
    listening = await asyncio.get_running_loop().create_server(
        lambda: _Arrived(server, pages.known), host.strip("[]") or None, int(port)
    )
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        await runner.cleanup()


def _has_room(server: web.Server, known: Container[asyncio.BaseTransport]) -> bool:
    """Say whether one more may come; of connections that no session is known of the oldest goes for it.

    All of them come from this machine: who has no session could keep out who has one.
    """
    transports = [one.transport for one in server.connections]
    here = [one for one in transports if one is not None and not one.is_closing()]
    if len(here) < MAX_CONNECTIONS:
        return True
    stranger = next((one for one in here if one not in known), None)
    if stranger is None:
        return False
    # What waits to be sent there is not waited for.
    stranger.abort()
    return True


class _Arrived(asyncio.Protocol):
    """A connection that has come, until it is one of the server's.

    asyncio asks for the protocols of all connections that wait (up to 100) before it makes the first of them:
    whether there is room can be told only then.
    """

    def __init__(self, server: web.Server, known: Container[asyncio.BaseTransport]) -> None:
        self._server, self._known = server, known

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        if not _has_room(self._server, self._known):
            transport.abort()
            return
        handler = self._server()
        transport.set_protocol(handler)
        handler.connection_made(transport)
