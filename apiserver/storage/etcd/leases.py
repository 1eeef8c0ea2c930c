"""Leases for keys with a time to live. At most 100 keys share one; etcd deletes them in one revision.

The lease's id contains the time to live, so that every key tells it without a call to etcd.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from random import Random

from apiserver.storage.etcd.client import EtcdClient
from apiserver.storage.etcd.failures import LeaseExists
from vaina.clock import Clock

#: keys of one lease; etcd deletes them together, in one revision
MAX_KEYS = 100
#: keys get the same lease during this share of its time to live, and at most so many seconds; a key lives
#: longer by this time
_REUSE_SHARE, _REUSE_SECONDS = 0.05, 60
#: an id has 15 bits of a mark, 24 random ones, and 24 of seconds
_MARK = 0x5641
_TTL_BITS = 24


def lease_id(ttl_seconds: int, rng: Random) -> int:
    """Return an id for a lease; it holds the time to live (below 194 days)."""
    return _MARK << 48 | rng.getrandbits(24) << _TTL_BITS | min(ttl_seconds, (1 << _TTL_BITS) - 1)


def ttl_of(lease: int) -> int:
    """Return the time to live of a key's lease; 0 without a lease, or when another program granted it."""
    return lease & ((1 << _TTL_BITS) - 1) if lease >> 48 == _MARK else 0


@dataclass(slots=True)
class _Shared:
    """A lease that may still get more keys."""

    id: int
    #: monotonic second
    usable_until: float
    keys: int = 0


class Leases:
    """Grants leases and shares them. Owned by one event loop."""

    def __init__(self, client: EtcdClient, *, clock: Clock, rng: Random) -> None:
        self._client, self._clock, self._rng = client, clock, rng
        #: seconds to live -> the lease in use
        self._shared: dict[int, _Shared] = {}
        self._locks: dict[int, asyncio.Lock] = {}

    def ready(self, ttl_seconds: int) -> int | None:
        """Return a lease for one more key; None when one must be granted first (`lease_for`)."""
        if ttl_seconds <= 0:
            return 0
        shared = self._shared.get(ttl_seconds)
        if shared is None or shared.keys >= MAX_KEYS or self._clock.monotonic() >= shared.usable_until:
            return None
        shared.keys += 1
        return shared.id

    async def lease_for(self, ttl_seconds: int) -> int:
        """Return a lease for one more key; 0 for a key that lives for ever. Raises what the client raises."""
        lease = self.ready(ttl_seconds)
        if lease is not None:
            return lease
        async with self._locks.setdefault(ttl_seconds, asyncio.Lock()):
            # Another caller may have got one meanwhile.
            lease = self.ready(ttl_seconds)
            if lease is None:
                now, reuse = self._clock.monotonic(), min(_REUSE_SECONDS, ttl_seconds * _REUSE_SHARE)
                lease = await self._grant(ttl_seconds, int(reuse))
                self._shared[ttl_seconds] = _Shared(lease, now + reuse, keys=1)
            return lease

    async def _grant(self, ttl_seconds: int, more_seconds: int) -> int:
        while True:
            lease = lease_id(ttl_seconds, self._rng)
            # There are 16 million ids: another process may have drawn the same.
            with suppress(LeaseExists):
                await self._client.grant(lease, ttl_seconds + more_seconds)
                return lease

    def forget(self) -> None:
        """Share no present lease any more, because one of them has ended early."""
        self._shared.clear()
