"""etcd's watch events as storage's: positions, fragments, what resuming must leave out.

Pure. Every apiserver derives the same versions, because each watches the whole prefix and sees all events of a revision together.
"""

from collections.abc import Callable
from typing import Final, TypeAlias

from aetcd.rpc import kv_pb2

from apiserver.storage import versions
from apiserver.storage.codec import decode_value
from apiserver.storage.etcd.answers import WatchAnswer
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
        self._fragments: list[bytes] = []
        #: of the event read last
        self._last: Version | None = None

    def read(self, answer: WatchAnswer) -> list[StorageEvent]:
        """Return the events of an answer, or none while more fragments of it follow; a progress notification is a BOOKMARK."""
        events = answer.events[:]
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
        echo, after, prefix = self._echoes.read, self._after, self._prefix
        for event in events:
            read = echo(event) or self._parsed(kv_pb2.Event.FromString(event))
            if read is None:
                continue
            self._last = version = read.version
            if version > after and read.key.startswith(prefix):
                found.append(read)
        return found

    def _parsed(self, event: "kv_pb2.Event") -> StorageEvent | None:
        """Return an event that is no echo; None when it puts what is no object."""
        kv, revision = event.kv, event.kv.mod_revision
        previous = read_value(event.prev_kv, self._unreadable) if event.HasField("prev_kv") else None
        if event.type == _DELETE:
            last = self._last
            is_same = last is not None and versions.revision_of(last) == revision
            position = versions.deletion_position(
                versions.position_of(last) if last is not None and is_same else None
            )
            version = versions.version_of(revision, position)
            gone = previous and previous._replace(version=version)
            return StorageEvent(EventType.DELETED, Key(kv.key.decode()), version, gone, previous)
        stored = read_value(kv, self._unreadable)
        if stored is None:
            return None
        kind = EventType.ADDED if kv.create_revision == revision else EventType.MODIFIED
        return StorageEvent(kind, stored.key, stored.version, stored, previous)


def read_value(kv: "kv_pb2.KeyValue", unreadable: Unreadable) -> Stored | None:
    """Return what a key holds; None when that is no object."""
    key = Key(kv.key.decode(errors="backslashreplace"))
    try:
        return decode_value(key, kv.value, kv.mod_revision, ttl_of(kv.lease))
    except InternalError:
        unreadable(key)
        return None
