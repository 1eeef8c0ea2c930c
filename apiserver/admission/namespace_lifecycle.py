"""Namespaces must be there, and not be ending, for something to be created in them; some may never be deleted.

Follows apiserver `admission/plugin/namespace/lifecycle`. The namespaces that the system itself needs are made
when they are missing, so that neither a start nor a deletion leaves a window without them.
"""

import asyncio
from collections.abc import Awaitable, Callable

from apiserver import refusals
from apiserver.admission.chain import Attributes, Operation
from apiserver.storage import keys
from apiserver.storage.interface import CachedStorage, Read, Stored, Version
from vaina.api.core.v1 import namespace_pb2
from vaina.errors import FieldError, Timeout
from vaina.kinds import NAMESPACE

#: made at start
SYSTEM_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
IMMORTAL = frozenset(("default", "kube-system", "kube-public"))

#: namespaces of which that is remembered; when there are more, all are forgotten
_MAX_ACTIVE = 4096

#: whatever the cache has
_ANY = Version(0)
#: how long the cache may take to reach a write before etcd itself is asked
_PATIENCE_SECONDS = 0.5


class NamespaceLifecycle:
    """The plugin."""

    ignores_names = True

    def __init__(self, storage: CachedStorage, create_namespace: Callable[[str], Awaitable[None]]) -> None:
        """Make the plugin; `create_namespace` makes a system namespace that is missing."""
        self._storage = storage
        self._create_namespace = create_namespace
        #: namespaces as they were seen to be active: saves reading them for every object
        self._active: dict[str, Stored] = {}

    async def admit(self, attributes: Attributes) -> None:
        """Refuse what has no namespace to be in."""
        kind = attributes.kind
        if attributes.operation is Operation.DELETE:
            if kind is NAMESPACE and attributes.name in IMMORTAL:
                raise refusals.forbidden(kind, attributes.name, "this namespace may not be deleted")
            return
        if attributes.operation is Operation.CREATE and kind.namespaced:
            await self._check(attributes)

    async def confirm(self, attributes: Attributes, version: Version) -> None:
        """Look again: the namespace may have begun to end between the check and the write.

        As of the write or later: whoever ended the namespace before it is seen here, and the object is taken
        back; whoever ends it after it lists the object, and deletes it. The cache has nearly always got as
        far by the time the answer is here.
        """
        if attributes.operation is Operation.CREATE and attributes.kind.namespaced:
            await self._check(attributes, version)

    async def _check(self, attributes: Attributes, at_least: Version = _ANY) -> None:
        known = self._active.get(attributes.namespace)
        if known is not None:
            current = self._storage.peek(known.key, at_least)
            if current is not None and current.version == known.version:
                return
        stored = await self._find(attributes.namespace, at_least)
        if stored is None:
            raise refusals.not_found(NAMESPACE, attributes.namespace)
        if known is not None and known.version == stored.version:
            return
        namespace = namespace_pb2.Namespace.FromString(stored.data)
        if namespace.metadata.HasField("deletion_timestamp") or namespace.status.phase == "Terminating":
            words = f"unable to create new content in namespace {attributes.namespace} because it is being terminated"
            cause = FieldError(
                "NamespaceTerminating",
                "metadata.namespace",
                f"namespace {attributes.namespace} is being terminated",
            )
            raise refusals.forbidden(attributes.kind, attributes.shown_name, words, (cause,))
        if len(self._active) >= _MAX_ACTIVE:
            self._active.clear()
        self._active[attributes.namespace] = stored

    async def _find(self, name: str, at_least: Version) -> Stored | None:
        key = keys.object_key(NAMESPACE, "", name)  # type: ignore[arg-type]  # a Kind[Namespace] is a Kind
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                stored = await self._storage.get(key, Read(at_least=at_least))
        except (TimeoutError, Timeout):
            stored = None  # the cache lags behind: etcd itself is asked
        stored = stored or await self._storage.get(key)
        if stored is None and name in SYSTEM_NAMESPACES:
            await self._create_namespace(name)
            stored = await self._storage.get(key)
        return stored
