"""Fills the graph from the watch cache. The graph has a Pod before the Pod's kubelet hears of it.

Follows `plugin/pkg/auth/authorizer/node/graph_populator.go`.
"""

from collections.abc import Sequence
from typing import Any

from google.protobuf.message import DecodeError

from apiserver.authorization.node.graph import Graph
from apiserver.storage.cached import CacheEvent
from apiserver.storage.cacher import Cacher
from apiserver.storage.interface import EventType, Stored
from apiserver.storage.keys import kind_prefix, split
from vaina.api.core.v1 import persistent_volume_pb2, pod_pb2
from vaina.kinds import PERSISTENT_VOLUME, POD, Kind


def feed_graph(graph: Graph, storage: Cacher) -> None:
    """Have a graph follow the Pods and volumes of a watch cache that does not run yet."""
    for follower in (_Pods(graph), _Volumes(graph)):
        storage.follow(follower.prefix, follower)


class _Follower:
    """Of one kind."""

    kind: Kind[Any]

    def __init__(self, graph: Graph) -> None:
        self._graph, self.prefix = graph, kind_prefix(self.kind)

    def clear(self) -> None:
        raise NotImplementedError

    def put(self, obj: Any) -> None:
        raise NotImplementedError

    def remove(self, namespace: str, name: str) -> None:
        raise NotImplementedError

    def replaced(self, items: Sequence[Stored]) -> None:
        self.clear()
        for item in items:
            self._take(item)

    def changed(self, events: Sequence[CacheEvent]) -> None:
        for event in events:
            if event.type is EventType.DELETED:
                self.remove(*split(event.entry.stored.key, self.prefix))
            else:
                self._take(event.entry.stored)

    def _take(self, stored: Stored) -> None:
        try:
            self.put(self.kind.message.FromString(stored.data))
        except (DecodeError, ValueError):  # ValueError: bad UTF-8
            # What cannot be read gives no rights to a node.
            self.remove(*split(stored.key, self.prefix))


class _Pods(_Follower):
    kind = POD

    def clear(self) -> None:
        self._graph.clear_pods()

    def put(self, obj: pod_pb2.Pod) -> None:
        self._graph.put_pod(obj)

    def remove(self, namespace: str, name: str) -> None:
        self._graph.remove_pod(namespace, name)


class _Volumes(_Follower):
    kind = PERSISTENT_VOLUME

    def clear(self) -> None:
        self._graph.clear_volumes()

    def put(self, obj: persistent_volume_pb2.PersistentVolume) -> None:
        self._graph.put_volume(obj)

    def remove(self, namespace: str, name: str) -> None:
        self._graph.remove_volume(name)
