"""From claims to a token and back: JWTs in compact form, checked with the key that they name."""

import json
from collections.abc import Callable
from typing import Final

from joserfc import jws
from joserfc.errors import JoseError

from apiserver.tokens.claims import Claims, read_claims
from apiserver.tokens.keys import Keys
from vaina.errors import Unauthorized

#: longer tokens are not looked at: one of ours with names of full length, and many audiences, is shorter
MAX_TOKEN: Final = 16_384
#: no token, or none of ours
INVALID: Final = "invalid bearer token"

GetKeys = Callable[[], Keys]


def sign(claims: Claims, keys: Keys) -> str:
    """Return the token that says something."""
    key = keys.signing
    header = {"alg": key.algorithm, "kid": key.id}
    payload = json.dumps(claims.to_json(), separators=(",", ":"), ensure_ascii=False)
    return jws.serialize_compact(header, payload.encode(), key.jwk, algorithms=[key.algorithm])


def verify(token: str, keys: Keys) -> Claims:
    """Return what a token says whose signature is right. Raises Unauthorized."""
    if len(token) > MAX_TOKEN or token.count(".") != 2 or not token.isascii():
        raise Unauthorized(INVALID)
    encoded = token.encode()
    try:
        header = jws.extract_compact(encoded).headers()
        key = keys.trusted.get(str(header.get("kid", "")))
        if key is None:
            raise Unauthorized(f"{INVALID}: invalid signature, no keys found")
        # What else a header may ask for (crit, jwk, jku, x5c) is refused or read by nobody: the key is ours.
        found = jws.deserialize_compact(encoded, key.jwk, algorithms=[key.algorithm])
        payload = json.loads(found.payload)
    except (JoseError, ValueError, RecursionError, TypeError, AttributeError) as error:
        raise Unauthorized(INVALID) from error
    if not isinstance(payload, dict):
        raise Unauthorized(INVALID)
    return read_claims(payload)
