"""How large an object may be, wherever it is stored: what fits into one transaction of etcd. Pure."""

from apiserver.storage.interface import Key
from vaina.errors import TooLarge

#: etcd refuses requests over 1.5 MiB; the rest is for the keys, compares and frames
MAX_BYTES = 1_500_000


def oversize(key: Key, data: bytes) -> TooLarge | None:
    """Return the refusal of an object that is too large; None when it can be stored."""
    if len(data) + 3 * len(key) <= MAX_BYTES:
        return None
    return TooLarge(f"the object at {key} has {len(data)} bytes; at most {MAX_BYTES} can be stored")
