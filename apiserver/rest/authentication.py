"""Who sends a request: the certificate of the connection, a bearer token, or nobody."""

from collections.abc import Sequence
from typing import Protocol

from vaina.serving.handlers import User


class TokenAuthenticator(Protocol):
    """Tells callers by their tokens."""

    def authenticate(self, token: str, audiences: Sequence[str] = ()) -> User:
        """Return whose token it is. Raises Unauthorized."""
        ...
