"""Who sends a request: the certificate of the connection, a bearer token, or nobody.

The order is upstream's (`pkg/kubeapiserver/authenticator/config.go`): the first that knows the caller counts.
What a request without any of them may do is what everybody may, where rights are given by roles; where
everything is allowed nobody is anonymous, as on upstream.
"""

import base64
import ssl
from functools import lru_cache

from aiohttp import web
from multidict import CIMultiDictProxy

from apiserver.rest.upgrades import is_websocket, token_of
from apiserver.tokens.interface import TokenAuthenticator
from vaina.errors import Unauthorized
from vaina.serving.authentication import Authenticator, Caller
from vaina.serving.handlers import ANONYMOUS, IN_THE_CLEAR, RequestContext, User


class Callers:
    """Tells the callers of the REST API apart. Owned by its event loop."""

    def __init__(
        self, certificates: Authenticator | None, tokens: TokenAuthenticator | None, *, anonymous: bool
    ) -> None:
        """Make it.

        Args:
            certificates: of TLS; None: in the clear, and everybody may do anything.
            tokens: None: there are none.
            anonymous: whether a request without credentials is served at all.
        """
        self._certificates, self._tokens, self._anonymous = certificates, tokens, anonymous

    async def identify(self, http: web.BaseRequest, rpc: RequestContext) -> Caller | None:
        """Say in the context of a request who sends it; return the holder of the certificate, if there is one.

        Raises Unauthorized.
        """
        if self._certificates is None:
            rpc.user = IN_THE_CLEAR
            return None
        shown = _certificate_of(http)
        if shown is not None:
            return self._certificates.identify_certificate(shown, rpc)
        token = _bearer(http.headers)
        if token:
            rpc.user = await self._by_token(token, rpc.peer)
            return None
        if not self._anonymous:
            self._certificates.refused(rpc.peer, "no credentials")
            raise Unauthorized("Unauthorized")
        rpc.user = ANONYMOUS
        return None

    async def _by_token(self, token: str, peer: str) -> User:
        assert self._certificates is not None
        if self._tokens is None:
            self._certificates.refused(peer, "tokens are not known here")
            raise Unauthorized("Unauthorized")
        try:
            user = await self._tokens.authenticate(token)
        except Unauthorized as error:
            self._certificates.refused(peer, str(error))
            # Why a token does not count is nothing for who shows it.
            raise Unauthorized("Unauthorized") from error
        self._certificates.succeeded()
        return user


def _certificate_of(http: web.BaseRequest) -> bytes | None:
    """Return the certificate that the client of a connection has shown, PEM; None: none."""
    transport = http.transport
    connection = None if transport is None else transport.get_extra_info("ssl_object")
    shown = None if connection is None else connection.getpeercert(binary_form=True)
    return _pem(shown) if shown else None


@lru_cache(maxsize=1024)
def _pem(shown: bytes) -> bytes:
    return ssl.DER_cert_to_PEM_cert(shown).encode()


def _bearer(headers: CIMultiDictProxy[str]) -> str:
    """Return the token of a request; empty: there is none.

    It stands in the Authorization header (`bearertoken.go`), or among the subprotocols that a WebSocket may
    speak (`websocket/protocol.go`): pages of a browser cannot send the other.
    """
    words = headers.get("Authorization", "").strip().split(" ", 2)
    if len(words) > 1 and words[0].lower() == "bearer":
        return words[1]
    encoded = token_of(headers) if is_websocket(headers) else ""
    try:
        return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
    except ValueError:
        return encoded
