"""The verbs that every kind's service has, from the table of kinds: bytes in, bytes out.

Requests are read through the Raw messages of `meta/v1/raw.proto`, which have the field numbers of the typed
ones, and stored bytes go out without being parsed. A service serves those verbs that its descriptor names.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, Final

from apiserver import refusals
from apiserver.authorization.checks import Checks
from apiserver.context import Context
from apiserver.flowcontrol.control import check_unsent
from apiserver.registry.certificates import APPROVAL
from apiserver.registry.changing import Edit
from apiserver.registry.collection import delete_collection
from apiserver.registry.deleting import Deletion
from apiserver.registry.metadata import DEFAULT_NAMESPACE
from apiserver.registry.options import ListOptions, WatchOptions
from apiserver.registry.pods import EPHEMERAL_CONTAINERS, RESIZE
from apiserver.registry.store import Store
from apiserver.registry.strategies import FINALIZE
from apiserver.registry.strategy import check_has_get
from apiserver.services.answers import answer, batch_answer, encode, left_out, list_answer
from apiserver.services.descriptors import service_descriptor
from apiserver.services.requests import (
    check_patch_options,
    context_of,
    delete_options,
    note,
    object_of,
)
from apiserver.storage.interface import Stored
from vaina.api.meta.v1 import meta_pb2, raw_pb2, request_pb2
from vaina.errors import ApiError, BadRequest, Forbidden, TooLarge
from vaina.objects.patching import APPLY_PATCH
from vaina.objects.views import view_of
from vaina.quoting import go_quote
from vaina.serving.handlers import STREAM, UNARY, Method, RequestContext, decode
from vaina.serving.outlet import Outlet

#: verbs that change a part of an object -> the part
SUBRESOURCES: Final = {
    "UpdateEphemeralContainers": EPHEMERAL_CONTAINERS,
    "UpdateResize": RESIZE,
    "Finalize": FINALIZE,
    "UpdateApproval": APPROVAL,
}
#: items of a batch; more are refused
MAX_BATCH = 1000

#: methods that need a check here
_METHODS: Final = (
    "Get", "List", "Watch", "Create", "Update", "UpdateStatus", "Patch", "Delete", "DeleteCollection", "CreateBatch",
    "DeleteBatch", "UpdateStatusBatch", *SUBRESOURCES,
)  # fmt: skip
#: the verb for deleting what cannot be read
_UNSAFE_DELETE: Final = "unsafe-delete-ignore-read-errors"
#: raises Forbidden unless the caller may, by namespace and name
May = Callable[[str, str], None]
#: is told of every batch that a watch sends: how many events, how many bytes
OnWatchBatch = Callable[[int, int], None]


def _uncounted(_events: int, _size: int) -> None:
    """Nobody counts."""


def kind_handlers(
    store: Store[Any], checks: Checks, on_watch_batch: OnWatchBatch = _uncounted
) -> dict[str, Method]:
    """Return the methods of a kind's service by full path: those of the verbs that the service has."""
    service = service_descriptor(store.kind.service)
    verbs = _Verbs(store, checks, on_watch_batch)
    unary: dict[str, Callable[[bytes, RequestContext], Awaitable[bytes]]] = {
        "Get": verbs.get,
        "List": verbs.list,
        "Create": verbs.create,
        "Update": verbs.update,
        "UpdateStatus": verbs.update_status,
        "Patch": verbs.patch,
        "Delete": verbs.delete,
        "DeleteCollection": verbs.delete_collection,
        "CreateBatch": verbs.create_batch,
        "DeleteBatch": verbs.delete_batch,
        "UpdateStatusBatch": verbs.update_status_batch,
    }
    unary |= {name: partial(verbs.update_part, name) for name in SUBRESOURCES}
    methods = {name: Method(UNARY, fn) for name, fn in unary.items()}
    methods["Watch"] = Method(STREAM, verbs.watch)
    return {
        store.kind.method(name): method for name, method in methods.items() if name in service.methods_by_name
    }


