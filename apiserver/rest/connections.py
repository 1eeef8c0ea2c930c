"""Connections of the REST API: TLS with the folder's certificate of now, limits, and times for slow clients.

A connection is counted before its handshake. HTTP/1.1 is aiohttp's; `Connection` adds a time for heads, answers
garbage without telling the log, and counts.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog
from aiohttp import web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_protocol import RequestHandler

from vaina.pki.folder import CERTIFICATE, KEY, Folder, FolderError, Material

log = structlog.stdlib.get_logger(__name__)

#: for requests that were cancelled, at the end
_END_SECONDS: Final = 1.0
#: a line of a head, and its field; all fields together are bounded by their number
MAX_LINE_BYTES: Final = 16 * 1024
MAX_FIELDS: Final = 100
#: of a body that nobody has asked for yet; twice as much is read ahead
READ_AHEAD_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Times:
    """How long clients may take, in seconds."""

    #: TCP to the end of TLS' handshake
    handshake: float = 10.0
    #: from the first byte of a head to its last (upstream's ReadHeaderTimeout)
    head: float = 32.0
    #: a body is there within this time, as a request of the gRPC port
    body: float = 32.0
    #: a connection without any request is closed (upstream's IdleTimeout)
    idle: float = 90.0
    #: a body that nobody asked for is read and dropped for so long, so that its client reads the answer
    linger: float = 5.0


#: answers one request
Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Server(web.Server):
    """aiohttp's, with connections of our own."""

    def __init__(self, answer: Answer, times: Times) -> None:
        super().__init__(
            answer, handler_cancellation=True, access_log=None, keepalive_timeout=times.idle,
            lingering_time=times.linger, auto_decompress=False, max_line_size=MAX_LINE_BYTES,
            max_field_size=MAX_LINE_BYTES, max_headers=MAX_FIELDS, read_bufsize=READ_AHEAD_BYTES,
            tcp_keepalive=False,
        )  # fmt: skip
        self.times = times

    def __call__(self) -> "Connection":
        return Connection(self, loop=self._loop, **self._kwargs)


