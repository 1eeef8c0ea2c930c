"""Turns objects into the values that etcd stores, and back: the envelope (`codec`), and a kind's encryption.

Values are encrypted and decrypted only here: every write of the group commit, and every read, list, watch and
deletion of `etcd/store`, calls this module.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import structs
from prometheus_client import CollectorRegistry, Counter

from apiserver.storage.codec import ENCRYPTED, decode_value, encode_value
from apiserver.storage.interface import Key, Stale, Stored, Unreadable
from apiserver.storage.keys import kind_of

if TYPE_CHECKING:
    from apiserver.storage.encryption.transform import Transformer


class Values:
    """The values of all kinds. Owned by one event loop."""

    def __init__(
        self,
        transformers: "Mapping[Key, Transformer] | None" = None,
        registry: CollectorRegistry | None = None,
    ) -> None:
        """Begin. `transformers` by the prefix of a kind's keys; other kinds are stored as they are."""
        self._operations = Counter(
            "apiserver_storage_transformation_operations",
            "Total number of transformations. Successful transformation will have a status 'OK' and a varied status string when the transformation fails.",
            ("resource", "transformation_type", "transformer_prefix", "status"), registry=registry,
        )  # fmt: skip
        self.use(transformers or {})

    def use(self, transformers: "Mapping[Key, Transformer]") -> None:
        """Write and read with other keys from now on."""
        self._transformers = dict(transformers)
        self._prefixes = tuple(self._transformers)

    def encode(self, key: Key, data: bytes, type_meta: tuple[str, str], position: int) -> bytes:
        """Return what etcd is to hold of an object (`codec.encode_value`)."""
        value = encode_value(data, type_meta, position)
        if not key.startswith(self._prefixes):
            return value
        stored = self._of(key).write(key, value)
        self._count(key, "to_storage", _prefix_of(stored), "OK")
        return stored

    def decode(self, key: Key, value: bytes, revision: int, ttl_seconds: int = 0) -> Stored:
        """Return the object that etcd holds (`codec.decode_value`); Stale when it is to be written anew.

        Raises Unreadable.
        """
        if not key.startswith(self._prefixes):
            if value.startswith(ENCRYPTED):
                raise untransformable(key, "identity transformer tried to read encrypted data")
            return decode_value(key, value, revision, ttl_seconds)
        plain, is_stale = self._read(key, value)
        stored = decode_value(key, plain, revision, ttl_seconds)
        return Stale(*structs.astuple(stored)) if is_stale else stored

    def _read(self, key: Key, value: bytes) -> tuple[bytes, bool]:
        try:
            read = self._of(key).read(key, value)
        except Unreadable:
            self._count(key, "from_storage", "unknown", "unknown-non-grpc")
            raise
        self._count(key, "from_storage", _prefix_of(value), "OK")
        return read

    def _of(self, key: Key) -> "Transformer":
        return next(found for prefix, found in self._transformers.items() if key.startswith(prefix))

    def _count(self, key: Key, what: str, prefix: str, status: str) -> None:
        kind = kind_of(key)
        self._operations.labels("" if kind is None else kind.resource, what, prefix, status).inc()


#: nothing is encrypted
PLAIN = Values()


def _prefix_of(value: bytes) -> str:
    """Return the prefix of the provider that wrote a value."""
    return "k8s:enc:aesgcm:v1:" if value.startswith(ENCRYPTED) else "identity"


def untransformable(key: Key, why: str) -> Unreadable:
    """Return the error of a value that no configured key reads, in upstream's words.

    They have no revision (apiserver `storage/etcd3/corrupt_obj_deleter.go`, corruptObjectError).
    """
    return Unreadable(key, 0, why, what="data from the storage is not transformable")
