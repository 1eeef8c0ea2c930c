"""What is asked about a bearer token that a caller shows; the REST server and TokenReview ask."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from vaina.serving.handlers import User


class TokenAuthenticator(Protocol):
    """Knows callers by their bearer tokens."""

    async def authenticate(self, token: str, audiences: Sequence[str] = ()) -> User:
        """Return whose token it is; the user is in `system:authenticated`.

        Args:
            token: what stands after `Bearer` in the header.
            audiences: the token is for one of these; empty: for the apiserver's own (`api_audiences`).

        Raises:
            Unauthorized: the token counts for nothing (`invalid bearer token`, and why); a server answers 401 in
                the plain word `Unauthorized`, and logs the error's text.
            ApiError: storage cannot be asked whether what the token is bound to still is.
        """
        ...


class Reviewed(NamedTuple):
    """Whose a token is, and for which of the audiences that were asked for."""

    user: User
    audiences: tuple[str, ...]


class TokenReviewer(Protocol):
    """Knows tokens for others, who were shown them."""

    async def review(self, token: str, audiences: Sequence[str] = ()) -> Reviewed:
        """Return whose token it is, and for whom. Raises as `TokenAuthenticator.authenticate` does."""
        ...


class Page(NamedTuple):
    """What a server answers to a GET of one path that is no resource."""

    content_type: str
    body: bytes
    #: for how long it may be kept (`Cache-Control: public, max-age=...`)
    max_age_seconds: int


#: by path; authorization asks for the verb `get` and the path
Pages = Mapping[str, Callable[[], Page]]
