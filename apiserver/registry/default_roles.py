"""Makes the default roles and bindings, and completes them, when the apiserver starts."""

from collections.abc import Callable, Sequence
from typing import Any

import structlog

from apiserver.authorization.rbac import policy
from apiserver.authorization.rbac.reconciling import reconciled_binding, reconciled_role
from apiserver.context import INTERNAL
from apiserver.registry.deletion import DeleteOptions
from apiserver.registry.options import ListOptions
from apiserver.registry.store import Store
from apiserver.registry.table import Stores
from apiserver.storage.interface import Unreadable
from vaina.errors import AlreadyExists, ApiError

log = structlog.stdlib.get_logger(__name__)

Reconcile = Callable[[Any, Any], Any]


async def reconcile_default_roles(stores: Stores) -> None:
    """Store what is missing of the defaults (`apiserver.authorization.rbac.reconciling`). Raises ApiErrors.

    Another apiserver may do the same at the same time: who is second finds nothing to do. One that is stored and
    cannot be read gives no rights, and stays as it is: an administrator has to delete it.
    """
    await _reconcile(stores["ClusterRole"], policy.cluster_roles(), reconciled_role)
    await _reconcile(stores["ClusterRoleBinding"], policy.cluster_role_bindings(), reconciled_binding)
    await _reconcile(stores["Role"], policy.roles(), reconciled_role)
    await _reconcile(stores["RoleBinding"], policy.role_bindings(), reconciled_binding)


async def _reconcile(store: Store[Any], wanted: Sequence[Any], reconcile: Reconcile) -> None:
    stored = {_key(obj): obj for obj in await store.list_all(ListOptions())}
    missing = []
    for default in wanted:
        known = stored.get(_key(default))
        made = default if known is None else reconcile(known, default)
        if known is not None and made is None:
            options = DeleteOptions(uid=known.metadata.uid)
            await store.delete(INTERNAL, known.metadata.namespace, known.metadata.name, options)
            made = default
        if made is default:
            missing.append((INTERNAL, default.SerializeToString()))
        elif made is not known:
            await store.update(INTERNAL, made)
    for result in await store.create_all(missing, store.kind.message.FromString) if missing else ():
        if isinstance(result, Unreadable):
            log.error("default role cannot be read", error=str(result))
        elif isinstance(result, ApiError) and not isinstance(result, AlreadyExists):
            raise result


def _key(obj: Any) -> tuple[str, str]:
    return obj.metadata.namespace, obj.metadata.name
