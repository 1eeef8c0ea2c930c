"""A tiny HTTP server for what is asked with plain HTTP.

/metrics (Prometheus; ?name[]=... some of it), /healthz, /readyz, /livez. Over TLS everybody is told how the
process is, and nothing else: metrics are for those whose certificate puts them into `READERS`.

One request a connection, GET and HEAD only, bounded in size and time. Nothing else belongs here; the REST API
is a service of its own.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from urllib.parse import parse_qs

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Metric, generate_latest

from vaina.pki.folder import CERTIFICATE, KEY, Folder, FolderError, Material

log = structlog.stdlib.get_logger(__name__)

#: a request's head; longer ones are refused
MAX_HEAD_BYTES = 8192
#: for a whole request and its answer
TIMEOUT_SECONDS = 10.0
#: connections beyond this are closed at once
MAX_CONNECTIONS = 50
#: groups that upstream lets read metrics (ClusterRole system:monitoring)
READERS = frozenset(("system:masters", "system:monitoring"))


@asynccontextmanager
async def serve_metrics(  # noqa: PLR0913 - all but the first by keyword
    registry: CollectorRegistry,
    *,
    listen: str,
    healthy: Callable[[], bool] = lambda: True,
    more: Mapping[str, CollectorRegistry] | None = None,
    credentials: Folder | None = None,
    clients: Folder | None = None,
    health_listen: str = "",
    asked: Mapping[str, Callable[[], Awaitable[None]]] | None = None,
) -> AsyncIterator[int]:
    """Serve while the context lasts; yields the port.

    Args:
        registry: what /metrics shows.
        listen: host:port; port 0 takes a free one.
        healthy: what /healthz and /readyz ask; /livez answers ok as long as the loop runs.
        more: what other paths show (/metrics/resource).
        credentials: the server's certificate; None: in the clear.
        health_listen: where health alone is served in the clear too; empty: nowhere.
        asked: by the name of a metric, what asks for its value before it is shown. Raises nothing.
        clients: whose authorities readers of metrics have to have; by default those of `credentials`.

    Raises:
        FolderError: a certificate cannot be read.
    """
    tls = None if credentials is None else _Tls(credentials, clients or credentials)
    pages = Pages({"/metrics": registry, **(more or {})}, healthy, asked)
    servers = [await _start(_MetricsServer(pages, tls), listen)]
    if health_listen:
        servers.append(await _start(_MetricsServer(Pages({}, healthy), None), health_listen))
    try:
        yield servers[0].sockets[0].getsockname()[1]
    finally:
        for server in servers:
            server.close()
            # From Python 3.12 on, waiting waits for connections too; 3.13 can end them.
            getattr(server, "close_clients", lambda: None)()
            await server.wait_closed()


async def _start(pages: "_MetricsServer", listen: str) -> asyncio.Server:
    host, _, port = listen.rpartition(":")
    return await asyncio.start_server(
        pages.connected, host.strip("[]") or None, int(port), limit=MAX_HEAD_BYTES
    )


class _Tls:
    """The certificate of the server, and who may read metrics."""

    def __init__(self, server: Folder, clients: Folder) -> None:
        self._server, self._clients = server, clients
        self._material = server.current()
        self._trusted = clients.current()
        self.context = self._make_context(self._trusted)

    def _make_context(self, trusted: Material) -> ssl.SSLContext:
        # Anew each time: a context forgets no authority.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_cert_chain(self._server.path / CERTIFICATE, self._server.path / KEY)
        context.load_verify_locations(cadata=trusted.authorities.decode("ascii"))
        return context

    def follow(self) -> None:
        """Take what has changed; called before each handshake."""
        try:
            material, trusted = self._server.current(), self._clients.current()
            if material is not self._material or trusted is not self._trusted:
                self.context = self._make_context(trusted)
                self._material, self._trusted = material, trusted
        except (FolderError, ssl.SSLError) as error:
            log.warning("certificate not read, the earlier one stays", error=str(error))

    def lets_read(self, writer: asyncio.StreamWriter) -> bool:
        """Say whether the other side may read metrics."""
        shown = writer.get_extra_info("peercert") or {}
        groups = {
            value for part in shown.get("subject", ()) for name, value in part if name == "organizationName"
        }
        return not READERS.isdisjoint(groups) and int(shown["serialNumber"], 16) not in self._trusted.denied


class _MetricsServer:
    def __init__(self, pages: "Pages", tls: _Tls | None) -> None:
        self.pages, self.tls = pages, tls
        self.connections = 0

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            if self.connections <= MAX_CONNECTIONS:
                async with asyncio.timeout(TIMEOUT_SECONDS):
                    if self.tls is not None:
                        self.tls.follow()
                        # Here and not in `start_server`, so that connections before their handshake count too.
                        await writer.start_tls(self.tls.context)
                    await self.answer(reader, writer)
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            log.debug("http request dropped", error=str(error))
            # Over TLS a connection that broke would be ended a second time by `close`.
            writer.transport.abort()
        finally:
            self.connections -= 1
            writer.close()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        words = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        method, target = (words[0], words[1]) if len(words) == 3 else ("", "")
        path, _, query = target.partition("?")
        if path in self.pages.registries and self.tls is not None and not self.tls.lets_read(writer):
            status, kind, body = "401 Unauthorized", "text/plain; charset=utf-8", b"Unauthorized\n"
        else:
            status, kind, body = await self.pages.page(method, path, query)
        lines = [
            f"HTTP/1.1 {status}",
            f"Content-Type: {kind}",
            f"Content-Length: {len(body)}",
            "Connection: close",
        ]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + (b"" if method == "HEAD" else body))
        await writer.drain()


class Pages:
    """What is served, apart from who asks."""

    def __init__(
        self,
        registries: Mapping[str, CollectorRegistry],
        healthy: Callable[[], bool],
        asked: Mapping[str, Callable[[], Awaitable[None]]] | None = None,
    ) -> None:
        """Make them; `registries` are the pages of metrics by path, `healthy` is what health asks.

        `asked` are those of `serve_metrics`.
        """
        self.registries, self.healthy = registries, healthy
        self._asked = dict(asked or {})

    async def page(self, method: str, path: str, query: str = "") -> tuple[str, str, bytes]:
        """Return status, content type and body of a page."""
        text = "text/plain; charset=utf-8"
        if method not in ("GET", "HEAD"):
            return "405 Method Not Allowed", text, b"method not allowed\n"
        if path in self.registries:
            registry, names = self.registries[path], parse_qs(query).get("name[]")
            for name, ask in self._asked.items():
                if path == "/metrics" and (not names or name in names):
                    await ask()
            # Prometheus' clients' own: only these, at a hundredth of what a whole page costs.
            some = registry.restricted_registry(names) if names else registry
            return "200 OK", CONTENT_TYPE_LATEST, await exposition(some.collect())
        if path == "/livez" or (path in ("/healthz", "/readyz") and self.healthy()):
            return "200 OK", text, b"ok"
        if path in ("/healthz", "/readyz"):
            return "503 Service Unavailable", text, b"not ready\n"
        return "404 Not Found", text, b"not found\n"


class _Family:
    """A registry of what was collected already."""

    def __init__(self, family: Metric) -> None:
        self._family = family

    def collect(self) -> Iterable[Metric]:
        return (self._family,)


async def exposition(families: Iterable[Metric]) -> bytes:
    """Return a page. Others have a turn after each metric.

    The page of a busy apiserver, all at once, kept them waiting for 110 ms.
    """
    parts = []
    for family in families:
        parts.append(generate_latest(_Family(family)))
        await asyncio.sleep(0)  # noqa: TID251 - no time passes, others have their turn
    return b"".join(parts)
