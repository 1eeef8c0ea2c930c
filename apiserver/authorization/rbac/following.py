"""Keeps the roles as the watch cache has them: a change is in force when the cache has it."""

from collections.abc import Sequence
from typing import Any, Final

import structlog
from google.protobuf.message import DecodeError

from apiserver.authorization.rbac.roles import Roles
from apiserver.storage.cached import CacheEvent
from apiserver.storage.cacher import Cacher
from apiserver.storage.interface import EventType, Stored
from apiserver.storage.keys import kind_prefix, split
from vaina.kinds import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, ROLE, ROLE_BINDING, Kind

log = structlog.stdlib.get_logger(__name__)

_BINDINGS: Final = (ROLE_BINDING.kind, CLUSTER_ROLE_BINDING.kind)


def follow_roles(roles: Roles, storage: Cacher) -> None:
    """Have roles and bindings follow a watch cache that does not run yet."""
    kinds: Sequence[Kind[Any]] = (ROLE, CLUSTER_ROLE, ROLE_BINDING, CLUSTER_ROLE_BINDING)
    for kind in kinds:
        storage.follow(kind_prefix(kind), _Follower(kind, roles))


class _Follower:
    """Of one kind."""

    def __init__(self, kind: Kind[Any], roles: Roles) -> None:
        self._kind, self._roles, self._prefix = kind, roles, kind_prefix(kind)
        is_binding = kind.kind in _BINDINGS
        self._put = roles.put_binding if is_binding else roles.put_role
        self._remove = roles.remove_binding if is_binding else roles.remove_role

    def replaced(self, items: Sequence[Stored]) -> None:
        """The cache was filled: these are all objects."""
        self._roles.clear(bindings=self._kind.kind in _BINDINGS, namespaced=self._kind.namespaced)
        for item in items:
            self._take(item)
        self._roles.filled(self._kind.kind)

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
            log.exception("a role or binding cannot be read", key=stored.key)
            self._remove(split(stored.key, self._prefix))
