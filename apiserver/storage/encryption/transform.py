"""How the stored values of a kind are encrypted and read again. PURE but for the nonces.

The format is upstream's, so that a kube-apiserver can take the data over, and we its: the name of a provider
and of a key, a nonce of 12 random bytes, and AES-GCM of what would be stored otherwise (apiserver
`pkg/storage/value/transformer.go`, `encrypt/aes/aes.go`, `encrypt/identity/identity.go`). The authenticated
data are the etcd key: a value that is copied to another key cannot be read there.

`cryptography` is imported here: import this module only where encryption is configured.
"""

import os
from collections.abc import Sequence
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from apiserver.storage.codec import ENCRYPTED
from apiserver.storage.interface import Key
from apiserver.storage.values import untransformable

AESGCM_PREFIX: Final = b"k8s:enc:aesgcm:v1:"
_NONCE_BYTES: Final = 12
_TOO_SHORT: Final = "the stored data was shorter than the required size"


class Way(NamedTuple):
    """A way to store a value: with a key, or as it is."""

    #: what its values begin with; empty without a key
    prefix: bytes = b""
    cipher: AESGCM | None = None


def aesgcm(name: str, secret: bytes) -> Way:
    """Return the way of a named key of 16, 24 or 32 bytes."""
    return Way(AESGCM_PREFIX + name.encode() + b":", AESGCM(secret))


IDENTITY: Final = Way()


class Transformer:
    """Writes values in the first way of the first provider, and reads them in all."""

    def __init__(self, *providers: Sequence[Way]) -> None:
        self._providers = providers
        self._ways = tuple(way for ways in providers for way in ways)

    def write(self, key: Key, value: bytes) -> bytes:
        """Return what etcd is to hold at a key."""
        prefix, cipher = self._ways[0]
        if cipher is None:
            return value
        # Random nonces allow 2^32 writes with a key (NIST SP 800-38D).
        nonce = os.urandom(_NONCE_BYTES)
        return b"".join((prefix, nonce, cipher.encrypt(nonce, value, key.encode())))

    def read(self, key: Key, stored: bytes) -> tuple[bytes, bool]:
        """Return the value that etcd holds at a key, and whether it is to be written anew: in another way.

        Raises Unreadable.
        """
        for index, way in enumerate(self._ways):
            if way.cipher is None and not stored.startswith(ENCRYPTED):
                return stored, index != 0
            if way.cipher is not None and stored.startswith(way.prefix):
                value = _open(way.cipher, key, stored[len(way.prefix) :])
                # Another key may have the same name.
                if value is not None:
                    return value, index != 0
        raise untransformable(key, self._why(stored))

    def _why(self, stored: bytes) -> str:
        """Say why no way reads a value: what each provider says, once."""
        found: dict[str, None] = {}
        for ways in self._providers:
            keys = [way for way in ways if way.cipher is not None]
            if not keys or not stored.startswith(AESGCM_PREFIX):
                continue
            named = [way for way in keys if stored.startswith(way.prefix)]
            if not named:
                found["no matching key was found for the provided AES transformer"] = None
            for way in named:
                is_short = len(stored) - len(way.prefix) < _NONCE_BYTES
                found[_TOO_SHORT if is_short else "cipher: message authentication failed"] = None
        if not found:
            return "no matching prefix found"
        return next(iter(found)) if len(found) == 1 else f"[{', '.join(found)}]"


def _open(cipher: AESGCM, key: Key, sealed: bytes) -> bytes | None:
    """Return what is in a nonce and a ciphertext; None: another key, or another place, or changed."""
    if len(sealed) < _NONCE_BYTES:
        return None
    try:
        return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], key.encode())
    except InvalidTag:
        return None
