"""PURE: from what a request is about to the gRPC method that answers it, and that method's request.

`route` finds the row and says whether there is such a path with such a method; the functions after it make the
requests of the unary verbs. Follows apiserver `pkg/endpoints/installer.go` (which paths there are),
`pkg/endpoints/handlers/{get,create,update,patch,delete}.go` (options and their checks). Called by `answering`.
"""

from typing import Any, Final, NamedTuple

from google.protobuf.message import DecodeError

from apiserver.rest.info import Query, RequestInfo
from apiserver.rest.served import Served, Subresource, Table
from apiserver.rest.status import not_allowed, not_found, unsupported
from vaina.api.meta.v1 import meta_pb2, raw_pb2, request_pb2
from vaina.errors import BadRequest, Invalid
from vaina.kinds import Kind
from vaina.objects import field_path
from vaina.quoting import go_quote

JSON_PATCH: Final = "application/json-patch+json"
MERGE_PATCH: Final = "application/merge-patch+json"
STRATEGIC_PATCH: Final = "application/strategic-merge-patch+json"
APPLY_PATCH: Final = "application/apply-patch+yaml"
PATCHES: Final = (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH)
#: verbs without a name
_OF_COLLECTIONS: Final = frozenset(("list", "watch", "create", "deletecollection"))
#: kinds whose deletion answers with the object even when it is gone (ReturnDeletedObject of upstream's stores)
RETURNED: Final = frozenset((
    "pods", "podtemplates", "resourcequotas", "serviceaccounts", "services", "persistentvolumes",
    "persistentvolumeclaims", "storageclasses", "csinodes", "csidrivers", "volumeattachments",
    "resourceclaims", "resourceclaimtemplates", "deviceclasses", "resourceslices",
    "devicetaintrules",
))  # fmt: skip


class Route(NamedTuple):
    """What answers a request."""

    served: Served
    #: None: the resource itself
    part: Subresource | None
    #: full path of the gRPC method; empty where `streams` answers
    path: str

    @property
    def shape(self) -> Kind[Any]:
        """What bodies are, and answers of all verbs but creates of sub-resources and deletions."""
        return self.served.shape if self.part is None else self.part.shape

    @property
    def answers_with_status(self) -> bool:
        """Whether the method answers with a Status: bindings and evictions."""
        return self.part is not None and self.part.answers_with_status


class Call(NamedTuple):
    """A call of a gRPC method."""

    path: str
    request: bytes


def route(table: Table, info: RequestInfo) -> Route:
    """Find what answers a request. Raises NotFound, MethodNotSupported."""
    served = table.get((info.group, info.version, info.resource))
    # A second slash at the beginning is no path of the API's, whatever the rest says.
    if served is None or info.verb == "proxy" or info.path.startswith("//"):
        raise not_found()
    part = None
    if info.subresource:
        part = served.subresources.get(info.subresource)
        if part is None or (info.rest and info.subresource != "proxy"):
            raise not_found()
    _check_scope(served, info)
    if info.verb == "watch" and info.method != "GET":
        raise not_allowed()
    if info.method == "HEAD" and not (part is not None and part.is_stream):
        raise not_allowed()
    if part is not None and part.is_stream:
        return Route(served, part, "")
    methods = served.methods if part is None else part.methods
    method = methods.get(info.verb)
    if method is None:
        raise not_allowed()
    return Route(served, part, served.path(method))


def _check_scope(served: Served, info: RequestInfo) -> None:
    """Raise NotFound where no path has this scope, MethodNotSupported where it has other methods."""
    kind = served.shape
    if kind.namespaced:
        if not info.namespace:
            if info.name:
                raise not_found()
            if info.verb not in ("list", "watch"):
                raise not_allowed()
    elif info.namespace and not (kind.plural == "namespaces" and not kind.group):
        raise not_found()
    if bool(info.name) == (info.verb in _OF_COLLECTIONS) and not info.subresource and info.verb != "watch":
        raise not_allowed()


