"""PURE: refuses what the pages of other sites let a browser send.

A browser sends a page's requests with the certificate that its user has, and to loopback without any: in
the clear a page could write, and open shells by WebSocket, for which no browser asks beforehand. So a request
that names a foreign origin is refused, and in the clear also one that names another host: a name of somebody
else's may lead to loopback. Upstream has neither (kubectl proxy has --accept-hosts); its --cors-allowed-origins
lets nobody in by default.
"""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from vaina.errors import Forbidden

_PORTS: Final = {"http": "80", "https": "443", "ws": "80", "wss": "443"}


def check_origin(headers: Mapping[str, str], *, in_the_clear: bool) -> None:
    """Raise Forbidden for a request of a foreign page."""
    host = headers.get("Host", "")
    if in_the_clear and not _is_loopback(host):
        raise Forbidden("forbidden: in the clear only names of this machine's loopback are served")
    origin = headers.get("Origin")
    if origin is None:
        return
    try:
        parts = urlsplit(origin)
    except ValueError:
        # Such as a bracket that is not closed: the origin of nobody.
        parts = urlsplit("")
    port = _PORTS.get(parts.scheme, "")
    if not parts.netloc or _with_port(parts.netloc, port) != _with_port(host, port):
        raise Forbidden("forbidden: requests of other origins are not served")


def _with_port(authority: str, port: str) -> str:
    authority = authority.lower()
    has_port = authority.rpartition(":")[2].isdigit() and not authority.endswith("]")
    return authority if has_port else f"{authority}:{port}"


def _is_loopback(authority: str) -> bool:
    host = authority.lower()
    if host.rpartition(":")[2].isdigit() and not host.endswith("]"):
        host = host.rpartition(":")[0]
    host = host.strip("[]").rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
