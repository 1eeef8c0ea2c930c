"""Reading a local copy. What a lister returns is shared: read it, copy it before changing anything."""

from collections.abc import Mapping
from typing import Generic, Protocol, TypeVar

from google.protobuf.message import Message

from vaina.cache.store import Store
from vaina.objects.meta import metadata

M = TypeVar("M", bound=Message)


class Selector(Protocol):
    """What matches labels (`vaina.objects.selectors`)."""

    def matches(self, labels: Mapping[str, str], /) -> bool:
        """Return whether it selects an object with these labels."""
        ...


#: index that every informer of a namespaced kind has
NAMESPACE_INDEX = "namespace"


class Lister(Generic[M]):
    """A read-only view of an informer's store."""

    def __init__(self, store: Store[M]) -> None:
        self._store = store

    def get(self, key: str) -> M | None:
        """Return the object of a key (namespace/name, or name), or None."""
        return self._store.objects.get(key)

    def by_index(self, name: str, value: str) -> list[M]:
        """Return the objects that an index has under a value."""
        return self._store.by_index(name, value)

    def index_values(self, name: str) -> list[str]:
        """Return the values of an index under which there are objects."""
        return self._store.index_values(name)

    def list(self, selector: Selector | None = None, namespace: str = "") -> list[M]:
        """Return the objects that a selector matches, of one namespace when it is given."""
        objects = (
            self._store.by_index(NAMESPACE_INDEX, namespace) if namespace else self._store.objects.values()
        )
        if selector is None:
            return [*objects]
        return [obj for obj in objects if selector.matches(metadata(obj).labels)]

    def __len__(self) -> int:
        return len(self._store.objects)
