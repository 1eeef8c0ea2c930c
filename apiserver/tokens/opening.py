"""What the apiserver needs of tokens, as the configuration says; without an issuer there are none."""

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING
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
    from apiserver.tokens.keys import KeyFiles


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of ServiceAccounts: who makes them, and who knows them."""

    issuer: TokenIssuer
    reviewer: TokenReviewer
    #: by which others check them
    pages: Pages
    #: its `run` follows the files of the keys
    keys: "KeyFiles"


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
    from apiserver.tokens.authenticator import ServiceAccountTokens
    from apiserver.tokens.keys import KeyFiles
    from apiserver.tokens.openid import pages
    from apiserver.tokens.signing import sign

    keys = KeyFiles(signing_key, config.service_account_key_file, clock)
    audiences = config.api_audiences or issuers

    def sign_now(claims: Claims) -> str:
        return sign(claims, keys.current)

    return Tokens(
        TokenIssuer(
            issuers[0], audiences, sign_now, lambda: str(uuid.uuid4()),
            int(config.service_account_max_token_expiration),
            config.service_account_extend_token_expiration,
        ),
        ServiceAccountTokens(
            lambda: keys.current, issuers, audiences, Living(storage, clock), clock
        ),
        pages(issuers[0], config.service_account_jwks_uri, lambda: keys.current),
        keys,
    )  # fmt: skip
