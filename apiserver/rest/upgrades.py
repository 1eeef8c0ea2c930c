"""PURE: whether a request asks for another protocol on its connection, and which subprotocols it offers.

Follows apimachinery `pkg/util/httpstream/httpstream.go` (IsUpgradeRequest) and
`k8s.io/streaming/pkg/httpstream/wsstream/conn.go` (IsWebSocketRequest).
"""

from typing import Final

from multidict import CIMultiDictProxy

#: how a subprotocol begins that is a token (apiserver `authentication/request/websocket/protocol.go`); base64
#: without its last signs follows
TOKEN_PROTOCOL: Final = "base64url.bearer.authorization.k8s.io."  # noqa: S105 - the name of one

Headers = CIMultiDictProxy[str]


def is_upgrade(headers: Headers) -> bool:
    """Say whether a request asks for another protocol."""
    return any("upgrade" in value.lower() for value in headers.getall("Connection", ()))


def is_websocket(headers: Headers) -> bool:
    """Say whether a request asks for a WebSocket."""
    return is_upgrade(headers) and headers.get("Upgrade", "").strip().lower() == "websocket"


def token_of(headers: Headers) -> str:
    """Return the encoded token among the subprotocols of a request; empty: there is none."""
    found = (name for name in _offered(headers) if name.startswith(TOKEN_PROTOCOL))
    return next(found, "").removeprefix(TOKEN_PROTOCOL)


def offered_protocols(headers: Headers) -> list[str]:
    """Return the subprotocols that a request offers, in their order, without a token among them.

    Refusals name what is offered, and the audit log has their text.
    """
    return [name for name in _offered(headers) if not name.startswith(TOKEN_PROTOCOL)]


def _offered(headers: Headers) -> list[str]:
    found = [
        name.strip() for value in headers.getall("Sec-WebSocket-Protocol", ()) for name in value.split(",")
    ]
    return [name for name in found if name]
