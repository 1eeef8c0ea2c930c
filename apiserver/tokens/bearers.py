"""All bearer tokens that the apiserver knows: of ServiceAccounts, and bootstrap tokens."""

from collections.abc import Sequence

from apiserver.tokens.bootstrap import BootstrapTokens, is_bootstrap_token
from apiserver.tokens.interface import Reviewed
from apiserver.tokens.opening import Tokens
from vaina.errors import Unauthorized
from vaina.serving.handlers import User


class Bearers:
    """A TokenAuthenticator and TokenReviewer over both. The form of a token says of which kind it is."""

    def __init__(self, bootstrap: BootstrapTokens, tokens: Tokens | None) -> None:
        """Make it; `tokens` are those of ServiceAccounts, where there are any."""
        self._bootstrap = bootstrap
        self._accounts = None if tokens is None else tokens.reviewer
        self._audiences = () if tokens is None else tokens.issuer.audiences

    async def authenticate(self, token: str, audiences: Sequence[str] = ()) -> User:
        """Return whose token it is (`TokenAuthenticator`). Raises Unauthorized, ApiError."""
        return (await self.review(token, audiences)).user

    async def review(self, token: str, audiences: Sequence[str] = ()) -> Reviewed:
        """Return whose token it is, and for whom (`TokenReviewer`). Raises Unauthorized, ApiError."""
        if is_bootstrap_token(token):
            # They name no audience: they are the apiserver's own.
            wanted = audiences or self._audiences
            shared = tuple(audience for audience in wanted if audience in self._audiences)
            if wanted and not shared:
                raise Unauthorized("invalid bearer token")
            return Reviewed(self._bootstrap.user_of(token), shared)
        if self._accounts is None:
            raise Unauthorized("invalid bearer token")
        return await self._accounts.review(token, audiences)