class _Verbs:
    def __init__(self, store: Store[Any], checks: Checks, on_watch_batch: OnWatchBatch) -> None:
        self._store, self._kind = store, store.kind
        #: by method: whether the caller may
        self._may = {name: checks.of(store.kind.method(name)) for name in _METHODS}
        self._may_delete_unreadable = checks.of_kind(store.kind, _UNSAFE_DELETE)
        self._on_watch_batch = on_watch_batch

    async def get(self, data: bytes, rpc: RequestContext) -> bytes:
        request = decode(request_pb2.GetRequest, data)
        self._may["Get"](rpc, request.namespace, request.name, subresource=request.subresource)
        if request.subresource:
            check_has_get(self._kind, self._store.strategy, request.subresource)
        return answer(await self._store.get(request.namespace, request.name, request.resource_version))

    async def list(self, data: bytes, rpc: RequestContext) -> bytes:
        request = decode(request_pb2.ListRequest, data)
        self._may["List"].selection(rpc, request.namespace, request.field_selector, request.label_selector)
        result = await self._store.list(
            ListOptions(
                namespace=request.namespace,
                label_selector=request.label_selector,
                field_selector=request.field_selector,
                limit=request.limit,
                continue_token=request.continue_token,
                resource_version=request.resource_version,
                resource_version_match=request.resource_version_match,
            )
        )
        if result.unreadable:
            context_of(rpc, "list").warn(left_out(self._kind, result.unreadable))
        check_unsent(rpc, sum(len(item.data) for item in result.items))
        metadata = meta_pb2.ListMeta(
            resource_version=str(result.version),
            continue_token=result.continue_token,
            remaining_item_count=result.remaining,
        )
        return list_answer(metadata, result.items)

    async def watch(self, data: bytes, rpc: RequestContext) -> AsyncIterator[bytes]:
        request = decode(request_pb2.WatchRequest, data)
        self._may["Watch"].selection(rpc, request.namespace, request.field_selector, request.label_selector)
        options = WatchOptions(
            namespace=request.namespace,
            label_selector=request.label_selector,
            field_selector=request.field_selector,
            resource_version=request.resource_version,
            send_initial_events=request.send_initial_events
            if request.HasField("send_initial_events")
            else None,
            allow_bookmarks=request.allow_watch_bookmarks,
            timeout_seconds=request.timeout_seconds if request.HasField("timeout_seconds") else None,
            resource_version_match=request.resource_version_match,
        )
        outlet = None if rpc.outlet is None else _CountedOutlet(rpc.outlet, self._on_watch_batch)
        async with aclosing(self._store.watch(options, outlet)) as batches:
            async for batch in batches:
                self._on_watch_batch(batch.events, len(batch.response))
                yield batch.response

    async def create(self, data: bytes, rpc: RequestContext) -> bytes:
        request = decode(raw_pb2.RawCreateRequest, data)
        ctx = context_of(rpc, "create", request.options)
        obj = object_of(self._kind, request.object)
        self._may["Create"](rpc, obj.metadata.namespace)
        return answer(await self._store.create(ctx, obj, size=len(request.object)))

    async def update(self, data: bytes, rpc: RequestContext) -> bytes:
        request = decode(raw_pb2.RawUpdateRequest, data)
        ctx = context_of(rpc, "update", request.options)
        sent = object_of(self._kind, request.object)
        self._may["Update"](rpc, sent.metadata.namespace, sent.metadata.name)
        may_create = partial(self._may["Create"], rpc, sent.metadata.namespace)
        size = len(request.object)
        return answer(await self._store.update(ctx, sent, may_create=may_create, size=size))

    async def update_part(self, method: str, data: bytes, rpc: RequestContext) -> bytes:
        request = decode(raw_pb2.RawUpdateRequest, data)
        ctx = context_of(rpc, "update", request.options)
        sent = object_of(self._kind, request.object)
        self._may[method](rpc, sent.metadata.namespace, sent.metadata.name)
        part, size = SUBRESOURCES[method], len(request.object)
        return answer(await self._store.update(ctx, sent, subresource=part, size=size))

    async def update_status(self, data: bytes, rpc: RequestContext) -> bytes:
        request = decode(raw_pb2.RawUpdateRequest, data)
        edit = self._status_edit(request, rpc, self._may["UpdateStatus"].batch(rpc))
        return answer(await self._store.change(edit))

    async def patch(self, data: bytes, rpc: RequestContext) -> bytes:
        request = decode(request_pb2.PatchRequest, data)
        self._may["Patch"](rpc, request.namespace, request.name, subresource=request.subresource)
        ctx = context_of(rpc, "patch", request.options)
        check_patch_options(request)
        view = view_of(self._kind, request.api_version)
        if request.patch_type == APPLY_PATCH:
            if view is not None:
                raise BadRequest(f"objects are applied in version {self._kind.api_version} alone")
            stored = await self._store.apply(
                ctx,
                request.namespace,
                request.name,
                request.patch,
                force=request.options.force,
                subresource=request.subresource,
                may_create=partial(self._may["Create"], rpc, request.namespace),
            )
        else:
            stored = await self._store.patch(
                ctx,
                request.namespace,
                request.name,
                request.patch_type,
                request.patch,
                subresource=request.subresource,
                view=view,
            )
        return answer(stored)

    async def delete(self, data: bytes, rpc: RequestContext) -> bytes:
        request = decode(request_pb2.DeleteRequest, data)
        deletion = self._deletion(request, rpc, self._may["Delete"].batch(rpc))
        return answer(await self._store.delete(*deletion))

    async def delete_collection(self, data: bytes, rpc: RequestContext) -> bytes:
        request = decode(request_pb2.DeleteCollectionRequest, data)
        self._may["DeleteCollection"].selection(
            rpc, request.namespace, request.field_selector, request.label_selector
        )
        ctx = context_of(rpc, "deletecollection", dry_run=request.dry_run)
        # Never all namespaces at once: a forgotten namespace would cost the whole cluster.
        selection = ListOptions(
            namespace=request.namespace or DEFAULT_NAMESPACE,
            label_selector=request.label_selector,
            field_selector=request.field_selector,
        )
        deleted = await delete_collection(ctx, self._store, selection, delete_options(request))
        return encode(request_pb2.DeleteCollectionResponse(deleted=deleted))

    async def create_batch(self, data: bytes, rpc: RequestContext) -> bytes:
        requests = _bounded(decode(raw_pb2.RawCreateBatchRequest, data).requests)
        may = self._may["CreateBatch"].batch(rpc)

        def parse(encoded: bytes) -> Any:
            obj = object_of(self._kind, encoded)
            may(obj.metadata.namespace, "")
            return obj

        refused: dict[int, ApiError] = {}
        items: list[tuple[Context, bytes]] = []
        plain = context_of(rpc, "create", raw_pb2.RawCreateRequest().options)
        for index, item in enumerate(requests):
            try:
                ctx = plain
                if item.HasField("options"):
                    ctx = context_of(rpc, "create", item.options, warn=plain.warn)
                items.append((ctx, item.object))
            except ApiError as error:
                refused[index] = error
        created = await self._store.create_all(items, parse)
        if not refused:
            return self._answers(rpc, created)
        left = iter(created)
        return self._answers(rpc, [refused.get(index) or next(left) for index in range(len(requests))])

    async def delete_batch(self, data: bytes, rpc: RequestContext) -> bytes:
        requests = _bounded(decode(request_pb2.DeleteBatchRequest, data).requests)
        may = self._may["DeleteBatch"].batch(rpc)
        deletions = [partial(self._deletion, item, rpc, may) for item in requests]
        return self._answers(rpc, await self._store.delete_all(deletions))

    async def update_status_batch(self, data: bytes, rpc: RequestContext) -> bytes:
        requests = _bounded(decode(raw_pb2.RawUpdateBatchRequest, data).requests)
        may = self._may["UpdateStatusBatch"].batch(rpc)
        edits = [partial(self._status_edit, item, rpc, may) for item in requests]
        return self._answers(rpc, await self._store.change_all(edits))

    def _answers(self, rpc: RequestContext, results: Sequence[Stored | ApiError]) -> bytes:
        note(rpc, self._kind, results)
        return batch_answer(results)

    def _deletion(self, request: request_pb2.DeleteRequest, rpc: RequestContext, may: May) -> Deletion:
        may(request.namespace, request.name)
        ctx = context_of(rpc, "delete", dry_run=request.dry_run)
        options = delete_options(request)
        if options.ignore_store_read_error:
            self._check_unsafe_delete(request, rpc)
        return Deletion(ctx, request.namespace, request.name, options)

    def _check_unsafe_delete(self, request: request_pb2.DeleteRequest, rpc: RequestContext) -> None:
        """Raise Forbidden unless the caller may delete what cannot be read, for which nothing else is checked.

        Follows authorizeUnsafeDelete (apiserver `endpoints/handlers/delete.go`).
        """
        try:
            self._may_delete_unreadable(rpc, request.namespace, request.name)
        except Forbidden:
            reason = rpc.authorized[-1][1].reason
            why = f"not permitted to do {go_quote(_UNSAFE_DELETE)}, reason: {reason}"
            raise refusals.forbidden(self._kind, request.name, why) from None

    def _status_edit(self, request: raw_pb2.RawUpdateRequest, rpc: RequestContext, may: May) -> Edit[Any]:
        ctx = context_of(rpc, "update", request.options)
        sent = object_of(self._kind, request.object)
        may(sent.metadata.namespace, sent.metadata.name)
        mask, size = tuple(request.status_mask.paths), len(request.object)
        return self._store.status_edit(ctx, sent, mask, size)


class _CountedOutlet:
    """The outlet of a stream as storage knows it (`apiserver.storage.selection`)."""

    __slots__ = ("_on_batch", "_outlet", "on_idle")

    def __init__(self, outlet: Outlet, on_batch: OnWatchBatch) -> None:
        self._outlet, self._on_batch = outlet, on_batch
        self.on_idle = outlet.on_idle

    @property
    def is_busy(self) -> bool:
        return self._outlet.is_busy

    def send(self, message: bytes, events: int) -> None:
        """Send a message. Raises TooManyRequests."""
        self._outlet.send(message)
        self._on_batch(events, len(message))


def _bounded(requests: Any) -> Any:
    if len(requests) > MAX_BATCH:
        raise TooLarge(f"Request entity too large: a batch may have at most {MAX_BATCH} items")
    return requests
