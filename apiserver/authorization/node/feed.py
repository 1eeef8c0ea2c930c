"""Fills the graph from the watch cache. The graph has a Pod before the Pod's kubelet hears of it.

Follows `plugin/pkg/auth/authorizer/node/graph_populator.go`.
"""

from collections.abc import Callable, Sequence
from typing import Any

from google.protobuf.message import DecodeError

from apiserver.authorization.node.graph import Graph
from apiserver.storage.cached import CacheEvent
from apiserver.storage.cacher import Cacher
from apiserver.storage.interface import EventType, Stored
from apiserver.storage.keys import kind_prefix, split
from vaina.kinds import PERSISTENT_VOLUME, POD, Kind


def feed_graph(graph: Graph, storage: Cacher) -> None:
    """Have a graph follow the Pods and volumes of a watch cache that does not run yet."""
    for follower in (
        _Follower(POD, graph.clear_pods, graph.put_pod, graph.remove_pod),
        _Follower(
            PERSISTENT_VOLUME,
            graph.clear_volumes,
            graph.put_volume,
            lambda _, name: graph.remove_volume(name),
        ),
    ):
        storage.follow(follower.prefix, follower)


class _Follower:
    """Of one kind; `remove` takes a namespace and a name."""

    def __init__(
        self,
        kind: Kind[Any],
        clear: Callable[[], None],
        put: Callable[[Any], None],
        remove: Callable[[str, str], None],
    ) -> None:
        self._kind, self.prefix = kind, kind_prefix(kind)
        self._clear, self._put, self._remove = clear, put, remove

    def replaced(self, items: Sequence[Stored]) -> None:
        self._clear()
        for item in items:
            self._take(item)

    def changed(self, events: Sequence[CacheEvent]) -> None:
        for event in events:
            if event.type is EventType.DELETED:
                self._remove(*split(event.entry.stored.key, self.prefix))
            else:
                self._take(event.entry.stored)

    def _take(self, stored: Stored) -> None:
        try:
            self._put(self._kind.message.FromString(stored.data))
        except (DecodeError, ValueError):  # ValueError: bad UTF-8
            # What cannot be read gives no rights to a node.
            self._remove(*split(stored.key, self.prefix))
