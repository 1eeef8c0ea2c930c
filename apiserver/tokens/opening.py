"""What the apiserver needs of tokens, as the configuration says; without an issuer there are none."""

import uuid
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from apiserver.config import ApiserverConfig
from apiserver.storage.interface import CachedStorage
from apiserver.tokens.claims import Claims
from apiserver.tokens.interface import Pages, TokenReviewer
from apiserver.tokens.issuer import TokenIssuer
from apiserver.tokens.living import Living
from vaina.clock import Clock
from vaina.config import ConfigError

if TYPE_CHECKING:
    from apiserver.tokens.signing import GetKeys


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of ServiceAccounts: who makes them, and who knows them."""

    issuer: TokenIssuer
    reviewer: TokenReviewer
    #: by which others check them
    pages: Pages
    #: follows the files of the keys until it is cancelled
    run: Callable[[], Coroutine[Any, Any, None]]


def open_tokens(config: ApiserverConfig, storage: CachedStorage, clock: Clock) -> Tokens | None:
    """Read the keys. Raises ConfigError: one cannot be used, or the configuration says too little."""
    issuers, signing_key = config.service_account_issuer, config.service_account_signing_key_file
    if not issuers and not signing_key and not config.service_account_key_file:
        return None
    if not issuers or not issuers[0] or not signing_key:
        raise ConfigError(
            "service_account_signing_key_file and service_account_issuer are wanted together: one alone makes no tokens"
        )
    for issuer in issuers:
        if ":" in issuer and not urlsplit(issuer).scheme:
            raise ConfigError(f"service_account_issuer: \"{issuer}\" contained a ':' but was not a valid URL")
    # Here alone: an apiserver without tokens does without the libraries.
    from apiserver.tokens.keys import KeyFiles

    keys = KeyFiles(signing_key, config.service_account_key_file, clock)
    return make_tokens(lambda: keys.current, config, storage, clock, keys.run)


def make_tokens(
    get_keys: "GetKeys",
    config: ApiserverConfig,
    storage: CachedStorage,
    clock: Clock,
    run: Callable[[], Coroutine[Any, Any, None]],
) -> Tokens:
    """Make what the configuration says, of keys that may change."""
    from apiserver.tokens.authenticator import ServiceAccountTokens
    from apiserver.tokens.openid import pages
    from apiserver.tokens.signing import sign

    issuers = config.service_account_issuer
    audiences = config.api_audiences or issuers

    def sign_now(claims: Claims) -> str:
        return sign(claims, get_keys())

    issuer = TokenIssuer(
        issuers[0], audiences, sign_now, lambda: str(uuid.uuid4()),
        int(config.service_account_max_token_expiration), config.service_account_extend_token_expiration,
    )  # fmt: skip
    return Tokens(
        issuer,
        ServiceAccountTokens(get_keys, issuers, audiences, Living(storage, clock), clock),
        pages(issuers[0], config.service_account_jwks_uri, get_keys),
        run,
    )
