"""PURE: what a proxy passes on: paths, and headers both ways.

Follows Go's `net/http/httputil/reverseproxy.go` (hop-by-hop headers, X-Forwarded-For) and apimachinery
`pkg/util/proxy/transport.go` and `upgradeaware.go` (X-Forwarded-Uri, Location, CORS). Links in HTML pages are
left as they are.
"""

from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit

from apiserver.authorization.impersonation.headers import PREFIX

Headers = list[tuple[str, str]]

#: of one connection alone
_HOP_BY_HOP: Final = frozenset((
    "connection", "proxy-connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer",
    "transfer-encoding", "upgrade",
))  # fmt: skip
#: what is said to the apiserver alone: who calls (apiserver `pkg/authentication/request/bearertoken`,
#: `.../websocket`, `pkg/endpoints/filters/impersonation.go`), and about the body
_OWN: Final = frozenset((
    "authorization", "content-length", "expect", "sec-websocket-protocol", "x-forwarded-uri",
))  # fmt: skip
_CORS: Final = frozenset((
    "access-control-allow-credentials", "access-control-allow-headers", "access-control-allow-methods",
    "access-control-allow-origin",
))  # fmt: skip
#: what a path may hold unquoted (Go's url.EscapedPath)
_SAFE: Final = "/:@!$&'()*+,;=-._~"


def of_connection(headers: Iterable[tuple[str, str]]) -> frozenset[str]:
    """Return the names, in lower case, of headers that are of one connection alone."""
    named = (
        name.strip().lower()
        for header, value in headers
        if header.lower() == "connection"
        for name in value.split(",")
    )
    return _HOP_BY_HOP | frozenset(name for name in named if name)


def request_headers(headers: Sequence[tuple[str, str]], *, client: str, uri: str) -> Headers:
    """Return the headers of the request that goes on, but for the length of its body.

    `client` is the address it came from, `uri` its path.
    """
    left_out = of_connection(headers) | _OWN
    found, forwarded = Headers(), list[str]()
    for name, value in headers:
        lower = name.lower()
        if lower == "x-forwarded-for":
            forwarded.append(value)
        elif lower not in left_out and not lower.startswith(PREFIX):
            found.append((name, value))
    if any(name.lower() == "te" and "trailers" in value.lower() for name, value in headers):
        found.append(("Te", "trailers"))
    return [*found, ("X-Forwarded-For", ", ".join([*forwarded, client])), ("X-Forwarded-Uri", uri)]


def response_headers(headers: Sequence[tuple[str, str]], *, host: str, prefix: str) -> Headers:
    """Return the headers of the answer that goes back, but for the length of its body.

    `host` is what the request named, `prefix` the proxy's own path.
    """
    left_out = of_connection(headers) | _CORS | {"content-length"}
    return [
        (name, rewrite_location(value, host, prefix) if name.lower() == "location" else value)
        for name, value in headers
        if name.lower() not in left_out
    ]


def rewrite_location(location: str, host: str, prefix: str) -> str:
    """Return where a redirect leads through the proxy; one that leads elsewhere stays (rewriteURL)."""
    try:
        parts = urlsplit(location)
    except ValueError:
        return location
    if parts.netloc not in ("", host) or not parts.path.startswith("/") or parts.path.startswith(prefix):
        return location
    return urlunsplit(parts._replace(path=prefix + parts.path))


def backend_path(rest: str, path: str) -> str:
    """Return the path for the backend, escaped; empty: a redirect to the proxy's own path with a slash.

    Args:
        rest: what follows `proxy` in the path of the request, decoded, with its slash.
        path: the whole path.
    """
    if not rest and not path.endswith("/"):
        return ""
    if not rest.startswith("/"):
        rest = f"/{rest}"
    if path.endswith("/") and not rest.endswith("/"):
        rest = f"{rest}/"
    return quote(rest, safe=_SAFE)
