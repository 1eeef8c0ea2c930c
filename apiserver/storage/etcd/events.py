"""etcd's watch events as storage's: positions, fragments, what resuming must leave out.

Pure. Every apiserver derives the same versions, because each watches the whole prefix and sees all events of a revision together.
"""

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from aetcd.rpc import kv_pb2, rpc_pb2

from apiserver.storage import versions
from apiserver.storage.codec import decode_value
from apiserver.storage.etcd.echoes import Echoes
from apiserver.storage.etcd.leases import ttl_of
from apiserver.storage.interface import EventType, Key, StorageEvent, Stored, Version
from vaina.errors import InternalError

_DELETE: Final = kv_pb2.Event.DELETE
#: told of a value that cannot be read: its key
Unreadable: TypeAlias = Callable[[Key], None]


class EventReader:
    """Turns the answers of one watch stream into batches of events. Keeps fragments until they are whole."""

    def __init__(
        self, after: Version, prefix: Key, unreadable: Unreadable, echoes: Echoes | None = None
    ) -> None:
        """Make a reader.

        Args:
            after: events up to this version are left out.
            prefix: events of other keys are counted for positions and left out.
            unreadable: told of values that are no objects; their events are left out.
            echoes: know what this process has written itself.
        """
        self._after, self._prefix, self._unreadable = after, prefix, unreadable
        self._echoes = Echoes() if echoes is None else echoes
        self._fragments: list[kv_pb2.Event] = []
        #: of the event read last
        self._revision = 0
        self._position: int | None = None

    def read(self, answer: "rpc_pb2.WatchResponse") -> list[StorageEvent]:
        """Return the events of an answer, or none while more fragments of it follow; a progress notification is a BOOKMARK."""
        if answer.fragment:
            self._fragments.extend(answer.events)
            return []
        events: Sequence[kv_pb2.Event] = answer.events
        if self._fragments:
            events, self._fragments = [*self._fragments, *answer.events], []
        if not events:
            version = versions.whole(answer.header.revision)
            if answer.created or version < self._after:
                return []
            return [StorageEvent(EventType.BOOKMARK, self._prefix, version, None)]
        found: list[StorageEvent] = []
        for event in events:
            read = self._event(event)
            if read is not None:
                found.append(read)
        return found

    def _event(self, event: "kv_pb2.Event") -> StorageEvent | None:
        kv = event.kv
        revision = kv.mod_revision
        if revision != self._revision:
            self._revision, self._position = revision, None
        if event.type == _DELETE:
            self._position = versions.deletion_position(self._position)
            key, version, stored = Key(kv.key.decode()), versions.version_of(revision, self._position), None
        else:
            stored = self._echoes.read(kv, revision) or read_value(kv, self._unreadable)
            if stored is None:
                return None
            key, version = stored.key, stored.version
            self._position = versions.position_of(version)
        if version <= self._after or not key.startswith(self._prefix):
            return None
        previous = read_value(event.prev_kv, self._unreadable) if event.HasField("prev_kv") else None
        if stored is None:
            last = previous and Stored(key, previous.data, version, previous.type_meta, previous.ttl_seconds)
            return StorageEvent(EventType.DELETED, key, version, last, previous)
        kind = EventType.ADDED if kv.create_revision == revision else EventType.MODIFIED
        return StorageEvent(kind, key, version, stored, previous)


def read_value(kv: "kv_pb2.KeyValue", unreadable: Unreadable) -> Stored | None:
    """Return what a key holds; None when that is no object."""
    key = Key(kv.key.decode(errors="backslashreplace"))
    try:
        return decode_value(key, kv.value, kv.mod_revision, ttl_of(kv.lease))
    except InternalError:
        unreadable(key)
        return None
