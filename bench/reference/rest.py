r"""The calls of the load lab as requests of kube-apiserver's REST API, in protobuf, and its answers as ours.

PURE.

Called by `transport`. The messages of both sides have the same fields and numbers (decision 002), so objects
travel as the bytes that they are: what is translated is the path, the options, and the envelope around an
object. Upstream: apimachinery/pkg/runtime/serializer/protobuf/protobuf.go (`k8s\0` and Unknown; a frame of a
watch is a bare WatchEvent after its length), apiserver/pkg/endpoints/installer.go (paths),
apimachinery/pkg/apis/meta/v1/types.go (names of options), apiserver/pkg/endpoints/handlers/delete.go (a
deletion's options are its body, and what stands in the query is not read then).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from google.protobuf.message import DecodeError, Message

from vaina.api.meta.v1 import meta_pb2, raw_pb2, request_pb2
from vaina.api.runtime.v1 import runtime_pb2
from vaina.errors import ApiError, InternalError, MethodNotSupported, from_status
from vaina.kinds import KINDS, Kind
from vaina.objects.excerpt import excerpt

PROTOBUF: Final = "application/vnd.kubernetes.protobuf"
_MAGIC: Final = b"k8s\0"
_LENGTH_BYTES: Final = 4
#: of one frame of a watch: etcd takes objects of 1.5 MiB, and what is larger is no frame
MAX_FRAME_BYTES: Final = 8 * 1024 * 1024
_KINDS: Final[Mapping[str, Kind[Message]]] = {kind.service: kind for kind in KINDS}


@dataclass(frozen=True, slots=True)
class Request:
    """One request over HTTP."""

    verb: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    content_type: str = PROTOBUF


def kind_and_verb(method: str) -> tuple[Kind[Message], str]:
    """Read /vaina.api.core.v1.PodService/Get. Raises MethodNotSupported: no kind has it."""
    service, _, verb = method.removeprefix("/").partition("/")
    kind = _KINDS.get(service)
    if kind is None:
        raise MethodNotSupported(f"kube-apiserver has no {method}")
    return kind, verb


def requests_of(method: str, data: bytes) -> Sequence[Request]:
    """Return what one call asks for: one request, of a batch as many as it has parts.

    Raises:
        MethodNotSupported: the load lab has no need of it there.
    """
    kind, verb = kind_and_verb(method)
    match verb:
        case "Get":
            get = request_pb2.GetRequest.FromString(data)
            query = _given(resourceVersion=get.resource_version)
            path = _path(kind, get.namespace or "default", get.name, get.subresource)
            return [Request("GET", path, query)]
        case "List":
            return [_list(kind, request_pb2.ListRequest.FromString(data))]
        case "Create":
            return [_create(kind, raw_pb2.RawCreateRequest.FromString(data))]
        case "CreateBatch":
            return [_create(kind, one) for one in raw_pb2.RawCreateBatchRequest.FromString(data).requests]
        case "Update" | "UpdateStatus":
            return [
                _put(kind, raw_pb2.RawUpdateRequest.FromString(data), verb.removeprefix("Update").lower())
            ]
        case "Delete":
            return [_delete(kind, request_pb2.DeleteRequest.FromString(data))]
        case "DeleteBatch":
            return [_delete(kind, one) for one in request_pb2.DeleteBatchRequest.FromString(data).requests]
        case "DeleteCollection":
            return [_delete_all(kind, request_pb2.DeleteCollectionRequest.FromString(data))]
        case "Patch":
            patch = request_pb2.PatchRequest.FromString(data)
            _no_options(kind, patch.options)
            path = _path(kind, patch.namespace or "default", patch.name, patch.subresource)
            return [Request("PATCH", path, {}, patch.patch.encode(), patch.patch_type)]
    raise MethodNotSupported(f"{verb} of {kind.plural}: kube-apiserver is not asked for that by a load")


def answer_of(method: str, answers: Sequence[bytes | ApiError]) -> bytes:
    """Return the answer to a call.

    Args:
        method: of the call.
        answers: to its requests: bodies, or what was refused.

    Raises:
        ApiError: the call was one request, and that was refused.
    """
    _, verb = kind_and_verb(method)
    if verb.endswith("Batch"):
        results = raw_pb2.RawBatchResponse()
        for answer in answers:
            if isinstance(answer, ApiError):
                results.results.add().error.CopyFrom(answer.to_status())
            else:
                results.results.add().object = _object(answer)
        return results.SerializeToString()
    [answer] = answers
    if isinstance(answer, ApiError):
        raise answer
    # How many were deleted is told by the objects themselves, which nobody counts.
    return b"" if verb == "DeleteCollection" else _object(answer)


def watch_request(method: str, data: bytes) -> Request:
    """Return the request that a watch begins with. Raises MethodNotSupported: it is no watch."""
    kind, verb = kind_and_verb(method)
    if verb != "Watch":
        raise MethodNotSupported(f"{verb} of {kind.plural}: kube-apiserver is not asked for that by a load")
    watch = request_pb2.WatchRequest.FromString(data)
    query = {"watch": "1"} | _given(
        labelSelector=watch.label_selector, fieldSelector=watch.field_selector, resourceVersion=watch.resource_version,
        allowWatchBookmarks="true" if watch.allow_watch_bookmarks else "",
        resourceVersionMatch=watch.resource_version_match,
    )  # fmt: skip
    if watch.HasField("timeout_seconds"):
        query["timeoutSeconds"] = str(watch.timeout_seconds)
    if watch.send_initial_events:
        query |= {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
    return Request("GET", _path(kind, watch.namespace), query)


class Frames:
    """Events of a watch out of the bytes of its answer. Owned by who reads that."""

    def __init__(self, method: str) -> None:
        kind, _ = kind_and_verb(method)
        self._version = _version_of(kind.service)
        self._buffer = bytearray()

    def take(self, data: bytes) -> bytes | None:
        """Take in what was read; return the message of a watch with the events that are whole now, None where
        none is.

        Raises:
            ApiError: the watch was ended with an error (Expired: it fell behind).
        """
        buffer = self._buffer
        buffer += data
        batch = raw_pb2.RawWatchResponse()
        at = 0
        while len(buffer) >= at + _LENGTH_BYTES:
            size = int.from_bytes(buffer[at : at + _LENGTH_BYTES], "big")
            if size > MAX_FRAME_BYTES:
                raise InternalError(f"a frame of a watch with {size:,} bytes")
            end = at + _LENGTH_BYTES + size
            if len(buffer) < end:
                break
            self._add(batch, bytes(buffer[at + _LENGTH_BYTES : end]))
            at = end
        del buffer[:at]
        return batch.SerializeToString() if batch.events else None

    def _add(self, batch: raw_pb2.RawWatchResponse, frame: bytes) -> None:
        event = raw_pb2.RawWatchEvent.FromString(frame)
        # The second field is a RawExtension there, whose bytes are the object in its envelope.
        content = unwrap(runtime_pb2.RawExtension.FromString(event.object).raw)
        if event.type == "ERROR":
            raise from_status(meta_pb2.Status.FromString(content))
        batch.events.add(type=event.type, object=content)
        batch.resource_version = self._version.FromString(content).metadata.resource_version


def error_of(code: int, body: bytes) -> ApiError:
    """Return what an answer with a code of 400 and more says."""
    try:
        return from_status(meta_pb2.Status.FromString(unwrap(body)))
    except (ApiError, DecodeError):
        return InternalError(f"HTTP {code}: {body[:200].decode(errors='replace')}")


def wrap(kind: Kind[Any], content: bytes) -> bytes:
    """Return an encoded object in its envelope."""
    return _envelope(kind.api_version, kind.kind, content)


def _envelope(api_version: str, kind: str, content: bytes) -> bytes:
    unknown = runtime_pb2.Unknown(raw=content)
    unknown.type_meta.api_version, unknown.type_meta.kind = api_version, kind
    return _MAGIC + unknown.SerializeToString()


def unwrap(body: bytes) -> bytes:
    """Return the encoded object of an envelope. Raises InternalError: it is none."""
    if not body.startswith(_MAGIC):
        raise InternalError(f"an answer that is no protobuf: {body[:100].decode(errors='replace')}")
    return runtime_pb2.Unknown.FromString(body[len(_MAGIC) :]).raw


def _object(body: bytes) -> bytes:
    """Return the object of an answer.

    A deletion that is done at once is answered with a Status instead, which is none.
    """
    unknown = runtime_pb2.Unknown.FromString(body[len(_MAGIC) :]) if body.startswith(_MAGIC) else None
    if unknown is not None and unknown.type_meta.kind == "Status":
        return b""
    return unwrap(body)


@cache
def _version_of(service: str) -> Any:
    return excerpt(_KINDS[service].message, ("metadata.resourceVersion",))


@cache
def _place_of(service: str) -> Any:
    return excerpt(_KINDS[service].message, ("metadata.namespace", "metadata.name"))


def _path(kind: Kind[Any], namespace: str = "", name: str = "", subresource: str = "") -> str:
    parts = ["", "apis", kind.group, kind.version] if kind.group else ["", "api", kind.version]
    if kind.namespaced and namespace:
        parts += ["namespaces", namespace]
    return "/".join((*parts, kind.plural, *filter(None, (name, subresource))))


def _given(**options: str) -> dict[str, str]:
    return {name: value for name, value in options.items() if value}


def _list(kind: Kind[Any], asked: request_pb2.ListRequest) -> Request:
    query = _given(
        labelSelector=asked.label_selector, fieldSelector=asked.field_selector, limit=str(asked.limit or ""),
        resourceVersion=asked.resource_version, resourceVersionMatch=asked.resource_version_match,
    )  # fmt: skip
    if asked.continue_token:
        query["continue"] = asked.continue_token
    return Request("GET", _path(kind, asked.namespace), query)


def _create(kind: Kind[Any], asked: raw_pb2.RawCreateRequest) -> Request:
    _no_options(kind, asked.options)
    namespace = _place_of(kind.service).FromString(asked.object).metadata.namespace or "default"
    return Request("POST", _path(kind, namespace), {}, wrap(kind, asked.object))


def _put(kind: Kind[Any], asked: raw_pb2.RawUpdateRequest, subresource: str) -> Request:
    if asked.status_mask.paths:
        raise MethodNotSupported(f"{kind.plural}: kube-apiserver takes no mask of a status")
    _no_options(kind, asked.options)
    meta = _place_of(kind.service).FromString(asked.object).metadata
    path = _path(kind, meta.namespace or "default", meta.name, subresource)
    return Request("PUT", path, {}, wrap(kind, asked.object))


def _no_options(kind: Kind[Any], options: Message) -> None:
    """Raise MethodNotSupported where any is given: it would be dropped."""
    given = ", ".join(field.json_name for field, _ in options.ListFields())
    if given:
        raise MethodNotSupported(f"{kind.plural}: kube-apiserver is not asked for {given} by a load")


def _options(asked: request_pb2.DeleteRequest | request_pb2.DeleteCollectionRequest) -> bytes | None:
    """Return the body of a deletion: what is said beyond what is deleted; None: nothing."""
    options = meta_pb2.DeleteOptions(dry_run=asked.dry_run)
    if asked.HasField("grace_period_seconds"):
        options.grace_period_seconds = asked.grace_period_seconds
    if asked.propagation_policy:
        options.propagation_policy = asked.propagation_policy
    if isinstance(asked, request_pb2.DeleteRequest):
        if asked.HasField("preconditions"):
            options.preconditions.CopyFrom(asked.preconditions)
        if asked.HasField("ignore_store_read_error_with_cluster_breaking_potential"):
            raise MethodNotSupported("kube-apiserver is not asked by a load to delete what it cannot read")
    content = options.SerializeToString()
    return _envelope("meta.k8s.io/v1", "DeleteOptions", content) if content else None


def _delete(kind: Kind[Any], asked: request_pb2.DeleteRequest) -> Request:
    return Request("DELETE", _path(kind, asked.namespace or "default", asked.name), {}, _options(asked))


def _delete_all(kind: Kind[Any], asked: request_pb2.DeleteCollectionRequest) -> Request:
    selectors = _given(labelSelector=asked.label_selector, fieldSelector=asked.field_selector)
    return Request("DELETE", _path(kind, asked.namespace or "default"), selectors, _options(asked))
