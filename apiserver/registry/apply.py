"""Apply: what `kubectl apply` does, on the server, for any client. Step 1 of a Pod's creation begins here.

Merges three ways what the annotation says was applied last, the manifest, and the object as it is: a field
that left the manifest leaves the object, fields that others set stay. Called by the manifest service.
"""

import contextlib
import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from google.protobuf.message import Message

from apiserver.context import Context
from apiserver.large import on_loop
from apiserver.registry.create.storing import MAX_OBJECT_BYTES
from apiserver.registry.metadata import DEFAULT_NAMESPACE
from apiserver.registry.store import Store
from apiserver.registry.table import Stores
from apiserver.storage.interface import Stored
from vaina.errors import AlreadyExists, BadRequest, Invalid, NotFound
from vaina.kinds import Kind
from vaina.objects import field_path
from vaina.objects.manifest import Decoded, decode_dict, to_dict, write_json
from vaina.objects.rollouts import LAST_APPLIED
from vaina.objects.strategic_merge import strategic_merge, three_way_patch

#: how often to try again when others create and delete the object meanwhile
_ATTEMPTS: Final = 5
#: annotations of an object together, as `validation.metadata` has it
MAX_ANNOTATIONS_BYTES: Final = 256 * 1024

Json = dict[str, Any]
#: raises Forbidden unless the caller may, by kind, verb, namespace and name
May = Callable[[Kind[Any], str, str, str], None]


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a document."""

    stored: Stored
    #: created, configured or unchanged
    action: str


class Applier:
    """Applies manifests. Holds no state."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    async def apply(self, ctx: Context, document: Decoded, namespace: str, may: May) -> Applied:
        """Bring an object into the state that a manifest wants; `namespace` is for objects that name none.

        The caller needs what `kubectl apply` needs: to get the object, and to patch or create it.

        Raises Invalid, BadRequest, Forbidden; Conflict when the manifest names a version that is not the
        newest.
        """
        store = self._stores[document.kind.kind]
        modified = with_last_applied(_prepared(document, namespace))
        meta = modified["metadata"]
        _check_size(document, meta)
        place = meta.get("namespace", "")
        may(store.kind, "get", place, meta["name"])
        for _ in range(_ATTEMPTS):
            with contextlib.suppress(NotFound):
                return await self._update(ctx, store, modified, may)
            with contextlib.suppress(AlreadyExists):
                may(store.kind, "create", place, "")
                return await self._create(ctx, store, modified)
        return await self._update(ctx, store, modified, may)

    async def _create(self, ctx: Context, store: Store[Any], modified: Json) -> Applied:
        decoded = decode_dict(modified, kind=store.kind, strict=False)
        return Applied(await store.create(ctx, decoded.message), "created")

    async def _update(self, ctx: Context, store: Store[Any], modified: Json, may: May) -> Applied:
        """Merge into what is stored, as often as others write meanwhile. Raises NotFound, Forbidden."""
        before: list[Message] = []
        ask = on_loop(may)

        def merge(obj: Any) -> Any:
            ask(store.kind, "patch", obj.metadata.namespace, obj.metadata.name)
            before[:] = [obj]
            current = to_dict(store.kind, obj)
            patch = three_way_patch(_original(ctx, store, current), modified, current, store.kind)
            if not patch:
                return None
            if obj.metadata.HasField("deletion_timestamp"):
                ctx.warn(
                    f"Detected changes to resource {obj.metadata.name} which is currently being deleted."
                )
            return decode_dict(
                strategic_merge(store.kind, current, patch), kind=store.kind, strict=False
            ).message

        meta = modified["metadata"]
        after = await store.rewrite(ctx, meta.get("namespace", ""), meta["name"], merge)
        same = _content(store.decode(after)) == _content(before[0])
        return Applied(after, "unchanged" if same else "configured")


def _content(obj: Any) -> Message:
    """Return an object without its version, in place."""
    obj.metadata.resource_version = ""
    return obj  # type: ignore[no-any-return]  # an object of any kind


def _prepared(document: Decoded, namespace: str) -> Json:
    """Return the manifest as plain values, with its namespace, and without an annotation of an earlier apply."""
    tree: Json = copy.deepcopy(dict(document.source))
    meta = tree.get("metadata") or {}
    name, base = meta.get("name"), meta.get("generateName")
    if not name and base:
        raise BadRequest(f"from {base}: cannot use generate name with apply")
    if not name:
        error = field_path.required("metadata.name", "name or generateName is required")
        raise Invalid.of(document.kind.kind, "", [error], group=document.kind.group)
    if document.kind.namespaced:
        meta["namespace"] = meta.get("namespace") or namespace or DEFAULT_NAMESPACE
    else:
        meta.pop("namespace", None)
    annotations = dict(meta.get("annotations") or {})
    annotations.pop(LAST_APPLIED, None)
    meta["annotations"] = annotations
    tree["metadata"] = meta
    return tree


def with_last_applied(tree: Json) -> Json:
    """Return the manifest with the annotation that holds it, as kubectl writes it."""
    text = write_json(tree) + "\n"
    meta = tree["metadata"]
    return {**tree, "metadata": {**meta, "annotations": {**meta["annotations"], LAST_APPLIED: text}}}


def _check_size(document: Decoded, meta: Json) -> None:
    """Refuse at once a manifest that is too large to be stored: validation would take seconds to find it."""
    size = sum(len(str(key)) + len(str(value)) for key, value in meta["annotations"].items())
    if size > MAX_OBJECT_BYTES:
        error = field_path.too_long("metadata.annotations", MAX_ANNOTATIONS_BYTES)
        raise Invalid.of(document.kind.kind, meta["name"], [error], group=document.kind.group)


def _original(ctx: Context, store: Store[Any], current: Json) -> Json | None:
    text = current["metadata"].get("annotations", {}).get(LAST_APPLIED)
    name = current["metadata"]["name"]
    if not text:
        ctx.warn(
            f"resource {store.kind.plural}/{name} is missing the {LAST_APPLIED} annotation which is required by apply; "
            "it will be patched automatically"
        )
        return None
    try:
        return msgspec.json.decode(text, type=Json)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadRequest(
            f"the annotation {LAST_APPLIED} of {store.kind.plural}/{name} cannot be read: {error}"
        ) from error