class Connection(RequestHandler):
    """One connection. Owned by its event loop."""

    __slots__ = ("_head", "_head_seconds", "on_lost")

    def __init__(self, manager: Server, **kwargs: Any) -> None:
        super().__init__(manager, **kwargs)
        self._head_seconds = manager.times.head
        #: ends the connection when a head takes too long; None: no head has begun
        self._head: asyncio.TimerHandle | None = None
        #: is called once, at the end
        self.on_lost: Callable[[], None] | None = None

    def data_received(self, data: bytes) -> None:
        before = self._request_count
        super().data_received(data)
        if self._request_count != before:
            self._stop()
        elif data and self._head is None and self._current_request is None and self._payload_parser is None:
            self._head = self._loop.call_later(self._head_seconds, self._slow)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._stop()
        if self.on_lost is not None:
            self.on_lost()
            self.on_lost = None
        super().connection_lost(exc)

    def finish(self) -> None:
        """Close it: now, or after the requests that are under way."""
        if self._current_request is None and not self._messages:
            self.force_close()
        else:
            self.close()

    def _stop(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _slow(self) -> None:
        self._head = None
        if self._current_request is None:
            self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no HTTP as Go's server does, and close."""
        if isinstance(exc, LineTooLong):
            status = 431
        if status == 500:
            log.error("request failed", exc_info=exc)
        else:
            log.debug("no request", status=status, error=str(exc))
        words = {400: "400 Bad Request", 431: "431 Request Header Fields Too Large"}.get(status, str(status))
        response = web.Response(status=status, text=words, headers={"Server": "vaina"})
        response.force_close()
        return response


class Contexts:
    """TLS of the server: the folder's certificate of now. Owned by one event loop."""

    def __init__(self, folder: Folder) -> None:
        """Make it. Raises FolderError."""
        self._folder = folder
        self._material = folder.current()
        self._context = self._make(self._material)

    def current(self) -> ssl.SSLContext:
        """Return the context of a handshake that begins now."""
        try:
            material = self._folder.current()
            if material is not self._material:
                self._context, self._material = self._make(material), material
                log.info("serving with a new certificate", folder=str(self._folder.path))
        except (FolderError, ssl.SSLError) as error:
            log.warning("certificate not read, the earlier one stays", error=str(error))
        return self._context

    def _make(self, material: Material) -> ssl.SSLContext:
        # Anew each time: a context forgets no authority.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_mode = ssl.CERT_OPTIONAL
        context.set_alpn_protocols(["http/1.1"])
        context.load_cert_chain(self._folder.path / CERTIFICATE, self._folder.path / KEY)
        context.load_verify_locations(cadata=material.authorities.decode("ascii"))
        return context


class Listener:
    """Takes connections, and counts them: all, and by address. Owned by one event loop."""

    def __init__(self, server: Server, contexts: Contexts | None, max_connections: int) -> None:
        """Make it; without contexts it serves in the clear."""
        self._server, self._contexts, self._max = server, contexts, max_connections
        self.count = 0
        self._of: dict[str, int] = {}
        self._handshakes: set[asyncio.Task[None]] = set()
        self._listening: asyncio.Server | None = None

    async def listen(self, listen: str) -> int:
        """Begin at host:port; return the port. Raises OSError."""
        host, _, port = listen.rpartition(":")
        loop = asyncio.get_running_loop()
        self._listening = await loop.create_server(
            lambda: _Arriving(self), host.strip("[]") or None, int(port), backlog=1024
        )
        found: int = self._listening.sockets[0].getsockname()[1]
        return found

    def close(self) -> None:
        """Take no more connections; close those without a request, and others after theirs."""
        if self._listening is not None:
            self._listening.close()
        for task in self._handshakes:
            task.cancel()
        for connection in self._server.connections:
            assert isinstance(connection, Connection)
            connection.finish()

    def arrived(self, arriving: "_Arriving", transport: asyncio.Transport) -> None:
        """Take a connection, or end it: an address may have as many as are left for others."""
        peer = transport.get_extra_info("peername")
        address = arriving.address = peer[0] if peer else ""
        own = self._of.get(address, 0)
        if own >= self._max - self.count:
            arriving.address = None
            transport.abort()
            return
        self.count += 1
        self._of[address] = own + 1
        _notice_death(transport)
        if self._contexts is None:
            self._hand_over(arriving, transport)
            return
        task = asyncio.get_running_loop().create_task(self._shake_hands(arriving, transport, self._contexts))
        self._handshakes.add(task)
        task.add_done_callback(self._handshakes.discard)

    def gone(self, address: str | None) -> None:
        """Count a connection no more."""
        if address is None:
            return
        self.count -= 1
        self._of[address] -= 1
        if not self._of[address]:
            del self._of[address]

    async def _shake_hands(
        self, arriving: "_Arriving", transport: asyncio.Transport, contexts: Contexts
    ) -> None:
        times = self._server.times
        try:
            secured = await asyncio.get_running_loop().start_tls(
                transport, arriving, contexts.current(), server_side=True, ssl_handshake_timeout=times.handshake,
                ssl_shutdown_timeout=times.handshake,
            )  # fmt: skip
        except (OSError, TimeoutError) as error:
            log.debug("no handshake", address=arriving.address, error=str(error))
            transport.abort()
            # asyncio does not tell the protocol of a connection that was reset in its handshake.
            arriving.connection_lost(error)
            return
        except asyncio.CancelledError:
            transport.abort()
            raise
        if secured is not None and not arriving.is_lost:
            self._hand_over(arriving, secured)

    def _hand_over(self, arriving: "_Arriving", transport: asyncio.Transport) -> None:
        """Give a connection to HTTP, with what has come already."""
        address, arriving.address = arriving.address, None
        connection = self._server()
        connection.on_lost = lambda: self.gone(address)
        transport.set_protocol(connection)
        connection.connection_made(transport)
        if arriving.early:
            connection.data_received(b"".join(arriving.early))


class _Arriving(asyncio.Protocol):
    """A connection until its handshake is done."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        #: where it comes from, as long as it is counted here
        self.address: str | None = None
        #: what came with the end of the handshake
        self.early: list[bytes] = []
        self.is_lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._listener.arrived(self, transport)

    def data_received(self, data: bytes) -> None:
        self.early.append(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        self.is_lost = True
        self._listener.gone(self.address)
        self.address = None


def _notice_death(transport: asyncio.Transport) -> None:
    """Let the kernel end a connection whose other side is gone without a word, as the gRPC port does."""
    found = transport.get_extra_info("socket")
    if found is None or found.family not in (socket.AF_INET, socket.AF_INET6):
        return
    found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 2)):
        if hasattr(socket, option):
            found.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


async def end(server: Server) -> None:
    """Cancel what is still under way, and close all connections."""
    for connection in server.connections:
        if connection._task_handler is not None:
            connection._task_handler.cancel()
    await server.shutdown(_END_SECONDS)
