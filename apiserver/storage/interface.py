"""The interface of storage, and the values that pass between it and the registry.

Storage knows keys, bytes and versions, and no kind; the registry decodes, decides and encodes.
Implementations: `etcd` (group commit, real watch), `memory` (a dict with a history) and `cacher` (a watch
cache before either); all pass `tests/conformance/storage_spec.py`. All versions are resourceVersions
(`versions`), never etcd revisions.

Values that are made for every write or event are named tuples or Structs: these cost a fifth of a frozen
dataclass.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, NewType, Protocol, TypeAlias

import msgspec

from vaina.errors import ApiError, InternalError, TooLarge

#: /registry/pods/default/web-1
Key = NewType("Key", str)
#: a resourceVersion as a number; 0 means "before everything"
Version = NewType("Version", int)


class EventType(StrEnum):
    """The kinds of events; the words of the API's watch events."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"
    #: carries a version only: everything up to it has been delivered
    BOOKMARK = "BOOKMARK"


class Stored(msgspec.Struct, frozen=True, gc=False):
    """An object as it is kept: the encoded message, without envelope and version (`codec.stamp` adds that).

    The watch cache has hundreds of thousands of them. They hold nothing that could hold them, so the garbage
    collector does not look at them (`gc=False`, decision 166).
    """

    key: Key
    data: bytes
    version: Version
    #: apiVersion and kind of the envelope
    type_meta: tuple[str, str] = ("", "")
    #: seconds the key lives, of the lease it was put with; 0 for ever
    ttl_seconds: int = 0


class Stale(Stored, frozen=True, gc=False):
    """What a storage read in a form that the next update replaces, though nothing else changes: another key
    encrypts now (apiserver `storage/etcd3/store.go`, GuaranteedUpdate).
    """


class MemberState(NamedTuple):
    """How a member of the storage is."""

    #: host:port
    endpoint: str
    #: why it does not answer; empty: it does
    error: str = ""
    version: str = ""
    #: of its file, and what is in use of it
    size_bytes: int = 0
    size_in_use_bytes: int = 0
    #: it leads the others
    leader: bool = False


class Put(NamedTuple):
    """A create, or an update, of many that are written at once."""

    key: Key
    data: bytes
    type_meta: tuple[str, str]
    #: what is replaced; None: there must be no such key
    expected: Version | None = None
    ttl_seconds: int = 0


