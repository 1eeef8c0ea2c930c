"""PURE: the pages by which others check tokens of this cluster without asking it: OpenID's discovery.

Follows `pkg/serviceaccount/openidmetadata.go` and `pkg/routes/openidmetadata.go`.
"""

import json
from functools import partial
from typing import Any, Final

from apiserver.tokens.interface import Page, Pages
from apiserver.tokens.keys import Key, Keys
from apiserver.tokens.signing import GetKeys

CONFIG_PATH: Final = "/.well-known/openid-configuration"
JWKS_PATH: Final = "/openid/v1/jwks"
_MAX_AGE_SECONDS: Final = 3600
#: the order of go-jose
_FIELDS: Final = ("kty", "kid", "crv", "alg", "n", "e", "x", "y")


def pages(issuer: str, jwks_uri: str, get_keys: GetKeys) -> Pages:
    """Return the pages by their paths; `jwks_uri`: where others find the keys, or empty: at the issuer."""
    uri = jwks_uri or f"{issuer.rstrip('/')}{JWKS_PATH}"
    return {
        CONFIG_PATH: partial(_configuration, issuer, uri, get_keys),
        JWKS_PATH: partial(_key_set, get_keys),
    }


def _configuration(issuer: str, jwks_uri: str, get_keys: GetKeys) -> Page:
    found = {
        "issuer": issuer, "jwks_uri": jwks_uri, "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": sorted({key.algorithm for key in _public(get_keys())}),
    }  # fmt: skip
    return Page("application/json", _json(found), _MAX_AGE_SECONDS)


def _key_set(get_keys: GetKeys) -> Page:
    found = {"keys": [_jwk(key) for key in _public(get_keys())]}
    return Page("application/jwk-set+json", _json(found), _MAX_AGE_SECONDS)


def _public(keys: Keys) -> list[Key]:
    return [*keys.trusted.values()]


def _jwk(key: Key) -> dict[str, Any]:
    known: dict[str, Any] = {**key.jwk.as_dict(private=False), "kid": key.id, "alg": key.algorithm}
    return {"use": "sig"} | {field: known[field] for field in _FIELDS if field in known}


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
