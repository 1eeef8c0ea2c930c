"""GET over HTTP/1.1 for probes and lifecycle hooks: 200 to 399 is success.

As upstream: certificates are not checked, redirects to the same host are followed (to another one count as
success with a warning).
"""

import asyncio
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from vaina.api.core.v1 import pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.quoting import go_quote
from vaina.version import MAJOR, MINOR

_STRING = 1


class PortError(Exception):
    """There is no such port; the message is for the user."""


def resolve_port(port: meta_pb2.IntOrString, container: pod_pb2.Container) -> int:
    """Return the number of a port, which may be the name of one of the container's. Raises PortError."""
    number = port.int_val
    if port.type == _STRING:
        named = [item.container_port for item in container.ports if item.name == port.str_val]
        if named:
            number = named[0]
        elif port.str_val.isdecimal():
            number = int(port.str_val)
        else:
            raise PortError(f"couldn't find port: {port.str_val}")
    if not 0 < number < 65536:
        raise PortError(f"invalid port number: {number}")
    return number


@dataclass(frozen=True, slots=True)
class Outcome:
    """Success or failure, and the words for the Unhealthy event."""

    succeeded: bool
    message: str = ""
    #: it succeeded, with a ProbeWarning event
    warning: bool = False


MAX_BODY = 10 * 1024
_MAX_HEAD = 64 * 1024
_MAX_REDIRECTS = 10
_USER_AGENT = f"kube-probe/{MAJOR}.{MINOR}"


@dataclass(frozen=True, slots=True)
class Target:
    """Where a GET goes."""

    scheme: str
    #: connected to
    address: str
    port: int
    path: str
    headers: Sequence[tuple[str, str]] = ()

    @property
    def url(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{self.scheme}://{host}:{self.port}{self.path}"


def target_of(action: pod_pb2.HTTPGetAction, container: pod_pb2.Container, pod_ip: str) -> Target:
    """Return where an httpGet action goes. Raises PortError."""
    path = action.path if action.path.startswith("/") else f"/{action.path}"
    return Target(
        scheme=(action.scheme or "HTTP").lower(),
        address=action.host or pod_ip,
        port=resolve_port(action.port, container),
        path=path,
        headers=tuple((header.name, header.value) for header in action.http_headers),
    )


async def get(target: Target) -> tuple[int, str, str]:
    """Send one GET; return status, Location and body. Raises OSError, ValueError (the answer is no HTTP)."""
    context = None
    if target.scheme == "https":
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection(target.address, target.port, ssl=context, limit=_MAX_HEAD)
    try:
        names = {name.lower() for name, _ in target.headers}
        headers = [*target.headers]
        defaults = (
            ("Host", f"{target.address}:{target.port}"),
            ("User-Agent", _USER_AGENT),
            ("Accept", "*/*"),
        )
        headers += [(name, value) for name, value in defaults if name.lower() not in names]
        lines = [f"GET {target.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
        writer.write(("\r\n".join([*lines, "Connection: close"]) + "\r\n\r\n").encode("latin-1", "replace"))
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        body = b""
        with suppress(ConnectionError):
            body = await reader.read(MAX_BODY)
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise ValueError("malformed HTTP response") from error
    finally:
        writer.close()
    return _answer(head, body)


def _answer(head: str, body: bytes) -> tuple[int, str, str]:
    first, *lines = head.split("\r\n")
    parts = first.split(" ", 2)
    if not parts[0].startswith("HTTP/") or len(parts) < 2 or not parts[1].isdecimal():
        raise ValueError(f"malformed HTTP response {go_quote(first[:80])}")
    location = ""
    for line in lines:
        name, _, value = line.partition(":")
        if name.lower() == "location":
            location = value.strip()
    return int(parts[1]), location, body.decode("utf-8", errors="replace")


async def probe(target: Target, *, any_status: bool = False) -> Outcome:
    """Return whether a GET succeeds (with `any_status` every answer does); never raises for the other side."""
    try:
        status, location, body = await get(target)
        for _ in range(_MAX_REDIRECTS):
            if not (300 <= status < 400 and location):
                break
            url = urlsplit(urljoin(target.url, location))
            if url.hostname != target.address or url.scheme not in {"http", "https"}:
                words = f"Probe terminated redirects, Response body: {body}"
                return Outcome(True, words, warning=True)
            path = f"{url.path or '/'}?{url.query}" if url.query else url.path or "/"
            port = url.port or (443 if url.scheme == "https" else 80)
            target = Target(url.scheme, target.address, port, path, target.headers)
            status, location, body = await get(target)
    except (OSError, ValueError) as error:
        return Outcome(False, f"Get {go_quote(target.url)}: {_words(error, target)}")
    if any_status or 200 <= status < 400:
        return Outcome(True, body)
    return Outcome(False, f"HTTP probe failed with statuscode: {status}")


def _words(error: Exception, target: Target) -> str:
    if isinstance(error, ConnectionRefusedError):
        return f"dial tcp {target.address}:{target.port}: connect: connection refused"
    return str(error)
