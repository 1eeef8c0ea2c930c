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
    """Writes values in the first of its ways, and reads them in all."""

    def __init__(self, ways: Sequence[Way]) -> None:
        self._ways = tuple(ways)

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
        why = ""
        for index, (prefix, cipher) in enumerate(self._ways):
            if cipher is None and not stored.startswith(ENCRYPTED):
                return stored, index != 0
            if cipher is None or not stored.startswith(prefix):
                continue
            rest = stored[len(prefix) :]
            if len(rest) < _NONCE_BYTES:
                why = "the stored data was shorter than the required size"
                continue
            try:
                value = cipher.decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], key.encode())
            except InvalidTag:
                # Another key may have the same name.
                why = "cipher: message authentication failed"
                continue
            return value, index != 0
        raise untransformable(key, why or self._no_match(stored))

    def _no_match(self, stored: bytes) -> str:
        has_keys = any(way.cipher is not None for way in self._ways)
        if has_keys and stored.startswith(AESGCM_PREFIX):
            return "no matching key was found for the provided AES transformer"
        return "no matching prefix found"
