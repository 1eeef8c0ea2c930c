"""Whether the objects that a token names are still there: asked for each call, from the watch cache.

Follows `pkg/controller/serviceaccount/tokengetter.go` and `pkg/serviceaccount/claims.go` (validator): what the
cache does not have, or has of another uid, is looked for in storage, since the cache may be behind the apiserver
that made it. A uid never comes back, so what storage does not have either is remembered.
"""

from typing import Any, Final

from google.protobuf.message import DecodeError

from apiserver.storage.interface import CachedStorage, Stored, Version
from apiserver.storage.keys import object_key
from apiserver.tokens.claims import LEEWAY_SECONDS, Claims, Ref
from vaina.api.meta.v1 import meta_pb2
from vaina.clock import Clock
from vaina.errors import Unauthorized
from vaina.kinds import NODE, POD, SECRET, SERVICE_ACCOUNT, Kind
from vaina.quoting import go_quote

#: objects that are known to be gone; when there are more, all are looked for again
MAX_GONE: Final = 8192
_INVALIDATED: Final = "service account token has been invalidated"


class Living:
    """Looks at objects. Owned by one event loop."""

    def __init__(self, storage: CachedStorage, clock: Clock) -> None:
        self._storage, self._clock = storage, clock
        self._gone: set[tuple[str, str]] = set()

    async def check(self, claims: Claims) -> None:
        """Raise Unauthorized when what a token was made for is gone; ApiError when storage does not answer."""
        namespace, account, bound = claims.namespace, claims.account, claims.bound
        known = await self._find(SERVICE_ACCOUNT, namespace, account)
        if known is None:
            raise Unauthorized(f"serviceaccounts {go_quote(account.name)} not found")
        self._check(
            SERVICE_ACCOUNT, known, account, f"service account {namespace}/{account.name} has been deleted"
        )
        node = bound.node if bound.pod is None else None
        for kind, ref in ((SECRET, bound.secret), (POD, bound.pod), (NODE, node)):
            if ref is not None:
                found = await self._find(kind, namespace if kind is not NODE else "", ref)
                if found is None:
                    raise Unauthorized(_INVALIDATED)
                self._check(kind, found, ref, _INVALIDATED)

    def _check(self, kind: Kind[Any], found: meta_pb2.ObjectMeta, ref: Ref, deleted: str) -> None:
        if found.uid != ref.uid:
            words = "claim" if kind is SERVICE_ACCOUNT else f"service account {kind.singular} ref claim"
            what = "service account" if kind is SERVICE_ACCOUNT else kind.singular
            raise Unauthorized(f"{what} UID ({found.uid}) does not match {words} ({ref.uid})")
        # A Pod that ends keeps its tokens while it does: its deletionTimestamp is the end of that time.
        ended = self._clock.now() - LEEWAY_SECONDS
        if found.HasField("deletion_timestamp") and found.deletion_timestamp.seconds < ended:
            raise Unauthorized(deleted)

    async def _find(self, kind: Kind[Any], namespace: str, ref: Ref) -> meta_pb2.ObjectMeta | None:
        """Return the metadata of the object of a name, or None."""
        key = object_key(kind, namespace, ref.name)
        cached = _metadata(self._storage.peek(key, Version(0)))
        if (cached is not None and cached.uid == ref.uid) or (key, ref.uid) in self._gone:
            return cached
        found = _metadata(await self._storage.get(key))
        if found is None or found.uid != ref.uid:
            if len(self._gone) >= MAX_GONE:
                self._gone.clear()
            self._gone.add((key, ref.uid))
        return found


def _metadata(stored: Stored | None) -> meta_pb2.ObjectMeta | None:
    """Return the metadata of an object; None: there is none, or none that can be read."""
    if stored is None:
        return None
    try:
        return meta_pb2.PartialObjectMetadata.FromString(stored.data).metadata
    except (DecodeError, ValueError):
        return None
