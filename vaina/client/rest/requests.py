"""The calls of our clients as requests of Kubernetes' REST API, in protobuf. Pure.

Called by `transport`; `answers` has the way back. The messages of both sides have the same fields and numbers
(decision 002), so objects travel as the bytes that they are: what is translated is the path, the options, and
the envelope around an object. A batch is as many requests as it has parts. Upstream: apiserver
`pkg/endpoints/installer.go` (paths), apimachinery `pkg/apis/meta/v1/types.go` (names of options), apiserver
`pkg/endpoints/handlers/delete.go` (a deletion's options are its body, and what stands in the query is not read
then).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final
from urllib.parse import quote

from google.protobuf.message import Message

from vaina.api.autoscaling.v1 import scale_request_pb2
from vaina.api.core.v1 import pod_service_pb2, pod_stream_pb2, service_account_service_pb2
from vaina.api.meta.v1 import meta_pb2, raw_pb2, request_pb2
from vaina.api.metrics.v1beta1 import metrics_pb2
from vaina.client.rest.envelope import PROTOBUF, wrap
from vaina.client.rest.masks import status_patch
from vaina.errors import BadRequest, MethodNotSupported
from vaina.kinds import KINDS, POD, Kind
from vaina.objects.encode import message_to_dict
from vaina.objects.excerpt import excerpt
from vaina.objects.names import path_segment
from vaina.quoting import go_quote

_STRATEGIC: Final = "application/strategic-merge-patch+json"
_KINDS: Final[Mapping[str, Kind[Message]]] = {kind.service: kind for kind in KINDS}
#: of metrics.k8s.io, by the name of our service
_METRICS: Final[Mapping[str, Kind[Any]]] = {
    kind.service: kind
    for kind in (
        Kind("NodeMetrics", "nodes", metrics_pb2.NodeMetrics, "vaina.api.metrics.v1beta1.NodeMetricsService", "",
             "metrics.k8s.io", "v1beta1", namespaced=False),
        Kind("PodMetrics", "pods", metrics_pb2.PodMetrics, "vaina.api.metrics.v1beta1.PodMetricsService", "",
             "metrics.k8s.io", "v1beta1"),
    )
}  # fmt: skip
#: the service that tells the version, which is no kind
VERSION: Final = "vaina.api.version.v1.VersionService"
#: what Go's url.PathEscape leaves as it is in a segment, and `:` of roles' names
_SAFE: Final = "$&+=:@"
_REVIEWS: Final = ("vaina.api.authentication.v1.", "vaina.api.authorization.v1.")

Query = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Request:
    """One request over HTTP."""

    verb: str
    path: str
    query: Query = field(default_factory=list)
    body: bytes | None = None
    content_type: str = PROTOBUF


def requests_of(method: str, data: bytes) -> Sequence[Request]:
    """Return what one call asks for, by its gRPC path and its request's bytes.

    Raises MethodNotSupported: Kubernetes' API has nothing like it. Raises BadRequest: a name is missing, or
    would lead elsewhere in a path.
    """
    service, _, verb = method.removeprefix("/").partition("/")
    if service == VERSION:
        return [Request("GET", "/version")]
    if service in _METRICS:
        return [_metrics(_METRICS[service], verb, data)]
    if service.startswith(_REVIEWS) and verb == "Create":
        return [_review(service, data)]
    kind = _KINDS.get(service)
    make = _VERBS.get(verb)
    if kind is None or make is None:
        raise _unknown(method)
    return make(kind, data)


def stream_of(method: str, data: bytes) -> tuple[Request, Kind[Message] | None]:
    """Return the request that a stream begins with, and the kind of a watch; None: it is a log.

    Raises MethodNotSupported: it is neither. Raises BadRequest: as of `requests_of`.
    """
    service, _, verb = method.removeprefix("/").partition("/")
    kind = _KINDS.get(service)
    if kind is not None and verb == "Watch":
        return _watch(kind, request_pb2.WatchRequest.FromString(data)), kind
    if kind is POD and verb == "Logs":
        return _logs(pod_stream_pb2.PodLogRequest.FromString(data)), None
    raise _unknown(method)


def _unknown(method: str) -> MethodNotSupported:
    return MethodNotSupported(f"Kubernetes' REST API has no {method}")


# -- paths and options


def _segment(what: str, value: str) -> str:
    """Return a name as a part of a path. Raises BadRequest, as client-go `rest/request.go` refuses it.

    A name may come from an object that somebody else has written: `../../x` would lead to another kind.
    """
    if problems := path_segment(value):
        raise BadRequest(f"invalid {what} {go_quote(value)}: [{' '.join(problems)}]")
    return quote(value, safe=_SAFE)


def _path(kind: Kind[Any], namespace: str = "") -> str:
    parts = ["", "apis", kind.group, kind.version] if kind.group else ["", "api", kind.version]
    if kind.namespaced and namespace:
        parts += ["namespaces", _segment("namespace", namespace)]
    return "/".join((*parts, kind.plural))


def _one(kind: Kind[Any], namespace: str, name: str, subresource: str = "") -> str:
    """Return the path of one object, in `default` where no namespace is named. Raises BadRequest."""
    if not name:
        # Without one it would be the path of them all.
        raise BadRequest("resource name may not be empty")
    parts = [_path(kind, namespace or "default"), _segment("resource name", name)]
    if subresource:
        parts.append(_segment("subresource", subresource))
    return "/".join(parts)


@cache
def _place_type(kind: Kind[Any]) -> Any:
    return excerpt(kind.message, ("metadata.namespace", "metadata.name"))


def _given(**options: str) -> list[tuple[str, str]]:
    return [(name, value) for name, value in options.items() if value]


def _options(options: Any) -> list[tuple[str, str]]:
    """Return the query of CreateOptions, UpdateOptions or PatchOptions."""
    query = [("dryRun", value) for value in options.dry_run]
    query += _given(fieldManager=options.field_manager, fieldValidation=options.field_validation)
    if "force" in options.DESCRIPTOR.fields_by_name and options.HasField("force"):
        query.append(("force", "true" if options.force else "false"))
    return query


def _wrapped(kind: Kind[Any], content: bytes) -> bytes:
    return wrap(kind.api_version, kind.kind, content)


# -- verbs


def _get(kind: Kind[Any], data: bytes) -> Sequence[Request]:
    asked = request_pb2.GetRequest.FromString(data)
    path = _one(kind, asked.namespace, asked.name, asked.subresource)
    return [Request("GET", path, _given(resourceVersion=asked.resource_version))]


def _list(kind: Kind[Any], data: bytes) -> Sequence[Request]:
    asked = request_pb2.ListRequest.FromString(data)
    query = _given(
        labelSelector=asked.label_selector, fieldSelector=asked.field_selector, limit=str(asked.limit or ""),
        resourceVersion=asked.resource_version, resourceVersionMatch=asked.resource_version_match,
    )  # fmt: skip
    return [
        Request("GET", _path(kind, asked.namespace), [*query, *_given(**{"continue": asked.continue_token})])
    ]


def _create_one(kind: Kind[Any], asked: raw_pb2.RawCreateRequest) -> Request:
    namespace = _place_type(kind).FromString(asked.object).metadata.namespace or "default"
    return Request("POST", _path(kind, namespace), _options(asked.options), _wrapped(kind, asked.object))


def _create(kind: Kind[Any], data: bytes) -> Sequence[Request]:
    return [_create_one(kind, raw_pb2.RawCreateRequest.FromString(data))]


def _create_batch(kind: Kind[Any], data: bytes) -> Sequence[Request]:
    return [_create_one(kind, one) for one in raw_pb2.RawCreateBatchRequest.FromString(data).requests]


def _update_one(kind: Kind[Any], asked: raw_pb2.RawUpdateRequest, subresource: str) -> Request:
    meta = _place_type(kind).FromString(asked.object).metadata
    path, query = _one(kind, meta.namespace, meta.name, subresource), _options(asked.options)
    if asked.status_mask.paths:
        patch = status_patch(kind.message.FromString(asked.object), tuple(asked.status_mask.paths))
        return Request("PATCH", path, query, patch, _STRATEGIC)
    return Request("PUT", path, query, _wrapped(kind, asked.object))


def _update(subresource: str) -> "Make":
    def make(kind: Kind[Any], data: bytes) -> Sequence[Request]:
        return [_update_one(kind, raw_pb2.RawUpdateRequest.FromString(data), subresource)]

    return make


def _update_status_batch(kind: Kind[Any], data: bytes) -> Sequence[Request]:
    asked = raw_pb2.RawUpdateBatchRequest.FromString(data).requests
    return [_update_one(kind, one, "status") for one in asked]


def _patch(scale: str = "") -> "Make":
    def make(kind: Kind[Any], data: bytes) -> Sequence[Request]:
        asked = request_pb2.PatchRequest.FromString(data)
        path = _one(kind, asked.namespace, asked.name, scale or asked.subresource)
        return [Request("PATCH", path, _options(asked.options), asked.patch.encode(), asked.patch_type)]

    return make


def _delete_one(kind: Kind[Any], asked: request_pb2.DeleteRequest) -> Request:
    return Request("DELETE", _one(kind, asked.namespace, asked.name), [], _delete_options(asked))


def _delete(kind: Kind[Any], data: bytes) -> Sequence[Request]:
    return [_delete_one(kind, request_pb2.DeleteRequest.FromString(data))]


def _delete_batch(kind: Kind[Any], data: bytes) -> Sequence[Request]:
    return [_delete_one(kind, one) for one in request_pb2.DeleteBatchRequest.FromString(data).requests]


def _delete_collection(kind: Kind[Any], data: bytes) -> Sequence[Request]:
    asked = request_pb2.DeleteCollectionRequest.FromString(data)
    query = _given(labelSelector=asked.label_selector, fieldSelector=asked.field_selector)
    # In `default` where no namespace is named, as the apiserver does by gRPC: there is no such request of all.
    path = _path(kind, asked.namespace or "default")
    return [Request("DELETE", path, query, _delete_options(asked))]


def _delete_options(asked: request_pb2.DeleteRequest | request_pb2.DeleteCollectionRequest) -> bytes | None:
    """Return the body of a deletion: what is said beyond what is deleted; None: nothing."""
    options = meta_pb2.DeleteOptions(dry_run=asked.dry_run)
    if asked.HasField("grace_period_seconds"):
        options.grace_period_seconds = asked.grace_period_seconds
    if asked.propagation_policy:
        options.propagation_policy = asked.propagation_policy
    if isinstance(asked, request_pb2.DeleteRequest):
        if asked.HasField("preconditions"):
            options.preconditions.CopyFrom(asked.preconditions)
        unsafe = "ignore_store_read_error_with_cluster_breaking_potential"
        if asked.HasField(unsafe):
            setattr(options, unsafe, getattr(asked, unsafe))
    content = options.SerializeToString()
    return wrap("meta.k8s.io/v1", "DeleteOptions", content) if content else None


def _create_token(kind: Kind[Any], data: bytes) -> Sequence[Request]:
    asked = service_account_service_pb2.CreateTokenRequest.FromString(data)
    meta = asked.object.metadata
    path = _one(kind, meta.namespace, meta.name, "token")
    body = wrap("authentication.k8s.io/v1", "TokenRequest", asked.object.SerializeToString())
    return [Request("POST", path, _options(asked.options), body)]


def _get_scale(kind: Kind[Any], data: bytes) -> Sequence[Request]:
    asked = request_pb2.GetRequest.FromString(data)
    return [Request("GET", _one(kind, asked.namespace, asked.name, "scale"))]


def _update_scale(kind: Kind[Any], data: bytes) -> Sequence[Request]:
    asked = scale_request_pb2.UpdateScaleRequest.FromString(data)
    path = _one(kind, asked.object.metadata.namespace, asked.object.metadata.name, "scale")
    body = wrap("autoscaling/v1", "Scale", asked.object.SerializeToString())
    return [Request("PUT", path, _options(asked.options), body)]


# -- Pods


def _bind_one(binding: Any, options: Any) -> Request:
    meta = binding.metadata
    body = wrap("v1", "Binding", binding.SerializeToString())
    return Request("POST", _one(POD, meta.namespace, meta.name, "binding"), _options(options), body)


def _bind(_: Kind[Any], data: bytes) -> Sequence[Request]:
    asked = pod_service_pb2.BindPodRequest.FromString(data)
    return [_bind_one(asked.binding, asked.options)]


def _bind_batch(_: Kind[Any], data: bytes) -> Sequence[Request]:
    asked = pod_service_pb2.BindPodBatchRequest.FromString(data)
    return [_bind_one(binding, asked.options) for binding in asked.bindings]


def _evict(_: Kind[Any], data: bytes) -> Sequence[Request]:
    asked = pod_service_pb2.EvictPodRequest.FromString(data)
    meta = asked.eviction.metadata
    body = wrap("policy/v1", "Eviction", asked.eviction.SerializeToString())
    return [Request("POST", _one(POD, meta.namespace, meta.name, "eviction"), _options(asked.options), body)]


def _logs(asked: pod_stream_pb2.PodLogRequest) -> Request:
    query = [
        (name, _text(value)) for name, value in message_to_dict(asked.options).items() if value is not None
    ]
    return Request("GET", _one(POD, asked.namespace, asked.name, "log"), query)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


# -- watches


def _watch(kind: Kind[Any], watch: request_pb2.WatchRequest) -> Request:
    query = [("watch", "1"), *_given(
        labelSelector=watch.label_selector, fieldSelector=watch.field_selector, resourceVersion=watch.resource_version,
        allowWatchBookmarks="true" if watch.allow_watch_bookmarks else "",
        resourceVersionMatch="" if watch.send_initial_events else watch.resource_version_match,
    )]  # fmt: skip
    if watch.HasField("timeout_seconds"):
        query.append(("timeoutSeconds", str(watch.timeout_seconds)))
    if watch.send_initial_events:
        query += [("sendInitialEvents", "true"), ("resourceVersionMatch", "NotOlderThan")]
    return Request("GET", _path(kind, watch.namespace), query)


# -- what is no kind of ours


def _metrics(kind: Kind[Any], verb: str, data: bytes) -> Request:
    if verb == "Get":
        get = request_pb2.GetRequest.FromString(data)
        return Request("GET", _one(kind, get.namespace, get.name))
    asked = request_pb2.ListRequest.FromString(data)
    query = _given(labelSelector=asked.label_selector, fieldSelector=asked.field_selector)
    return Request("GET", _path(kind, asked.namespace), query)


def _review(service: str, data: bytes) -> Request:
    """A review is a create; its request has the object as field 1 and the options as field 2, as all have."""
    package, name = service.removesuffix("Service").rsplit(".", 1)
    group, version = package.removeprefix("vaina.api.").split(".")
    asked = raw_pb2.RawCreateRequest.FromString(data)
    place = ""
    if name == "LocalSubjectAccessReview":
        # Its metadata is field 1, as of every kind.
        namespace = _place_type(POD).FromString(asked.object).metadata.namespace
        place = f"/namespaces/{_segment('namespace', namespace or 'default')}"
    path = f"/apis/{group}.k8s.io/{version}{place}/{name.lower()}s"
    return Request(
        "POST", path, _options(asked.options), wrap(f"{group}.k8s.io/{version}", name, asked.object)
    )


Make = Callable[[Kind[Any], bytes], Sequence[Request]]
#: verb of a kind's service -> what makes its requests
_VERBS: Final[Mapping[str, Make]] = {
    "Get": _get,
    "List": _list,
    "Create": _create,
    "CreateBatch": _create_batch,
    "Update": _update(""),
    "UpdateStatus": _update("status"),
    "UpdateStatusBatch": _update_status_batch,
    "UpdateEphemeralContainers": _update("ephemeralcontainers"),
    "UpdateResize": _update("resize"),
    "UpdateApproval": _update("approval"),
    "Finalize": _update("finalize"),
    "Patch": _patch(),
    "Delete": _delete,
    "DeleteBatch": _delete_batch,
    "DeleteCollection": _delete_collection,
    "CreateToken": _create_token,
    "GetScale": _get_scale,
    "UpdateScale": _update_scale,
    "PatchScale": _patch("scale"),
    "Bind": _bind,
    "BindBatch": _bind_batch,
    "Evict": _evict,
}
