"""The objects of one kind by key, with indexes (Store), and the view that reads them (Lister).

A store is owned by one informer. The informer's task writes it and every task on the same loop may read it;
no read ever sees half a batch. Changes are given as (old, new) pairs.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, MutableMapping
from copy import copy
from typing import Any, Generic, TypeVar

from google.protobuf.message import Message

from vaina.cache.list_watch import Apply, Replace
from vaina.objects.meta import metadata
from vaina.objects.selectors import LabelSelector

M = TypeVar("M", bound=Message)

#: (old, new): (None, x) is new, (x, y) changed, (x, None) is gone
Change = tuple[M | None, M | None]
IndexFunc = Callable[[M], Iterable[str]]

#: index that every informer of a namespaced kind has
NAMESPACE_INDEX = "namespace"


class Packed(MutableMapping[str, M]):
    """Objects by key, kept as bytes: each read parses a new message.

    It is for kinds with many objects: a Pod of 470 bytes is 5.3 kB as a message, because protobuf allocates
    memory in blocks that double. Packing or parsing one takes a microsecond (decision 237).
    """

    def __init__(self, parse: Callable[[bytes], M], data: Mapping[str, bytes] | None = None) -> None:
        self._parse, self._data = parse, dict(data or {})

    def __getitem__(self, key: str) -> M:
        return self._parse(self._data[key])

    def __setitem__(self, key: str, obj: M) -> None:
        self._data[key] = obj.SerializeToString()

    def __delitem__(self, key: str) -> None:
        del self._data[key]

    def __contains__(self, key: object) -> bool:
        return key in self._data

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)

    def __copy__(self) -> "Packed[M]":
        return Packed(self._parse, self._data)


class Store(Generic[M]):
    """Objects by key and by the values of indexes."""

    def __init__(
        self,
        indexers: Mapping[str, IndexFunc[M]] | None = None,
        objects: MutableMapping[str, M] | None = None,
    ) -> None:
        """Make a store; `objects` is the mapping that holds them, a dict by default."""
        self.objects: MutableMapping[str, M] = {} if objects is None else objects
        self._indexers = dict(indexers or {})
        #: the indexers whose values may change when an object does
        self._moving = dict(self._indexers)
        #: index -> value -> keys, in the order of insertion (a dict is an ordered set here)
        self._indexes: dict[str, dict[str, dict[str, None]]] = {name: {} for name in self._indexers}

    def add_indexer(self, name: str, indexer: IndexFunc[M], *, by_key: bool = False) -> None:
        """Add an index and fill it. With `by_key` its values follow from an object's key alone."""
        if name in self._indexers:
            raise ValueError(f"index {name} exists")
        self._indexers[name] = indexer
        if not by_key:
            self._moving[name] = indexer
        index = self._indexes[name] = {}
        for key, obj in self.objects.items():
            for value in indexer(obj):
                index.setdefault(value, {})[key] = None

    def has_indexer(self, name: str) -> bool:
        return name in self._indexers

    def by_index(self, name: str, value: str) -> list[M]:
        """Return the objects with a value in an index."""
        objects = self.objects
        return [objects[key] for key in self._indexes[name].get(value, ())]

    def index_values(self, name: str) -> list[str]:
        """Return the values of an index that have objects."""
        return [*self._indexes[name]]

    def replace(self, replace: Replace[M]) -> Iterator[Change[M]]:
        """Make the store equal to a list; return what changed, deletions first."""
        before, self.objects = self.objects, replace.items
        for index in self._indexes.values():
            index.clear()
        for key, obj in self.objects.items():
            self._index(key, obj)
        return _differences(before, self.objects)

    def apply(self, apply: Apply[M]) -> list[Change[M]]:
        """Apply changes in order, each newer than the stored object; return them with the earlier objects."""
        changes: list[Change[M]] = []
        objects, moving = self.objects, self._moving
        for key, new, last in apply.changes:
            old = objects.get(key)
            if new is None:
                if old is not None:
                    self._remove(key)
                    # The last state, which the server gives, is newer than the stored one.
                    changes.append((last, None))
            elif old is None:
                objects[key] = new
                self._index(key, new)
                changes.append((None, new))
            else:
                # The usual case: only the object's status or node has changed.
                objects[key] = new
                if moving:
                    self._move(key, old, new)
                if _uid(old) == _uid(new):
                    changes.append((old, new))
                else:
                    # Another object has the name: the deletion of the first one was not seen.
                    changes += ((old, None), (None, new))
        return changes

    def _index(self, key: str, new: M) -> None:
        for name, indexer in self._indexers.items():
            index = self._indexes[name]
            for value in indexer(new):
                there = index.get(value)
                if there is None:
                    index[value] = {key: None}
                else:
                    there[key] = None

    def _remove(self, key: str) -> M:
        old = self.objects.pop(key)
        for name, indexer in self._indexers.items():
            _reindex(self._indexes[name], key, indexer(old), ())
        return old

    def _move(self, key: str, old: M, new: M) -> None:
        for name, indexer in self._moving.items():
            before, after = indexer(old), indexer(new)
            # Usually equal, and most indexers return tuples.
            if before != after:
                _reindex(self._indexes[name], key, before, after)


def _differences(before: Mapping[str, M], after: MutableMapping[str, M]) -> Iterator[Change[M]]:
    for key, old in before.items():
        if key not in after:
            yield old, None
    for key, new in after.items():
        known = before.get(key)
        if known is None:
            yield None, new
        elif _uid(known) != _uid(new):
            yield known, None
            yield None, new
        elif metadata(known).resource_version != metadata(new).resource_version:
            yield known, new
        else:
            after[key] = known


def _uid(obj: Any) -> str:
    uid: str = obj.metadata.uid
    return uid


def _reindex(
    index: dict[str, dict[str, None]], key: str, before: Iterable[str], after: Iterable[str]
) -> None:
    """Remove a key from index values that it no longer has, and add it to those that are new."""
    old, new = dict.fromkeys(before), dict.fromkeys(after)
    if old == new:
        return
    for value in old:
        if value not in new:
            keys = index[value]
            del keys[key]
            if not keys:
                del index[value]
    for value in new:
        if value not in old:
            index.setdefault(value, {})[key] = None


class Lister(Generic[M]):
    """A read-only view of an informer's store. The objects are shared: copy one before you change it."""

    def __init__(self, store: Store[M]) -> None:
        self._store = store

    def get(self, key: str) -> M | None:
        """Return the object of a key (namespace/name, or name), or None."""
        return self._store.objects.get(key)

    def by_index(self, name: str, value: str) -> list[M]:
        return self._store.by_index(name, value)

    def index_values(self, name: str) -> list[str]:
        return self._store.index_values(name)

    def list(self, selector: LabelSelector | None = None, namespace: str = "") -> list[M]:
        """Return the objects that a selector matches, of one namespace or of all."""
        objects = (
            self._store.by_index(NAMESPACE_INDEX, namespace) if namespace else self._store.objects.values()
        )
        if selector is None:
            return [*objects]
        return [obj for obj in objects if selector.matches(metadata(obj).labels)]

    def captured(self) -> Collection[M]:
        """Return all present objects. Iterating parses those of a packed store one by one."""
        return copy(self._store.objects).values()

    def __len__(self) -> int:
        return len(self._store.objects)