def read(info: RequestInfo, found: Route) -> Call:
    """Return the call of a get."""
    request = request_pb2.GetRequest(
        namespace=_namespace(found, info), name=info.name, resource_version=info.query.one("resourceVersion"),
        subresource="" if found.part is None or found.part.is_whole else info.subresource,
    )  # fmt: skip
    return Call(found.path, request.SerializeToString())


def create(info: RequestInfo, found: Route, body: bytes) -> Call:
    """Return the call of a create, whose body is an encoded message. Raises BadRequest."""
    meta = _metadata(body)
    extra = meta_pb2.ObjectMeta()
    _place(found, info, meta, extra)
    if info.name:
        if meta.name and meta.name != info.name:
            raise BadRequest(f"name in URL does not match name in {found.shape.kind} object")
        extra.name = "" if meta.name else info.name
    request = raw_pb2.RawCreateRequest(object=_merged(body, extra))
    _options(info.query, request.options)
    return Call(found.path, request.SerializeToString())


def update(info: RequestInfo, found: Route, body: bytes) -> Call:
    """Return the call of an update, whose body is an encoded message. Raises BadRequest."""
    meta = _metadata(body)
    extra = meta_pb2.ObjectMeta()
    _place(found, info, meta, extra)
    if not meta.name:
        raise BadRequest(
            f"the name of the object ({info.name} based on URL) was undeterminable: name must be provided"
        )
    if meta.name != info.name:
        raise BadRequest(
            f"the name of the object ({meta.name}) does not match the name on the URL ({info.name})"
        )
    request = raw_pb2.RawUpdateRequest(object=_merged(body, extra))
    _options(info.query, request.options)
    return Call(found.path, request.SerializeToString())


def patch(info: RequestInfo, found: Route, content_type: str, body: bytes) -> Call:
    """Return the call of a patch. Raises UnsupportedMediaType, BadRequest."""
    patch_type = check_patch_type(content_type)
    if patch_type == APPLY_PATCH and found.served.is_view:
        # managedFields are kept in the stored form alone.
        raise unsupported(PATCHES[:-1])
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise BadRequest("error decoding patch: the body is not valid UTF-8") from error
    request = request_pb2.PatchRequest(
        namespace=_namespace(found, info), name=info.name, patch_type=patch_type, patch=text,
        subresource="" if found.part is None or found.part.is_whole else info.subresource,
        api_version=found.shape.api_version if found.served.is_view and found.shape is found.served.shape else "",
    )  # fmt: skip
    _options(info.query, request.options)
    if info.query.one("force"):
        request.options.force = info.query.flag("force")
    return Call(found.path, request.SerializeToString())


def check_patch_type(content_type: str) -> str:
    """Return the type of a patch. Raises UnsupportedMediaType."""
    patch_type = content_type.partition(";")[0].strip()
    if patch_type not in PATCHES:
        raise unsupported(PATCHES)
    return patch_type


def delete(info: RequestInfo, found: Route, options: meta_pb2.DeleteOptions) -> Call:
    """Return the call of a deletion, or of that of a collection. Raises Invalid."""
    policy = _policy(options)
    if info.verb == "deletecollection":
        many = request_pb2.DeleteCollectionRequest(
            namespace=_namespace(found, info), label_selector=info.query.one("labelSelector"),
            field_selector=found.served.field_selector(info.query.one("fieldSelector")), propagation_policy=policy, dry_run=options.dry_run,
        )  # fmt: skip
        if options.HasField("grace_period_seconds"):
            many.grace_period_seconds = options.grace_period_seconds
        return Call(found.path, many.SerializeToString())
    one = request_pb2.DeleteRequest(
        namespace=_namespace(found, info), name=info.name, propagation_policy=policy, dry_run=options.dry_run
    )
    for field in (
        "grace_period_seconds",
        "preconditions",
        "ignore_store_read_error_with_cluster_breaking_potential",
    ):
        if options.HasField(field):
            if field == "preconditions":
                one.preconditions.CopyFrom(options.preconditions)
            else:
                setattr(one, field, getattr(options, field))
    return Call(found.path, one.SerializeToString())


