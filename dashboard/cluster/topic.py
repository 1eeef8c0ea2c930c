"""PURE but for `run`: one selection of the cluster as frames, for all who look at it.

Rows are arrays; texts that repeat are numbers of a list, which grows with the frames:

    snapshot  {"strings": [...], "nodes": [[id, name, word, health, cpu, memory, pods], ...],
               "pods": [[id, name, namespace, node, owner, word, health, cpu, memory, since, restarts], ...],
               "left_out": 0}
    changes   the same with what is new or has changed, "strings" to be added to the list, and ids that are
               gone: "gone_nodes", "gone_pods"; or {"reset": snapshot}

In rows, name and since are themselves; word, namespace and owner are places in `strings`; node is the id of a
node, 0: none. A node that Pods are on and that is no object (any more) has the word "Missing".
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from itertools import islice
from typing import Any, Final, Protocol

from dashboard.cluster.rows import Health, NodeRow, PodRow
from dashboard.cluster.selection import Selection
from dashboard.cluster.state import MAX_PODS, ClusterState
from dashboard.view import Topic

MISSING: Final = "Missing"
#: texts that are in the list beside two for each Pod, before the list is made anew
SPARE_STRINGS: Final = 20_000


class Followed(Protocol):
    """Keeps a state true while somebody uses it."""

    def use(self) -> AbstractAsyncContextManager[ClusterState]:
        """Yield the state once it is complete. Raises ApiError: it is not shown."""
        ...

    async def wait_refused(self) -> None:
        """Wait until it is shown no more. Raises ApiError: always."""


class ClusterTopic(Topic):
    """A selection, for all who look at it."""

    def __init__(self, selection: Selection, followed: Followed, *, max_pods: int = MAX_PODS) -> None:
        """Make it; it tells of `max_pods` Pods at most."""
        self._selection, self._followed, self._max_pods = selection, followed, max_pods
        self._state = ClusterState()
        self._changed: Callable[[], None] = lambda: None
        self._last = 0
        self._begin()

    def _begin(self) -> None:
        """Forget what was told."""
        self._strings: dict[str, int] = {}
        self._new_strings: list[str] = []
        #: by name and key: the number by which it is told, and the node that a Pod is on
        self._nodes: dict[str, int] = {}
        self._pods: dict[str, tuple[int, str]] = {}
        #: how many told Pods are on a node
        self._on_node: dict[str, int] = {}
        self._dirty_nodes: dict[str, None] = dict.fromkeys(self._state.nodes)
        self._dirty_pods: dict[str, None] = dict.fromkeys(self._state.pods)
        #: keys of Pods that there is no room for, those that came first at the beginning
        self._left_out: dict[str, None] = {}
        self._told_left_out = 0
        self._is_new = True
        #: the snapshot of now, where `changes` had to make it
        self._made: Any = None

    async def run(self, changed: Callable[[], None]) -> None:
        async with self._followed.use() as state:
            self._state, self._changed = state, changed
            self._begin()
            state.add(self)
            try:
                changed()
                await self._followed.wait_refused()
            finally:
                state.remove(self)

    def on_nodes(self, names: Iterable[str]) -> None:
        self._dirty_nodes.update(dict.fromkeys(names))
        if self._dirty_nodes:
            self._changed()

    def on_pods(self, keys: Iterable[str]) -> None:
        self._dirty_pods.update(dict.fromkeys(keys))
        if self._dirty_pods:
            self._changed()

    def snapshot(self) -> Any:
        if self._made is None:
            self._made = self._all()
        return self._made

    def changes(self) -> Any:
        self._made = None
        if len(self._strings) > SPARE_STRINGS + 2 * len(self._pods):
            self._begin()
        was_new, self._is_new = self._is_new, False
        if was_new:
            self._drain()
            self._made = self._all()
            return {"reset": self._made}
        if not self._dirty_nodes and not self._dirty_pods:
            return None
        found = self._drain()
        found["strings"], self._new_strings = self._new_strings, []
        if not any(found.values()) and self._told_left_out == len(self._left_out):
            return None
        found["left_out"] = self._told_left_out = len(self._left_out)
        return found

    def _all(self) -> dict[str, Any]:
        pods, nodes = self._state.pods, self._state.nodes
        found = {
            "nodes": [self._node(name, nodes.get(name)) for name in self._nodes],
            "pods": [self._pod(number, pods[key]) for key, (number, _) in self._pods.items()],
            "strings": [*self._strings],
            "left_out": len(self._left_out),
        }
        self._new_strings, self._told_left_out = [], len(self._left_out)
        return found

    def _drain(self) -> dict[str, Any]:
        """Take in what has changed; return it as rows and numbers."""
        pods, self._dirty_pods = self._dirty_pods, {}
        gone_pods: list[Any] = []
        told_pods: list[Any] = []
        for key in pods:
            row = self._state.pods.get(key)
            if row is None or not self._selection.has(row):
                self._left_out.pop(key, None)
                if (told := self._pods.pop(key, None)) is not None:
                    gone_pods.append(told[0])
                    self._move(told[1], "")
            elif (told := self._pods.get(key)) is not None:
                told_pods.append(self._tell(key, row, *told))
            else:
                self._left_out[key] = None
        for key in [*islice(self._left_out, max(0, self._max_pods - len(self._pods)))]:
            del self._left_out[key]
            told_pods.append(self._tell(key, self._state.pods[key], self._next(), ""))
        nodes, self._dirty_nodes = self._dirty_nodes, {}
        gone_nodes: list[Any] = []
        told_nodes: list[Any] = []
        for name in nodes:
            row_of_node = self._state.nodes.get(name)
            if row_of_node is not None or name in self._on_node:
                told_nodes.append(self._node(name, row_of_node))
            elif (number_of_node := self._nodes.pop(name, None)) is not None:
                gone_nodes.append(number_of_node)
        return {"nodes": told_nodes, "pods": told_pods, "gone_nodes": gone_nodes, "gone_pods": gone_pods}

    def _tell(self, key: str, row: PodRow, number: int, before: str) -> list[Any]:
        """Return a Pod as it is told from now on; `before` is the node that it was on."""
        self._pods[key] = number, row.node
        self._move(before, row.node)
        return self._pod(number, row)

    def _move(self, before: str, after: str) -> None:
        """Count a Pod on another node; nodes without an object come and go with their Pods."""
        if before == after:
            return
        if before:
            self._on_node[before] -= 1
            if not self._on_node[before]:
                del self._on_node[before]
        if after:
            self._on_node[after] = self._on_node.get(after, 0) + 1
        for name in (before, after):
            if name and name not in self._state.nodes:
                self._dirty_nodes[name] = None

    def _node(self, name: str, row: NodeRow | None) -> list[Any]:
        row = row or NodeRow(name, MISSING, Health.TROUBLE, 0, 0, 0)
        number = self._number(name)
        return [number, name, self._string(row.word), row.health, row.cpu, row.memory, row.pods]

    def _pod(self, number: int, row: PodRow) -> list[Any]:
        node = self._number(row.node) if row.node else 0
        return [
            number, row.name, self._string(row.namespace), node, self._string(row.owner), self._string(row.word),
            row.health, row.cpu, row.memory, row.since, row.restarts,
        ]  # fmt: skip

    def _number(self, name: str) -> int:
        """Return the number of a node, which it gets when it is named first."""
        number = self._nodes.get(name)
        if number is None:
            number = self._nodes[name] = self._next()
        return number

    def _next(self) -> int:
        self._last += 1
        return self._last

    def _string(self, text: str) -> int:
        number = self._strings.get(text)
        if number is None:
            number = self._strings[text] = len(self._strings)
            self._new_strings.append(text)
        return number
