"""PURE: which token a request gets: for whom, for how long, and what it says.

Follows `pkg/registry/core/serviceaccount/storage/token.go` (TokenREST.Create).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from apiserver.tokens.claims import EXTENDED_SECONDS, Bound, Claims, Ref
from vaina.objects.service_accounts import MOUNTED_SECONDS


@dataclass(frozen=True, slots=True)
class TokenIssuer:
    """Makes tokens of ServiceAccounts."""

    #: as which the tokens are signed
    issuer: str
    #: of tokens that are asked for without any
    audiences: tuple[str, ...]
    sign: Callable[[Claims], str]
    #: makes what tells one token from all others
    new_id: Callable[[], str]
    #: seconds that a token holds at most; 0: as it was asked for
    max_seconds: int = 0
    #: mounted tokens hold a year, for programs that read them once
    extends: bool = False

    def claims(
        self, namespace: str, account: Ref, bound: Bound, audiences: Sequence[str], seconds: int, now: float
    ) -> Claims:
        """Return what the token says that is made for an account."""
        made, expires, warn_after = int(now), int(now) + seconds, 0
        is_own = set(audiences) <= set(self.audiences)
        if self.extends and bound.pod is not None and seconds == MOUNTED_SECONDS and is_own:
            extended = min(EXTENDED_SECONDS, self.max_seconds or EXTENDED_SECONDS)
            expires, warn_after = made + extended, expires
        return Claims(
            self.issuer, namespace, account, tuple(audiences), made, made, expires, self.new_id(), bound, warn_after
        )  # fmt: skip
