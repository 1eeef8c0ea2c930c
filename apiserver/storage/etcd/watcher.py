"""A watch on etcd over the raw stub, because the watchers of client libraries drop progress and fragments."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import grpc.aio
from aetcd.rpc import rpc_pb2

from apiserver.storage import versions
from apiserver.storage.etcd.client import EtcdClient, WatchCall, translated
from apiserver.storage.etcd.events import EventReader, OnUnreadable
from apiserver.storage.interface import Key, StorageEvent, Version
from apiserver.storage.keys import REGISTRY, range_end
from apiserver.storage.paging import too_large
from apiserver.storage.values import PLAIN, Values
from vaina.errors import Expired, Unavailable

#: a stream that was silent for so long is dead, because the feed requests progress every 10 s
_SILENCE_SECONDS = 30.0
_PROGRESS = rpc_pb2.WatchRequest(progress_request=rpc_pb2.WatchProgressRequest())


class Watcher:
    """One watch stream of all keys below /registry/, because positions need all events of a revision."""

    def __init__(
        self, client: EtcdClient, *, previous: bool, unreadable: OnUnreadable, values: Values = PLAIN
    ) -> None:
        """Make a watcher; nothing is opened yet. With `previous` events have the state before."""
        self._client, self._previous, self._unreadable, self._values = client, previous, unreadable, values
        #: set once the stream is created; before that nothing may be written to it
        self._call: WatchCall | None = None
        #: gRPC takes one message at a time; a second ends the call
        self._writing = asyncio.Lock()

    async def events(self, prefix: Key, after: Version) -> AsyncGenerator[Sequence[StorageEvent], None]:
        """Yield batches of events until closed.

        Raises:
            Expired: `after` is compacted.
            Timeout: `after` does not exist yet, or no more (`vaina.errors.is_version_too_large`); the stream
                broke.
            Unavailable: the stream broke.
        """
        reader = EventReader(after, prefix, self._unreadable, self._values)
        with self._client.watch() as call:
            await call.write(self._create(after))
            # So the first answer is the stream's revision, even when nothing happens.
            await call.write(_PROGRESS)
            self._call = call
            try:
                while True:
                    answer = await _read(call)
                    await self._check(answer, after)
                    events = reader.read(answer)
                    if events:
                        yield events
            finally:
                self._call = None

    async def request_progress(self) -> None:
        """Have etcd send its revision after all earlier events. Raises Unavailable, Timeout."""
        call = self._call
        if call is None:
            return
        with translated():
            # Shielded, because grpc.aio ends the whole call when a write is cancelled, and the reader that
            # requests progress may give up.
            await asyncio.shield(self._write(call))

    async def _write(self, call: WatchCall) -> None:
        async with self._writing:
            await call.write(_PROGRESS)

    async def _check(self, answer: "rpc_pb2.WatchResponse", after: Version) -> None:
        """Raise the error of an answer that ends the stream."""
        if answer.canceled:
            if answer.compact_revision:
                raise Expired("The resourceVersion for the provided watch is too old.")
            raise Unavailable(f"etcd ended the watch: {answer.cancel_reason}", retry_seconds=1)
        revision = versions.revision_of(after)
        if answer.created and answer.header.revision < revision:
            # This member may only lag: it catches up, and sends the later events. A quorum read gives etcd's
            # newest revision.
            newest = await self._client.revision("watch")
            if newest < revision:
                raise too_large(after, versions.whole(newest))

    def _create(self, after: Version) -> "rpc_pb2.WatchRequest":
        return rpc_pb2.WatchRequest(
            create_request=rpc_pb2.WatchCreateRequest(
                key=REGISTRY.encode(),
                range_end=range_end(REGISTRY),
                start_revision=max(versions.start_revision(after), 1),
                progress_notify=True,
                prev_kv=self._previous,
                fragment=True,
            )
        )


async def _read(call: WatchCall) -> "rpc_pb2.WatchResponse":
    try:
        async with asyncio.timeout(_SILENCE_SECONDS):
            answer: Any = await call.read()
    except TimeoutError:
        raise Unavailable("etcd's watch is silent", retry_seconds=1) from None
    if answer is grpc.aio.EOF:  # type: ignore[attr-defined]  # missing in the stubs
        raise Unavailable("etcd ended the watch", retry_seconds=1)
    return answer
