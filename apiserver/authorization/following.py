"""Keeps roles, and the graph of nodes, as the watch cache has them: a change is in force when the cache has it.

The graph has a Pod before the Pod's kubelet hears of it; which kinds it follows is upstream's
(`plugin/pkg/auth/authorizer/node/graph_populator.go`).
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import structlog
from google.protobuf.message import DecodeError

from apiserver.authorization.node.graph import Graph
from apiserver.authorization.rbac.roles import Roles
from apiserver.storage.cached import CacheEvent
from apiserver.storage.cacher import Cacher
from apiserver.storage.interface import EventType, Stored
from apiserver.storage.keys import kind_prefix, split
from vaina.kinds import (
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    PERSISTENT_VOLUME,
    POD,
    ROLE,
    ROLE_BINDING,
    Kind,
)

log = structlog.stdlib.get_logger(__name__)


def follow_roles(roles: Roles, storage: Cacher) -> None:
    """Have roles and bindings follow a watch cache that does not run yet."""
    kinds: Sequence[tuple[Kind[Any], bool]] = (
        (ROLE, False), (CLUSTER_ROLE, False), (ROLE_BINDING, True), (CLUSTER_ROLE_BINDING, True),
    )  # fmt: skip
    for kind, is_binding in kinds:
        put, remove = (
            (roles.put_binding, roles.remove_binding) if is_binding else (roles.put_role, roles.remove_role)
        )
        clear = partial(roles.clear, bindings=is_binding, namespaced=kind.namespaced)
        _follow(storage, kind, clear, put, remove, partial(roles.filled, kind.kind))


def feed_graph(graph: Graph, storage: Cacher) -> None:
    """Have a graph follow the Pods and volumes of a watch cache that does not run yet."""
    _follow(storage, POD, graph.clear_pods, graph.put_pod, lambda key: graph.remove_pod(*key))
    _follow(
        storage,
        PERSISTENT_VOLUME,
        graph.clear_volumes,
        graph.put_volume,
        lambda key: graph.remove_volume(key[1]),
    )


def _follow(
    storage: Cacher,
    kind: Kind[Any],
    clear: Callable[[], None],
    put: Callable[[Any], None],
    remove: Callable[[tuple[str, str]], None],
    filled: Callable[[], None] = lambda: None,
) -> None:
    storage.follow(kind_prefix(kind), _Follower(kind, clear, put, remove, filled))


class _Follower:
    """Of one kind; `remove` takes a namespace and a name, `filled` hears that all objects have been put."""

    def __init__(
        self,
        kind: Kind[Any],
        clear: Callable[[], None],
        put: Callable[[Any], None],
        remove: Callable[[tuple[str, str]], None],
        filled: Callable[[], None],
    ) -> None:
        self._kind, self._prefix = kind, kind_prefix(kind)
        self._clear, self._put, self._remove, self._filled = clear, put, remove, filled

    def replaced(self, items: Sequence[Stored]) -> None:
        """The cache was filled: these are all objects."""
        self._clear()
        for item in items:
            self._take(item)
        self._filled()

    def changed(self, events: Sequence[CacheEvent]) -> None:
        """Objects have changed."""
        for event in events:
            stored = event.entry.stored
            if event.type is EventType.DELETED:
                self._remove(split(stored.key, self._prefix))
            else:
                self._take(stored)

    def _take(self, stored: Stored) -> None:
        try:
            self._put(self._kind.message.FromString(stored.data))
        except (DecodeError, ValueError):  # ValueError: bad UTF-8
            # What cannot be read gives no rights.
            log.exception("an object that gives rights cannot be read", key=stored.key)
            self._remove(split(stored.key, self._prefix))
