"""What this process has written, until its own watch brings it back.

Nine of ten events are own writes that come back, and need not be read.

Whoever sends a value says so here; whoever reads the watch asks. A value is what was sent when its bytes are
the same, whoever wrote them; so nothing here can be wrong, only missing. Owned by one event loop.

An event's bytes are cut where its key and its value must be. What is around them (revisions, the lease) is
the same for most events of a transaction, and is read once, off an event that protobuf itself would write so
and not otherwise; then it is looked up.
"""

from typing import Final, NamedTuple, TypeAlias

from aetcd.rpc import kv_pb2

from apiserver.storage import versions
from apiserver.storage.etcd.leases import ttl_of
from apiserver.storage.interface import EventType, Key, Known, StorageEvent, Stored, Version

#: values that are remembered: some batches; the oldest goes first
MAX_VALUES: Final = 2048
#: larger ones are read again, so that all together stay below 32 MiB: a value, and the data that is in it
MAX_VALUE_BYTES: Final = 8 * 1024
#: forms that are remembered; then it begins anew
_MAX_FORMS: Final = 256
#: what an event begins with, before its key: `kv` (of 128 bytes and more) and `key` (of less), each a tag and
#: a length
_HEAD: Final = 5
_KEY: Final = 0x0A
#: what a length of one byte can say
_MAX_KEY: Final = 127
#: a lease of ours behind the value: 63 bits, and a tag
_LEASE: Final = 10
_ADDED, _MODIFIED = EventType.ADDED, EventType.MODIFIED

#: of an event: the size of the value; what is before the key, between key and value, behind it
_Around: TypeAlias = tuple[int, bytes, bytes, bytes]


class _Form(NamedTuple):
    """What is around key and value says."""

    type: EventType
    #: the version at position 0 of the event's revision
    first: Version
    ttl_seconds: int


class Sent(NamedTuple):
    """A value on its way to etcd, and what it is made of."""

    value: bytes
    key: Key
    data: bytes
    type_meta: tuple[str, str]
    position: int
    known: Known | None = None


class OwnWrites:
    """The values that have been sent and not come back, by the encoded key."""

    def __init__(self) -> None:
        self._sent: dict[bytes, Sent] = {}
        self._forms: dict[_Around, _Form] = {}

    def __len__(self) -> int:
        return len(self._sent)

    def expect(self, key: bytes, sent: Sent) -> None:
        """A value is about to be sent."""
        size = len(sent.value)
        # Only what `read` can cut out of its event.
        if size > MAX_VALUE_BYTES or len(key) > _MAX_KEY or size + len(key) <= _MAX_KEY:
            return
        self._sent[key] = sent
        if len(self._sent) > MAX_VALUES:
            del self._sent[next(iter(self._sent))]

    def read(self, event: bytes) -> StorageEvent | None:
        """Return an encoded `mvccpb.Event`, if it puts what was sent last; None when it must be parsed."""
        if len(event) < _HEAD or event[3] != _KEY:
            return None
        end = _HEAD + event[4]
        key = event[_HEAD:end]
        sent = self._sent.pop(key, None)
        if sent is None:
            return None
        size, rest = len(sent.value), b""
        begin = len(event) - size
        if not event.endswith(sent.value):
            begin -= _LEASE
            rest = event[-_LEASE:]
            if begin < end or not event.startswith(sent.value, begin):
                return None
        around = (size, event[:_HEAD], event[end:begin], rest)
        form = self._forms.get(around) or self._learn(event, around, key)
        if form is None:
            return None
        _, name, data, type_meta, position, known = sent
        kind, first, ttl_seconds = form
        version = first + position
        # Half of the price of `Stored(...)` and `StorageEvent(...)`, which are functions around this.
        stored = tuple.__new__(Stored, (name, data, version, type_meta, ttl_seconds))
        return tuple.__new__(StorageEvent, (kind, name, version, stored, None, known))

    def _learn(self, event: bytes, around: _Around, key: bytes) -> _Form | None:
        """Return what is around the key and the value of an event; None when that is not where they are."""
        read = kv_pb2.Event.FromString(event)
        kv = read.kv
        size, _, between, rest = around
        lease = kv_pb2.KeyValue(lease=kv.lease).SerializeToString() if kv.lease else b""
        if (
            read.type != kv_pb2.Event.PUT
            or read.HasField("prev_kv")
            or (kv.key, len(kv.value), lease) != (key, size, rest)
            or event != b"".join((around[1], key, between, kv.value, rest))
            or read.SerializeToString() != event
        ):
            return None
        kind = _ADDED if kv.create_revision == kv.mod_revision else _MODIFIED
        form = _Form(kind, versions.version_of(kv.mod_revision, 0), ttl_of(kv.lease) if kv.lease else 0)
        if len(self._forms) >= _MAX_FORMS:
            self._forms.clear()
        self._forms[around] = form
        return form
