"""Turns etcd's watch events into storage's: gives positions, joins fragments, drops events before a version.

Pure. Every apiserver derives the same versions, because each one watches the whole prefix and gets all events
of a revision together.
"""

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from aetcd.rpc import kv_pb2, rpc_pb2
from msgspec import structs

from apiserver.storage import versions
from apiserver.storage.etcd.leases import ttl_of
from apiserver.storage.interface import EventType, Key, StorageEvent, Stored, Unreadable, Version
from apiserver.storage.values import PLAIN, Values
from vaina.errors import Expired

_DELETE: Final = kv_pb2.Event.DELETE
#: called with the error of a value that cannot be read
OnUnreadable: TypeAlias = Callable[[Unreadable], None]


class EventReader:
    """Turns the answers of one watch stream into batches of events. It keeps fragments until the last one."""

    def __init__(self, after: Version, prefix: Key, unreadable: OnUnreadable, values: Values = PLAIN) -> None:
        """Make a reader of events after a version; keys without the prefix only count for positions."""
        self._after, self._prefix, self._unreadable, self._values = after, prefix, unreadable, values
        self._fragments: list[kv_pb2.Event] = []
        #: the number of events whose version is the one after which the watch resumes
        self._at_after = 0
        #: the version of the last event
        self._last: Version | None = None

    def read(self, answer: "rpc_pb2.WatchResponse") -> list[StorageEvent]:
        """Return the events of an answer; none while more fragments of it follow. Progress is a BOOKMARK.

        Raises Expired when several events share the version to resume after: it does not say which were seen.
        """
        events: Sequence[kv_pb2.Event] = answer.events
        if answer.fragment:
            self._fragments.extend(events)
            return []
        if self._fragments:
            events, self._fragments = [*self._fragments, *events], []
        if not events:
            version = versions.whole(answer.header.revision)
            if answer.created or version < self._after:
                return []
            return [StorageEvent(EventType.BOOKMARK, self._prefix, version, None)]
        found: list[StorageEvent] = []
        after, prefix = self._after, self._prefix
        for event in events:
            read = self._event(event)
            self._last = version = read.version
            if version > after:
                if read.key.startswith(prefix):
                    found.append(read)
            elif version == after:
                self._count_at_after(read.key)
        return found

    def _count_at_after(self, key: Key) -> None:
        self._at_after += key.startswith(self._prefix)
        if self._at_after > 1:
            raise Expired("The resourceVersion for the provided watch is too old.")

    def _event(self, event: "kv_pb2.Event") -> StorageEvent:
        """Return one of etcd's events as storage's."""
        kv, revision = event.kv, event.kv.mod_revision
        previous = (
            read_value(event.prev_kv, self._unreadable, self._values) if event.HasField("prev_kv") else None
        )
        last = self._last
        # The position of the event before, if it has the same revision: positions never decrease within one.
        is_same = last is not None and versions.revision_of(last) == revision
        before = versions.position_of(last) if last is not None and is_same else None
        is_deletion = event.type == _DELETE
        stored = None if is_deletion else read_value(kv, self._unreadable, self._values)
        kind = EventType.ADDED if kv.create_revision == revision else EventType.MODIFIED
        if stored is None:
            # A value that cannot be read has no position; for watchers the object is gone.
            version = versions.version_of(revision, versions.deletion_position(before))
            gone = previous and structs.replace(previous, version=version) if is_deletion else None
            kind = EventType.DELETED if is_deletion else kind
            return StorageEvent(kind, name_of(kv), version, gone, previous)
        version = max(stored.version, versions.version_of(revision, before or 0))
        if stored.version == self._after < version:
            # A watcher that resumes after the version of an object may mean this event.
            self._count_at_after(stored.key)
        return StorageEvent(kind, stored.key, version, stored, previous)


def name_of(kv: "kv_pb2.KeyValue") -> Key:
    """Return a key as text. Other writers may have used bytes that are not UTF-8."""
    return Key(kv.key.decode(errors="backslashreplace"))


def read_value(kv: "kv_pb2.KeyValue", unreadable: OnUnreadable, values: Values) -> Stored | None:
    """Return the object of a key; None when the value is no object."""
    key = name_of(kv)
    try:
        return values.decode(key, kv.value, kv.mod_revision, ttl_of(kv.lease))
    except Unreadable as error:
        unreadable(error)
        return None
