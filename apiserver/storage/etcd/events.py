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
_ADDED, _MODIFIED, _DELETED = EventType.ADDED, EventType.MODIFIED, EventType.DELETED
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
        #: of the event read last; `_first`: the version at position 0 of its revision
        self._revision, self._first = 0, Version(0)
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
        return self._all(events)

    def _all(self, events: "Sequence[kv_pb2.Event]") -> list[StorageEvent]:
        found: list[StorageEvent] = []
        echo, unreadable, after, prefix = self._echoes.take, self._unreadable, self._after, self._prefix
        for event in events:
            kv, known, previous = event.kv, None, None
            revision = kv.mod_revision
            if revision != self._revision:
                self._revision, self._first, self._position = revision, versions.version_of(revision, 0), None
            if event.type == _DELETE:
                self._position = versions.deletion_position(self._position)
                key, version, stored = Key(kv.key.decode()), Version(self._first + self._position), None
            elif (sent := echo(kv)) is not None:
                _, key, data, type_meta, self._position, known = sent
                lease, version = kv.lease, Version(self._first + self._position)
                # Half of the price of `Stored(...)`, which is a function around this.
                stored = tuple.__new__(Stored, (key, data, version, type_meta, ttl_of(lease) if lease else 0))
            else:
                stored = read_value(kv, unreadable)
                if stored is None:
                    continue
                key, version = stored.key, stored.version
                self._position = version - self._first
            if version <= after or not key.startswith(prefix):
                continue
            if event.HasField("prev_kv"):
                previous = read_value(event.prev_kv, unreadable)
            if stored is None:
                kind, stored = _DELETED, previous and previous._replace(version=version)
            else:
                kind = _ADDED if kv.create_revision == revision else _MODIFIED
            # As above.
            found.append(tuple.__new__(StorageEvent, (kind, key, version, stored, previous, known)))
        return found


def read_value(kv: "kv_pb2.KeyValue", unreadable: Unreadable) -> Stored | None:
    """Return what a key holds; None when that is no object."""
    key = Key(kv.key.decode(errors="backslashreplace"))
    try:
        return decode_value(key, kv.value, kv.mod_revision, ttl_of(kv.lease))
    except InternalError:
        unreadable(key)
        return None
