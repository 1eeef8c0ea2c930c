"""A tiny HTTP server for what is asked with plain HTTP.

/metrics (Prometheus; ?name[]=... some of it), /healthz, /readyz, /livez.

One request a connection, GET and HEAD only, bounded in size and time. Nothing else belongs here; the REST API
is a service of its own.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from urllib.parse import parse_qs

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Metric, generate_latest

log = structlog.stdlib.get_logger(__name__)

#: a request's head; longer ones are refused
MAX_HEAD_BYTES = 8192
#: for a whole request and its answer
TIMEOUT_SECONDS = 10.0
#: connections beyond this are closed at once
MAX_CONNECTIONS = 50


@asynccontextmanager
async def serve_metrics(
    registry: CollectorRegistry,
    *,
    listen: str,
    healthy: Callable[[], bool] = lambda: True,
    more: Mapping[str, CollectorRegistry] | None = None,
) -> AsyncIterator[int]:
    """Serve while the context lasts; yields the port.

    Args:
        registry: what /metrics shows.
        listen: host:port; port 0 takes a free one.
        healthy: what /healthz and /readyz ask; /livez answers ok as long as the loop runs.
        more: what other paths show (/metrics/resource).
    """
    pages = _MetricsServer({"/metrics": registry, **(more or {})}, healthy)
    host, _, port = listen.rpartition(":")
    server = await asyncio.start_server(
        pages.connected, host.strip("[]") or None, int(port), limit=MAX_HEAD_BYTES
    )
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        # From Python 3.12 on, waiting waits for connections too; 3.13 can end them.
        getattr(server, "close_clients", lambda: None)()
        await server.wait_closed()


class _MetricsServer:
    def __init__(self, registries: Mapping[str, CollectorRegistry], healthy: Callable[[], bool]) -> None:
        self.registries, self.healthy = registries, healthy
        self.connections = 0

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            if self.connections <= MAX_CONNECTIONS:
                async with asyncio.timeout(TIMEOUT_SECONDS):
                    await self.answer(reader, writer)
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            log.debug("http request dropped", error=str(error))
        finally:
            self.connections -= 1
            writer.close()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        words = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        method, target = (words[0], words[1]) if len(words) == 3 else ("", "")
        path, _, query = target.partition("?")
        status, kind, body = await self.page(method, path, query)
        lines = [
            f"HTTP/1.1 {status}",
            f"Content-Type: {kind}",
            f"Content-Length: {len(body)}",
            "Connection: close",
        ]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + (b"" if method == "HEAD" else body))
        await writer.drain()

    async def page(self, method: str, path: str, query: str = "") -> tuple[str, str, bytes]:
        text = "text/plain; charset=utf-8"
        if method not in ("GET", "HEAD"):
            return "405 Method Not Allowed", text, b"method not allowed\n"
        if path in self.registries:
            registry, names = self.registries[path], parse_qs(query).get("name[]")
            # Prometheus' clients' own: only these, at a hundredth of what a whole page costs.
            some = registry.restricted_registry(names) if names else registry
            return "200 OK", CONTENT_TYPE_LATEST, await _exposition(some.collect())
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


async def _exposition(families: Iterable[Metric]) -> bytes:
    """Return a page. Others have a turn after each metric.

    The page of a busy apiserver, all at once, kept them waiting for 110 ms.
    """
    parts = []
    for family in families:
        parts.append(generate_latest(_Family(family)))
        await asyncio.sleep(0)  # noqa: TID251 - no time passes, others have their turn
    return b"".join(parts)
