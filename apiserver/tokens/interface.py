"""What a door asks about a token that a caller shows; the REST door and TokenReview ask."""

from collections.abc import Sequence
from typing import Protocol

from vaina.serving.handlers import User


class TokenAuthenticator(Protocol):
    """Knows callers by their bearer tokens."""

    async def authenticate(self, token: str, audiences: Sequence[str] = ()) -> User:
        """Return whose token it is; the user is in `system:authenticated`.

        Args:
            token: what stands after `Bearer` in the header.
            audiences: the token is for one of these; empty: for the apiserver's own (`api_audiences`).

        Raises:
            Unauthorized: the token counts for nothing (`invalid bearer token`, and why); a door answers 401 in
                the plain word `Unauthorized`, and logs the error's text.
            ApiError: storage cannot be asked whether what the token is bound to still is.
        """
        ...
