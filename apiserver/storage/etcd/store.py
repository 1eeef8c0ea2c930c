"""Storage in etcd: reads, and writes through the group commit.

There are two group commits, each with its own writer key and its own transaction in flight. Keys with a lease
(Events) use the second one, so that no creation and no binding waits behind hundreds of Events (decision 167;
the reference can give Events an etcd of their own, `--etcd-servers-overrides`).

`run` must be running: it sends the batches. Made in `apiserver.storage.opening`; called by the cacher.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from random import Random

import structlog
from aetcd.rpc import rpc_pb2

from apiserver.storage import versions
from apiserver.storage.etcd.batch import Outcome, Write
from apiserver.storage.etcd.client import EtcdClient
from apiserver.storage.etcd.events import name_of, read_value
from apiserver.storage.etcd.failures import Compacted, FutureRevision, LeaseMissing
from apiserver.storage.etcd.group_commit import PATIENCE_SECONDS, GroupCommit
from apiserver.storage.etcd.leases import Leases, ttl_of
from apiserver.storage.etcd.watcher import Watcher
from apiserver.storage.interface import (
    CONSISTENT,
    MAX_BYTES,
    Key,
    KeyConflict,
    KeyExists,
    KeyMissing,
    Page,
    Put,
    PutResult,
    Read,
    StorageEvent,
    Stored,
    Unreadable,
    Version,
    oversize,
)
from apiserver.storage.keys import range_end
from apiserver.storage.metrics import StorageMetrics
from apiserver.storage.paging import PageFiller, too_large
from apiserver.storage.single_writes import SingleWrites
from apiserver.storage.values import PLAIN, Values
from vaina.clock import Clock
from vaina.errors import ApiError, Expired, Unavailable

_LOG = structlog.get_logger()
#: keys that one request of a list reads
_CHUNK = 1000
_LEASE_TRIES = 3
#: objects below this are not too large with any key
_LARGE = MAX_BYTES // 2
#: added to the writer's name for the group commit of keys with a lease
_PASSING = "-passing"


class EtcdStorage(SingleWrites):
    """What `Storage` promises, over one etcd cluster. Owned by one event loop."""

    def __init__(
        self,
        client: EtcdClient,
        writer: str,
        *,
        clock: Clock,
        rng: Random,
        metrics: StorageMetrics,
        patience_seconds: float = PATIENCE_SECONDS,
        values: Values = PLAIN,
    ) -> None:
        """Make a storage. `writer` names this process: no other that runs now may have the same name.

        While etcd is away, writes wait for `patience_seconds` before they are refused. `values` makes the
        bytes that etcd stores of an object.
        """
        self._client, self._metrics, self._values = client, metrics, values
        self._commit, self._passing = (
            GroupCommit(
                client, name, clock=clock, rng=rng, metrics=metrics, patience_seconds=patience_seconds,
                values=values,
            )
            for name in (writer, f"{writer}{_PASSING}")
        )  # fmt: skip
        self._leases = Leases(client, clock=clock, rng=rng)
        self._watchers: set[Watcher] = set()

    async def run(self) -> None:
        """Send batches until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._commit.run())
            tasks.create_task(self._passing.run())

    async def get(self, key: Key, read: Read = CONSISTENT) -> Stored | None:
        answer = await self._range(rpc_pb2.RangeRequest(key=key.encode()), read, "get")
        if not answer.kvs:
            return None
        kv = answer.kvs[0]
        try:
            return self._values.decode(key, kv.value, kv.mod_revision, ttl_of(kv.lease))
        except Unreadable as error:
            # It is an error, unlike in a list, because the caller wants this one object.
            self._unreadable(error)
            raise

    async def list(
        self,
        prefix: Key,
        read: Read = CONSISTENT,
        *,
        limit: int = 0,
        max_bytes: int = 0,
        after: Key | None = None,
    ) -> Page:
        filler, unreadable = PageFiller(limit, max_bytes), list[Key]()
        last, revision = after, 0
        while True:
            request = rpc_pb2.RangeRequest(
                key=prefix.encode() if last is None or last < prefix else last.encode() + b"\0",
                range_end=range_end(prefix),
                limit=min(limit - len(filler.items), _CHUNK) if limit else _CHUNK,
                revision=revision,
            )
            answer = await self._range(request, read, "list")
            # Everything after the first chunk is read as of the revision of the first.
            revision = request.revision or answer.header.revision
            used = 0
            for kv in answer.kvs:
                stored, name = read_value(kv, self._unreadable, self._values), name_of(kv)
                if stored is None:
                    unreadable.append(name)
                elif not filler.add(stored):
                    break
                last, used = name, used + 1
            left = answer.count - used
            if not left or used < len(answer.kvs) or filler.is_full:
                following = last if left else None
                return Page(filler.items, versions.whole(revision), following, left or None, unreadable)

    async def put_all(self, puts: Sequence[Put]) -> Sequence[PutResult]:
        results: list[PutResult | None] = [
            oversize(put.key, put.data) if len(put.data) > _LARGE else None for put in puts
        ]
        left: Sequence[int] = [index for index, refused in enumerate(results) if refused is None]
        for _ in range(_LEASE_TRIES):
            try:
                writes = await self._writes([puts[index] for index in left])
                # The puts of one call are of one kind: all have a lease, or none.
                outcomes = await self._by(writes[0].lease if writes else 0).submit_all(writes)
            except ApiError as error:
                # None of these was written; others may have been, in an earlier round.
                for index in left:
                    results[index] = error
                break
            again: list[int] = []
            for index, write, outcome in zip(left, writes, outcomes, strict=True):
                if isinstance(outcome, LeaseMissing):
                    again.append(index)
                else:
                    results[index] = _result(write, outcome)
            if not again:
                break
            self._leases.forget()
            left = again
        return [_leaseless() if result is None else result for result in results]

    async def _writes(self, puts: Sequence[Put]) -> Sequence[Write]:
        seconds = [put.ttl_seconds for put in puts]
        leases: Sequence[int] = seconds
        if any(seconds):
            leases = [await self._leases.lease_for(ttl) if ttl else 0 for ttl in seconds]
        return [
            Write(key, 0 if expected is None else _compared(expected), data, type_meta, lease)
            for (key, data, type_meta, expected, _), lease in zip(puts, leases, strict=True)
        ]

    async def delete(self, key: Key, *, expected: Version | None = None) -> Stored:
        """Remove a key. Without an expected version it is read first, again after each conflict."""
        while True:
            version = expected
            if version is None:
                current = await self.get(key)
                if current is None:
                    raise KeyMissing(key)
                version = current.version
            outcome = await self._commit.submit(Write(key, _compared(version)))
            if outcome.succeeded or not outcome.actual or expected is not None:
                break
        _check(key, outcome)
        found = outcome.previous
        previous = None if found is None else read_value(found, self._unreadable, self._values)
        data, type_meta = (previous.data, previous.type_meta) if previous is not None else (b"", ("", ""))
        return _stored(key, data, type_meta, outcome, 0)

    async def delete_unreadable(self, key: Key) -> Version:
        while True:
            answer = await self._range(rpc_pb2.RangeRequest(key=key.encode()), CONSISTENT, "get")
            if not answer.kvs:
                raise KeyMissing(key)
            kv = answer.kvs[0]
            stored = read_value(kv, self._unreadable, self._values)
            if stored is not None:
                raise KeyConflict(stored)
            outcome = await self._commit.submit(Write(key, kv.mod_revision))
            if outcome.succeeded:
                return versions.version_of(outcome.revision, outcome.position)

    async def watch(
        self, prefix: Key, *, after: Version, previous: bool = True
    ) -> AsyncGenerator[Sequence[StorageEvent], None]:
        await self._check_history(after)
        watcher = Watcher(self._client, previous=previous, unreadable=self._unreadable, values=self._values)
        self._watchers.add(watcher)
        try:
            async with aclosing(watcher.events(prefix, after)) as batches:
                async for batch in batches:
                    yield batch
        finally:
            self._watchers.discard(watcher)

    async def current_version(self) -> Version:
        return versions.whole(await self._client.revision("getCurrentResourceVersion"))

    async def request_progress(self) -> None:
        for watcher in list(self._watchers):
            await watcher.request_progress()

    def _by(self, lease: int) -> GroupCommit:
        """Return the group commit of a put. Either is correct, because etcd compares revisions."""
        return self._passing if lease else self._commit

    async def _range(self, request: "rpc_pb2.RangeRequest", read: Read, what: str) -> "rpc_pb2.RangeResponse":
        """Read with the wanted freshness. Reads are linearizable: only unknown versions are refused."""
        if read.exact is not None:
            request.revision = versions.revision_of(read.exact)
            if not request.revision:
                # Revision 0 would mean the newest one.
                raise Expired(f"The resourceVersion for the provided {what} is too old.")
        asked = read.exact if read.exact is not None else read.at_least
        try:
            answer = await self._client.range(request, what)
        except Compacted as error:
            raise Expired(f"The resourceVersion for the provided {what} is too old.") from error
        except FutureRevision:
            raise too_large(asked or Version(0), await self.current_version()) from None
        if asked is not None and versions.revision_of(asked) > answer.header.revision:
            raise too_large(asked, versions.whole(answer.header.revision))
        return answer

    async def _check_history(self, after: Version) -> None:
        """Refuse a watch from a revision that is not newer than the compacted one, or does not exist yet.

        etcd itself would serve the very revision of the compaction, but some releases of 3.5 drop its
        deletions.
        """
        before = versions.start_revision(after) - 1
        if before > 0:
            try:
                await self._client.revision("getCompacted", at=before)
            except Compacted as error:
                raise Expired("The resourceVersion for the provided watch is too old.") from error
            except FutureRevision:
                raise too_large(after, await self.current_version()) from None

    def _unreadable(self, error: Unreadable) -> None:
        self._metrics.decode_errors.inc()
        _LOG.error("stored object cannot be read", key=error.key, error=error.message)


def _compared(expected: Version) -> int:
    """Return the mod revision that a key must have; never 0, which would mean "there is no such key"."""
    return versions.revision_of(expected) or -1


def _leaseless() -> Unavailable:
    return Unavailable("etcd's leases end as soon as they are granted; nothing was written")


def _result(write: Write, outcome: Outcome | ApiError) -> PutResult:
    if not isinstance(outcome, Outcome):
        return outcome
    if outcome.succeeded:
        assert write.data is not None
        return _stored(write.key, write.data, write.type_meta, outcome, write.lease)
    if not write.expected:
        return KeyExists(write.key)
    return KeyConflict() if outcome.actual else KeyMissing(write.key)


def _check(key: Key, outcome: Outcome) -> None:
    if not outcome.succeeded:
        raise KeyConflict if outcome.actual else KeyMissing(key)


def _stored(key: Key, data: bytes, type_meta: tuple[str, str], outcome: Outcome, lease: int) -> Stored:
    version = versions.version_of(outcome.revision, outcome.position)
    return Stored(key, data, version, type_meta, ttl_of(lease))
