"""Continue tokens: where a list goes on, as clients carry it. Pure.

The form is upstream's (apiserver `storage/continue.go`): base64url of
{"v":"meta.k8s.io/v1","rv":N,"start":"..."}, where start is the last key given, below the prefix of the list.
rv -1 means: at whatever version is current.
"""

import base64
import binascii
import posixpath

import msgspec

from apiserver.storage.interface import Key, Version
from vaina.errors import BadRequest

_TOKEN_VERSION = "meta.k8s.io/v1"  # noqa: S105 - not a password
#: a token holds a key of at most 253 + 63 characters and a number
_MAX_TOKEN = 4096


class _Token(msgspec.Struct):
    v: str
    rv: int
    start: str


def encode(prefix: Key, last: Key, version: Version | int) -> str:
    """Return the token to go on after `last` at a version (-1: the current one)."""
    start = last[len(prefix) :] + "\0"
    raw = msgspec.json.encode(_Token(_TOKEN_VERSION, int(version), start))
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(prefix: Key, token: str) -> tuple[Key, Version | None]:
    """Return the key to go on after, and the list's version (None: the current one). Raises BadRequest."""
    if len(token) > _MAX_TOKEN:
        raise BadRequest("continue key is not valid: it is too long")
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        found = msgspec.json.decode(raw, type=_Token)
    except (ValueError, binascii.Error, msgspec.DecodeError) as error:
        raise BadRequest(f"continue key is not valid: {error}") from error
    if found.v != _TOKEN_VERSION:
        raise BadRequest(
            f"continue key is not valid: server does not recognize this encoded version {found.v}"
        )
    if found.rv == 0 or found.rv < -1:
        raise BadRequest(
            f"continue key is not valid: incorrect encoded start resourceVersion (version {_TOKEN_VERSION})"
        )
    start = found.start.removesuffix("\0")
    if not start:
        raise BadRequest(f"continue key is not valid: encoded start key empty (version {_TOKEN_VERSION})")
    if start.startswith("/") or posixpath.normpath(f"/{start}") != f"/{start}":
        raise BadRequest(f"continue key is not valid: {start}")
    return Key(prefix + start), Version(found.rv) if found.rv > 0 else None
