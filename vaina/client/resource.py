"""ResourceClient: the client of any kind, with the verbs that every kind's service has.

It sends the raw messages of `raw.proto`, which carry objects as bytes and have the field numbers of the typed
messages, so that each object is parsed once.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Generic, NamedTuple, TypeVar

from google.protobuf.message import Message

from vaina.api.meta.v1 import meta_pb2, raw_pb2, request_pb2
from vaina.client.transport import DEFAULT_TIMEOUT_SECONDS, Transport
from vaina.errors import ApiError, Expired, from_status
from vaina.kinds import Kind
from vaina.objects.patching import APPLY_PATCH

M = TypeVar("M", bound=Message)
A = TypeVar("A", bound=Message)

#: a page of a list may hold megabytes
LIST_TIMEOUT_SECONDS = 60.0
#: how often `list` begins when the server drops the list's version before the last page
LIST_TRIES = 3


@dataclass(frozen=True, slots=True)
class ObjectList(Generic[M]):
    """A list, or a page of it."""

    items: list[M]
    #: the version of the list
    resource_version: str
    #: empty on the last page
    continue_token: str = ""


class WatchEvent(NamedTuple, Generic[M]):
    """One event of a watch: ADDED, MODIFIED, DELETED (with the last state), BOOKMARK (with a version only)."""

    type: str
    object: M


@dataclass(frozen=True, slots=True)
class WatchBatch(Generic[M]):
    """Events that came together, and the version to resume after."""

    events: list[WatchEvent[M]]
    resource_version: str


class ResourceClient(Generic[M]):
    """The verbs of one kind. Every unary call has a deadline, and raises a subclass of ApiError.

    After Unavailable or Timeout the outcome of a write is unknown: read the object before you write again.
    """

    def __init__(
        self, transport: Transport, kind: Kind[M], *, timeout: float = DEFAULT_TIMEOUT_SECONDS
    ) -> None:
        self.transport, self.kind, self.timeout = transport, kind, timeout
        self._parse = kind.message.FromString

    async def get(
        self, name: str, namespace: str = "", *, resource_version: str = "", subresource: str = ""
    ) -> M:
        """Return one object. Raises NotFound, also when the kind does not have the sub-resource."""
        request = request_pb2.GetRequest(
            namespace=namespace, name=name, resource_version=resource_version, subresource=subresource
        )
        return await self._object("Get", request)

    async def list_page(
        self,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        limit: int = 0,
        continue_token: str = "",
        resource_version: str = "",
    ) -> ObjectList[M]:
        """Return a page of the objects that match, of one namespace or of all.

        `limit` 0 stands for as many as the server gives at once (some megabytes), and an empty
        `resource_version` for the newest. Raises Expired: the token of the page before is too old.
        """
        request = request_pb2.ListRequest(
            namespace=namespace, label_selector=label_selector, field_selector=field_selector,
            limit=limit, continue_token=continue_token, resource_version=resource_version,
        )  # fmt: skip
        answer = await self._call("List", request, raw_pb2.RawList, timeout=LIST_TIMEOUT_SECONDS)
        return ObjectList(
            items=[self._parse(item) for item in answer.items],
            resource_version=answer.metadata.resource_version,
            continue_token=answer.metadata.continue_token,
        )

    async def list(
        self,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        resource_version: str = "",
        page: int = 0,
    ) -> ObjectList[M]:
        """Return all objects that match, of one namespace or of all, as of one version.

        The client reads pages of `page` objects (0: as many as the server gives). When the server drops the
        version before the last page, the client begins again, at most twice. (client-go's pager then requests
        all in one answer, `tools/pager/pager.go`, which this server does not give.) Raises Expired when the
        server drops versions faster than it sends pages, or does not have `resource_version`.
        """
        for left in reversed(range(LIST_TRIES)):
            items: list[M] = []
            token = version = ""
            try:
                while True:
                    got = await self.list_page(
                        namespace, label_selector=label_selector, field_selector=field_selector, limit=page,
                        continue_token=token, resource_version="" if token else resource_version,
                    )  # fmt: skip
                    items += got.items
                    version, token = version or got.resource_version, got.continue_token
                    if not token:
                        return ObjectList(items=items, resource_version=version)
            except Expired:
                if not token or not left:
                    raise
        raise AssertionError("the last try returns, or raises")

    async def watch(
        self,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        resource_version: str = "",
        send_initial_events: bool | None = None,
        allow_bookmarks: bool = True,
        timeout_seconds: int | None = None,
    ) -> AsyncGenerator[WatchBatch[M], None]:
        """Yield batches of events after `resource_version` (empty: the current state first).

        The stream ends after `timeout_seconds`, or when the server goes; resume after the last batch's
        version. Raises Expired: the version is no longer kept.
        """
        request = request_pb2.WatchRequest(
            namespace=namespace, label_selector=label_selector, field_selector=field_selector,
            resource_version=resource_version, send_initial_events=send_initial_events,
            allow_watch_bookmarks=allow_bookmarks, timeout_seconds=timeout_seconds,
        )  # fmt: skip
        # This is called for every event: the class itself would run a Python function.
        parse, made = self._parse, partial(tuple.__new__, WatchEvent)
        stream = self.transport.stream(self.kind.method("Watch"), request.SerializeToString())
        async with aclosing(stream) as answers:
            async for answer in answers:
                batch = raw_pb2.RawWatchResponse.FromString(answer)
                yield WatchBatch(
                    events=[made((event.type, parse(event.object))) for event in batch.events],
                    resource_version=batch.resource_version,
                )

    async def create(self, obj: M, *, dry_run: bool = False, field_manager: str = "") -> M:
        """Create an object and return it as stored. Raises AlreadyExists, Invalid, Forbidden."""
        request = raw_pb2.RawCreateRequest(
            object=obj.SerializeToString(),
            options=meta_pb2.CreateOptions(dry_run=_dry_run(dry_run), field_manager=field_manager),
        )
        return await self._object("Create", request)

    async def create_batch(self, objects: Sequence[M]) -> Sequence[M | ApiError]:
        request = raw_pb2.RawCreateBatchRequest(
            requests=[raw_pb2.RawCreateRequest(object=obj.SerializeToString()) for obj in objects]
        )
        return self._results(await self._call("CreateBatch", request, raw_pb2.RawBatchResponse))

    async def update(self, obj: M, *, dry_run: bool = False, field_manager: str = "") -> M:
        """Replace an object's metadata and spec. Raises Conflict when its resourceVersion is not the newest."""
        request = raw_pb2.RawUpdateRequest(
            object=obj.SerializeToString(),
            options=meta_pb2.UpdateOptions(dry_run=_dry_run(dry_run), field_manager=field_manager),
        )
        return await self._object("Update", request)

    async def update_status(self, obj: M, *, mask: Sequence[str] = ()) -> M:
        """Write an object's status: the fields that `mask` names (conditions merge by type), or all."""
        return await self._object("UpdateStatus", _status_request(obj, mask))

    async def update_status_batch(self, changes: Sequence[tuple[M, Sequence[str]]]) -> Sequence[M | ApiError]:
        """Write several statuses in one call; return one result each, in order. For Pods and Nodes only."""
        request = raw_pb2.RawUpdateBatchRequest(
            requests=[_status_request(obj, mask) for obj, mask in changes]
        )
        return self._results(await self._call("UpdateStatusBatch", request, raw_pb2.RawBatchResponse))

    async def patch(  # noqa: PLR0913  # each is an option of the request
        self,
        name: str,
        patch: str,
        *,
        patch_type: str = "application/strategic-merge-patch+json",
        namespace: str = "",
        subresource: str = "",
        dry_run: bool = False,
        field_manager: str = "",
        field_validation: str = "",
    ) -> M:
        """Patch an object with JSON text. Unknown fields cause a warning, or an error with `Strict`."""
        request = request_pb2.PatchRequest(
            namespace=namespace, name=name, patch_type=patch_type, patch=patch, subresource=subresource,
            options=meta_pb2.PatchOptions(
                dry_run=_dry_run(dry_run), field_manager=field_manager, field_validation=field_validation
            ),
        )  # fmt: skip
        return await self._object("Patch", request)

    async def apply(  # noqa: PLR0913  # each is an option of the request
        self,
        name: str,
        applied: str,
        *,
        field_manager: str,
        force: bool = False,
        namespace: str = "",
        subresource: str = "",
        dry_run: bool = False,
        field_validation: str = "",
    ) -> M:
        """Apply an object (server-side apply): YAML or JSON with those fields that `field_manager` wants.

        Raises Conflict, with a cause for each field that another manager owns, unless it is forced.
        """
        options = meta_pb2.PatchOptions(
            dry_run=_dry_run(dry_run),
            field_manager=field_manager,
            field_validation=field_validation,
            force=force,
        )
        request = request_pb2.PatchRequest(
            namespace=namespace, name=name, patch_type=APPLY_PATCH, patch=applied, subresource=subresource,
            options=options,
        )  # fmt: skip
        return await self._object("Patch", request)

    async def delete(
        self,
        name: str,
        namespace: str = "",
        *,
        grace_period_seconds: int | None = None,
        uid: str | None = None,
        resource_version: str | None = None,
        propagation_policy: str = "",
        dry_run: bool = False,
    ) -> M:
        """Delete an object, or begin to, and return its last state.

        Raises NotFound, and Conflict when a precondition does not hold.
        """
        request = request_pb2.DeleteRequest(
            namespace=namespace, name=name, grace_period_seconds=grace_period_seconds,
            propagation_policy=propagation_policy, dry_run=_dry_run(dry_run),
        )  # fmt: skip
        if uid is not None:
            request.preconditions.uid = uid
        if resource_version is not None:
            request.preconditions.resource_version = resource_version
        return await self._object("Delete", request)

    async def delete_unreadable(self, name: str, namespace: str = "", *, dry_run: bool = False) -> None:
        """Delete an object that the server cannot read from its store, whatever finalizers it has.

        Raises NotFound, and Conflict when the server can read it.
        """
        request = request_pb2.DeleteRequest(
            namespace=namespace, name=name, dry_run=_dry_run(dry_run),
            ignore_store_read_error_with_cluster_breaking_potential=True,
        )  # fmt: skip
        await self._object("Delete", request)

    async def delete_batch(
        self, objects: Sequence[tuple[str, str, str]], *, grace_period_seconds: int | None = None
    ) -> Sequence[M | ApiError]:
        """Delete objects, or begin to; each is given as (namespace, name, uid). Only Pods have this verb.

        Returns for each its last state, or the error.
        """
        request = request_pb2.DeleteBatchRequest()
        for namespace, name, uid in objects:
            item = request.requests.add(
                namespace=namespace, name=name, grace_period_seconds=grace_period_seconds
            )
            if uid:
                item.preconditions.uid = uid
        return self._results(await self._call("DeleteBatch", request, raw_pb2.RawBatchResponse))

    async def delete_collection(
        self,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        grace_period_seconds: int | None = None,
        propagation_policy: str = "",
        dry_run: bool = False,
    ) -> int:
        """Delete all objects that match; return how many are deleted or terminating.

        Without a namespace those of `default`: never of all. An apiserver that answers over REST without saying
        how many (ours) is told to have deleted none.
        """
        request = request_pb2.DeleteCollectionRequest(
            namespace=namespace, label_selector=label_selector, field_selector=field_selector,
            grace_period_seconds=grace_period_seconds, propagation_policy=propagation_policy,
            dry_run=_dry_run(dry_run),
        )  # fmt: skip
        answer = await self._call(
            "DeleteCollection", request, request_pb2.DeleteCollectionResponse, timeout=LIST_TIMEOUT_SECONDS
        )
        return answer.deleted

    async def _object(self, verb: str, request: Message) -> M:
        data = request.SerializeToString()
        return self._parse(await self.transport.unary(self.kind.method(verb), data, timeout=self.timeout))

    async def _call(self, verb: str, request: Message, answer: type[A], *, timeout: float | None = None) -> A:
        data = request.SerializeToString()
        got = await self.transport.unary(self.kind.method(verb), data, timeout=timeout or self.timeout)
        return answer.FromString(got)

    def _results(self, answer: raw_pb2.RawBatchResponse) -> Sequence[M | ApiError]:
        return [
            from_status(result.error) if result.HasField("error") else self._parse(result.object)
            for result in answer.results
        ]


def _dry_run(dry_run: bool) -> tuple[str, ...]:
    return ("All",) if dry_run else ()


def _status_request(obj: Message, mask: Sequence[str]) -> raw_pb2.RawUpdateRequest:
    request = raw_pb2.RawUpdateRequest(object=obj.SerializeToString())
    if mask:
        request.status_mask.paths.extend(mask)
    return request