class StorageEvent(NamedTuple):
    """One change of one key, in the order of versions.

    A DELETED event carries the last state, at the version of its deletion. Events of one foreign transaction
    may share a version, which is then not below that of the object (decision 196). An ADDED or MODIFIED event
    without an object put what cannot be read: to those who follow, the object is gone.
    """

    type: EventType
    key: Key
    version: Version
    #: the new state; for DELETED the last one, where it is known; None for BOOKMARK
    object: Stored | None
    #: the state before a MODIFIED or DELETED, where it is known: what selectors need to see an object leave a
    #: selection
    previous: Stored | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A list, or a part of it, as of one version."""

    items: Sequence[Stored]
    version: Version
    #: key to go on from (exclusive) at the same version; None at the end
    next_key: Key | None = None
    #: how many items follow, where that is known
    remaining: int | None = None
    #: keys in the page's range that hold what cannot be read: they are left out
    unreadable: Sequence[Key] = ()


@dataclass(frozen=True, slots=True)
class Read:
    """How fresh a read must be.

    Consistent (the default): everything acknowledged before the call is seen. `at_least`: not older than that
    version (0: anything). `exact`: as of the whole revision of that version (Expired when it is compacted).
    """

    at_least: Version | None = None
    exact: Version | None = None


CONSISTENT = Read()


class Storage(Protocol):
    """Encoded objects by key. Every method may raise Unavailable or Timeout; after a write: outcome unknown.

    A write whose answer was lost is read back and settled before anything is said (I4).
    """

    async def create(
        self, key: Key, data: bytes, type_meta: tuple[str, str], *, ttl_seconds: int = 0
    ) -> Stored:
        """Store a new object. Raises KeyExists."""
        ...

    async def get(self, key: Key, read: Read = CONSISTENT) -> Stored | None:
        """Return the object, or None. Raises Unreadable."""
        ...

    async def list(
        self,
        prefix: Key,
        read: Read = CONSISTENT,
        *,
        limit: int = 0,
        max_bytes: int = 0,
        after: Key | None = None,
    ) -> Page:
        """Return the objects whose keys start with `prefix`, in the order of keys; unreadable ones are left
        out.

        Args:
            prefix: ends with a slash.
            read: how fresh. Raises Expired when `read.exact` is compacted.
            limit: at most so many items; 0 for all.
            max_bytes: a page ends when its data would exceed it; 0 for no bound (one item always fits).
            after: go on after this key.
        """
        ...

    async def update(
        self, key: Key, data: bytes, type_meta: tuple[str, str], *, expected: Version, ttl_seconds: int = 0
    ) -> Stored:
        """Replace the object at its expected version. Raises KeyConflict (with what is stored), KeyMissing."""
        ...

    async def put_all(self, puts: Sequence[Put]) -> "Sequence[PutResult]":
        """Do independent creates and updates at once: what each returns, or would raise, in their order."""
        ...

    async def guaranteed_update(
        self, key: Key, change: "Callable[[Stored], Change]", *, hint: Stored | None = None
    ) -> Stored:
        """Read, change, write, and again on conflict (a bounded number of times, then KeyConflict).

        Args:
            key: of the object.
            change: pure; may run several times. May raise: nothing is written then. Equal bytes write
                nothing, unless what is stored is Stale.
            hint: what the caller believes is stored: saves the first read. When `change` raises on it, or
                changes
                nothing, it is tried again on a fresh read.

        Returns:
            What is stored now (after a deletion, the last state at its version).

        Raises:
            KeyMissing, Unreadable.
        """
        ...

    async def delete(self, key: Key, *, expected: Version | None = None) -> Stored:
        """Remove the key (if its version is `expected`); return the last state, at the deletion's version.

        Raises KeyMissing, KeyConflict, Unreadable.
        """
        ...

    async def delete_unreadable(self, key: Key) -> Version:
        """Remove a key that holds what cannot be read; return the version of the deletion.

        Raises KeyMissing; KeyConflict when it can be read.
        """
        ...

    def watch(
        self, prefix: Key, *, after: Version, previous: bool = True
    ) -> AsyncGenerator[Sequence[StorageEvent], None]:
        """Yield batches of events with versions greater than `after`, ordered, without gaps, until closed.

        A batch holds whole etcd revisions. BOOKMARK events come when nothing else does (progress), with the
        prefix as key; the first comes at once when nothing has happened since `after`. With `previous` False
        the states before may be missing: a DELETED event then has no object. States may be compacted although
        the event is not.

        Raises:
            Expired: `after` is no longer kept, or several events share it.
            Timeout: `after` does not exist yet (too large resource version).
        """
        ...

    async def request_progress(self) -> None:
        """Ask that open watches soon say how far they are, with a BOOKMARK."""
        ...

    async def current_version(self) -> Version:
        """Return the newest version there is (linearizable)."""
        ...


class CachedStorage(Storage, Protocol):
    """A storage that may give stored objects without waiting."""

    def peek(self, key: Key, at_least: Version) -> Stored | None:
        """Return what the cache has, if it is as new as a version; None: ask `get`."""
        ...

    def changed(self, prefix: Key) -> Version | None:
        """Return the version since which nothing of a kind has changed in the cache; None: not known."""
        ...


@dataclass(frozen=True, slots=True)
class Change:
    """What `guaranteed_update` is to write: new bytes, or None to remove the key."""

    data: bytes | None
    ttl_seconds: int = 0


class StorageError(Exception):
    """Expected refusals of storage; the registry turns them into ApiErrors that name the object."""


class KeyExists(StorageError):
    """create: the key is taken."""


class KeyMissing(StorageError):
    """update, delete: there is no such key."""


class KeyConflict(StorageError):
    """The version is not the expected one; `current` is what is stored, where it is known."""

    def __init__(self, current: Stored | None = None) -> None:
        super().__init__("the object has been modified")
        self.current = current


class Unreadable(InternalError):
    """A key holds what is no object of its kind: somebody else wrote it, or it was damaged. Names the key
    alone.

    In the words of apiserver `storage/errors.go` (NewCorruptObjError) and
    `storage/etcd3/corrupt_obj_deleter.go`; but the key is etcd's, with its `/registry`, so that it can be
    looked for there.
    """

    def __init__(self, key: Key, revision: int, why: str, *, what: str = "object not decodable") -> None:
        super().__init__(
            f"Internal error occurred: StorageError: corrupt object, Code: 7, Key: {key}, ResourceVersion: 0, "
            f"AdditionalErrorMsg: {what} revision={revision}: {why}"
        )
        self.key = key


#: of one of many writes
PutResult: TypeAlias = Stored | StorageError | ApiError


#: etcd refuses requests over 1.5 MiB; the rest is for the keys, compares and frames
MAX_BYTES = 1_500_000


def oversize(key: Key, data: bytes) -> TooLarge | None:
    """Return the refusal of an object that is too large; None when it can be stored."""
    if len(data) + 3 * len(key) <= MAX_BYTES:
        return None
    return TooLarge(f"the object at {key} has {len(data)} bytes; at most {MAX_BYTES} can be stored")
