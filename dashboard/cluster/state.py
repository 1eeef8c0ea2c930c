"""PURE: all rows of the cluster as they are now, and who is told which of them have changed."""

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from typing import Any, Final, Generic, Protocol, TypeVar

from dashboard.cluster.rows import NodeRow, PodRow, Rows, node_row
from vaina.cache.list_watch import Apply, Replace

R = TypeVar("R", NodeRow, PodRow)

#: Pods that are kept; of what comes beyond it only the number is told
MAX_PODS: Final = 150_000


class Watcher(Protocol):
    """Is told what has changed, by name of a Node, or by namespace/name of a Pod."""

    def on_nodes(self, names: Iterable[str]) -> None: ...

    def on_pods(self, keys: Iterable[str]) -> None: ...


class Reduced(MutableMapping[str, Any], Generic[R]):
    """Objects by key of which only a row is kept, made as each comes in."""

    def __init__(self, reduce: Callable[[Any], R]) -> None:
        self.rows: dict[str, R] = {}
        self._reduce: Callable[[Any], R] = reduce

    def __setitem__(self, key: str, obj: Any) -> None:
        self.rows[key] = self._reduce(obj)

    def __getitem__(self, key: str) -> R:
        return self.rows[key]

    def __delitem__(self, key: str) -> None:
        del self.rows[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)


class ClusterState:
    """What the apiserver last said. `reflectors` write it; topics read it."""

    def __init__(self) -> None:
        self.nodes: dict[str, NodeRow] = {}
        self.pods: dict[str, PodRow] = {}
        self.has_nodes = self.has_pods = False
        self._watchers: list[Watcher] = []
        self._rows = Rows()

    @property
    def is_complete(self) -> bool:
        """Whether both lists are there."""
        return self.has_nodes and self.has_pods

    def add(self, watcher: Watcher) -> None:
        self._watchers.append(watcher)

    def remove(self, watcher: Watcher) -> None:
        self._watchers.remove(watcher)

    def new_nodes(self) -> Reduced[NodeRow]:
        """Return what collects a list of Nodes."""
        return Reduced(node_row)

    def new_pods(self) -> Reduced[PodRow]:
        """Return what collects a list of Pods."""
        return Reduced(self._rows.pod)

    def on_nodes(self, what: Replace[Any] | Apply[Any]) -> None:
        """Take in a list of Nodes, or changes."""
        changed = _take(self.nodes, what, node_row)
        if isinstance(what, Replace):
            self.has_nodes = True
        for watcher in self._watchers:
            watcher.on_nodes(changed)

    def on_pods(self, what: Replace[Any] | Apply[Any]) -> None:
        """Take in a list of Pods, or changes."""
        changed = _take(self.pods, what, self._rows.pod)
        if isinstance(what, Replace):
            self.has_pods = True
        for watcher in self._watchers:
            watcher.on_pods(changed)


def _take(rows: dict[str, R], what: Replace[Any] | Apply[Any], reduce: Callable[[Any], R]) -> list[str]:
    """Change rows in place; return the keys of those that are not what they were."""
    if isinstance(what, Replace):
        assert isinstance(what.items, Reduced)
        new: Mapping[str, R] = what.items.rows
        gone = [key for key in rows if key not in new]
        changed = [key for key, row in new.items() if rows.get(key) != row]
        rows.clear()
        rows.update(new)
        return gone + changed
    found: dict[str, None] = {}
    for key, obj, _ in what.changes:
        before = rows.get(key)
        if obj is None:
            rows.pop(key, None)
            after = None
        else:
            after = rows[key] = reduce(obj)
        if before != after:
            found[key] = None
    return [*found]
