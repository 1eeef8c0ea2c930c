"""Knows callers by the tokens of their ServiceAccounts.

Follows `pkg/serviceaccount/jwt.go` (jwtTokenAuthenticator). Of a token what it says is kept, by its hash, once
its signature was right; whether it counts is asked for each call: keys, times, and whether what it is bound to
lives. So it counts no more as soon as the watch cache knows of a deletion; upstream keeps answers for ten
seconds.
"""

import hashlib
from collections.abc import Sequence
from typing import Final

from apiserver.tokens.claims import Claims
from apiserver.tokens.interface import Reviewed
from apiserver.tokens.keys import Keys
from apiserver.tokens.living import Living
from apiserver.tokens.signing import INVALID, GetKeys, verify
from vaina.clock import Clock
from vaina.errors import Unauthorized
from vaina.objects.rules import quoted
from vaina.serving.handlers import User

#: tokens whose signature is known; upstream's cache has as many
MAX_KNOWN: Final = 32_768


class ServiceAccountTokens:
    """The authenticator. Owned by one event loop."""

    def __init__(
        self, keys: GetKeys, issuers: Sequence[str], audiences: Sequence[str], living: Living, clock: Clock
    ) -> None:
        """Make it; `audiences` are the apiserver's own."""
        self._keys, self._issuers, self._audiences = keys, frozenset(issuers), tuple(audiences)
        self._living, self._clock = living, clock
        self._known: dict[bytes, tuple[Claims, User]] = {}
        self._known_by: Keys | None = None

    async def authenticate(self, token: str, audiences: Sequence[str] = ()) -> User:
        """Return whose token it is (`TokenAuthenticator`). Raises Unauthorized, ApiError."""
        return (await self.review(token, audiences)).user

    async def review(self, token: str, audiences: Sequence[str] = ()) -> Reviewed:
        """Return whose token it is, and for whom. Raises Unauthorized, ApiError."""
        claims, user = self._read(token)
        if claims.issuer not in self._issuers:
            raise Unauthorized(INVALID)
        wanted = audiences or self._audiences
        shared = tuple(audience for audience in claims.audiences if audience in wanted)
        if not shared:
            raise Unauthorized(
                f"token audiences {quoted(claims.audiences)} is invalid for the target audiences {quoted(wanted)}"
            )
        claims.check_time(self._clock.now())
        await self._living.check(claims)
        return Reviewed(user, shared)

    def _read(self, token: str) -> tuple[Claims, User]:
        keys = self._keys()
        if keys is not self._known_by:
            # A key that is trusted no more takes its tokens with it.
            self._known.clear()
            self._known_by = keys
        digest = hashlib.sha256(token.encode(errors="surrogatepass")).digest()
        known = self._known.get(digest)
        if known is None:
            claims = verify(token, keys)
            known = claims, claims.user()
            if len(self._known) >= MAX_KNOWN:
                self._known.pop(next(iter(self._known)))
            self._known[digest] = known
        return known