def query_options(query: Query) -> meta_pb2.DeleteOptions:
    """Return the DeleteOptions that a query names. Raises BadRequest."""
    options = meta_pb2.DeleteOptions(dry_run=query.get("dryRun", ()))
    if text := query.one("gracePeriodSeconds"):
        options.grace_period_seconds = integer(text)
    if "orphanDependents" in query:
        options.orphan_dependents = query.flag("orphanDependents")
    if text := query.one("propagationPolicy"):
        options.propagation_policy = text
    name = "ignoreStoreReadErrorWithClusterBreakingPotential"
    if name in query:
        options.ignore_store_read_error_with_cluster_breaking_potential = query.flag(name)
    return options


def deleted(info: RequestInfo, found: Route, answer: bytes) -> meta_pb2.Status | None:
    """Return the Status of a deletion; None: it is answered with the object, which ends or is always shown.

    Follows Store.Delete of apiserver `pkg/registry/generic/registry/store.go` (finalizeDelete), and `delete.go`.
    """
    kind = found.shape
    status = meta_pb2.Status(status="Success")
    if info.verb == "deletecollection":
        status.details.group, status.details.kind = kind.group, kind.plural
        return status
    meta = _metadata(answer)
    is_ending = meta.HasField("deletion_timestamp") and (meta.finalizers or kind.plural == "namespaces")
    if is_ending or kind.plural in RETURNED:
        return None
    details = status.details
    details.name, details.group, details.kind, details.uid = meta.name, kind.group, kind.plural, meta.uid
    return status


def integer(text: str) -> int:
    """Read an integer as Go's strconv.ParseInt. Raises BadRequest."""
    digits = text[1:] if text[:1] in ("-", "+") else text
    if not (digits.isascii() and digits.isdigit()):
        raise BadRequest(f"strconv.ParseInt: parsing {go_quote(text)}: invalid syntax")
    if len(digits.lstrip("0")) > 19 or not -(1 << 63) <= int(text) < 1 << 63:
        raise BadRequest(f"strconv.ParseInt: parsing {go_quote(text)}: value out of range")
    return int(text)


def _namespace(found: Route, info: RequestInfo) -> str:
    return info.namespace if found.served.shape.namespaced else ""


def _policy(options: meta_pb2.DeleteOptions) -> str:
    """Return the propagation policy; orphanDependents is the older word for it (ValidateDeleteOptions)."""
    if not options.HasField("orphan_dependents"):
        return options.propagation_policy
    if options.HasField("propagation_policy"):
        wrong = field_path.invalid(
            field_path.Path("propagationPolicy"), options.propagation_policy,
            "orphanDependents and deletionPropagation cannot be both set",
        )  # fmt: skip
        raise Invalid.of("DeleteOptions", "", [wrong], group="meta.k8s.io")
    return "Orphan" if options.orphan_dependents else "Background"


def _options(query: Query, options: Any) -> None:
    """Fill CreateOptions, UpdateOptions or PatchOptions from a query."""
    options.dry_run.extend(query.get("dryRun", ()))
    options.field_manager = query.one("fieldManager")
    options.field_validation = query.one("fieldValidation")


def _metadata(data: bytes) -> meta_pb2.ObjectMeta:
    try:
        return meta_pb2.PartialObjectMetadata.FromString(data).metadata
    except DecodeError as error:
        raise BadRequest("the object provided cannot be read as protobuf") from error


def _place(found: Route, info: RequestInfo, meta: meta_pb2.ObjectMeta, extra: meta_pb2.ObjectMeta) -> None:
    """Give an object the namespace of its URL (EnsureObjectNamespaceMatchesRequestNamespace).

    Raises BadRequest.
    """
    if not found.served.shape.namespaced or meta.namespace == info.namespace:
        return
    if meta.namespace:
        raise BadRequest(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    extra.namespace = info.namespace


def _merged(body: bytes, extra: meta_pb2.ObjectMeta) -> bytes:
    """Return an object with more metadata: encoded messages one after the other are merged."""
    if not extra.ByteSize():
        return body
    return body + meta_pb2.PartialObjectMetadata(metadata=extra).SerializeToString()
