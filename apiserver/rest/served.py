"""PURE: what the REST API serves under which group, version and plural, and by which gRPC methods.

Made from the table of kinds and the methods of their services; views of a stored kind under another group or
version, and what is answered and never stored (reviews, metrics), are rows of their own. Read by `calls` and
`discovery`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from google.protobuf.message import Message

from apiserver.services.descriptors import service_descriptor
from vaina.api.authentication.v1 import authentication_pb2
from vaina.api.authorization.v1 import authorization_pb2
from vaina.api.autoscaling.v1 import scale_pb2
from vaina.api.core.v1 import pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.api.metrics.v1beta1 import metrics_pb2
from vaina.api.policy.v1 import eviction_pb2
from vaina.errors import BadRequest
from vaina.kinds import KINDS, NAMESPACE, Kind
from vaina.objects.selectors import FieldSelector, SelectorError, parse_field_selector
from vaina.objects.views import VIEWS, View

#: kinds that travel and are not stored
STATUS: Final = Kind("Status", "", meta_pb2.Status, "", "")
DELETE_OPTIONS: Final = Kind("DeleteOptions", "", meta_pb2.DeleteOptions, "", "")
SCALE: Final = Kind("Scale", "", scale_pb2.Scale, "", "", group="autoscaling")
BINDING: Final = Kind("Binding", "", pod_pb2.Binding, "", "")
EVICTION: Final = Kind("Eviction", "", eviction_pb2.Eviction, "", "", group="policy")
TOKEN_REQUEST: Final = Kind(
    "TokenRequest", "", authentication_pb2.TokenRequest, "", "", group="authentication.k8s.io"
)

#: converts encoded messages
Convert = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Subresource:
    """One sub-resource of a resource."""

    name: str
    #: what its bodies and answers are
    shape: Kind[Any]
    #: verb (get, create, update, patch) -> method of the gRPC service. A create's request has the fields of
    #: RawCreateRequest, an update's those of RawUpdateRequest; name and namespace are filled in.
    methods: Mapping[str, str]
    #: a log, a shell, a proxy: answered by `streams`
    is_stream: bool = False
    #: its methods are its own, and are not told its name
    is_whole: bool = False
    #: its creates answer with a Status
    answers_with_status: bool = False


@dataclass(frozen=True, slots=True)
class Served:
    """One resource under one group and version."""

    #: what it is called here, and the message that travels
    shape: Kind[Any]
    #: the gRPC service that answers
    service: str
    #: verb -> method of the service
    methods: Mapping[str, str]
    subresources: Mapping[str, Subresource] = field(default_factory=dict)
    #: the kind that is stored; None: nothing is
    row: Kind[Any] | None = None
    #: from the stored kind's message to the one that travels, and back; None: they are one
    read: Convert | None = None
    write: Convert | None = None
    #: names of fields that select objects here -> those of the stored kind; None: they are one
    fields: Mapping[str, str] | None = None

    def path(self, method: str) -> str:
        """Return the gRPC path of a method."""
        return f"/{self.service}/{method}"

    @property
    def is_view(self) -> bool:
        """Whether stored objects are shown in another form than they are stored in."""
        return self.row is not None and self.row is not self.shape

    @property
    def asked_group(self) -> str | None:
        """The API group that authorization is asked about, where it is not the stored kind's; None: it is."""
        return self.shape.group if self.row is not None and self.row.group != self.shape.group else None

    def field_selector(self, text: str) -> str:
        """Return a field selector with the names of the stored kind's fields. Raises BadRequest.

        What cannot be read is left to the registry, which says so.
        """
        if not text or self.fields is None:
            return text
        try:
            selector = parse_field_selector(text)
        except SelectorError:
            return text
        unknown = next((name for name, _, _ in selector.requirements if name not in self.fields), None)
        if unknown is not None:
            raise BadRequest(f"field label not supported: {unknown}")
        renamed = ((self.fields[name], operator, value) for name, operator, value in selector.requirements)
        return str(FieldSelector(tuple(renamed)))


#: (group, version, plural) -> row
Table = Mapping[tuple[str, str, str], Served]

_METHODS: Final = {
    "get": "Get", "list": "List", "watch": "Watch", "create": "Create", "update": "Update", "patch": "Patch",
    "delete": "Delete", "deletecollection": "DeleteCollection",
}  # fmt: skip
#: sub-resource -> the method that replaces it; all of them are read and patched by the object's own methods
_PARTS: Final = {
    "status": "UpdateStatus", "ephemeralcontainers": "UpdateEphemeralContainers", "resize": "UpdateResize",
    "approval": "UpdateApproval",
}  # fmt: skip
#: of Pods
_STREAMS: Final = ("attach", "exec", "log", "portforward")


def of_kind(kind: Kind[Any]) -> Served:
    """Return the row of a stored kind: the verbs that its service has."""
    has = frozenset(service_descriptor(kind.service).methods_by_name)
    methods = {verb: method for verb, method in _METHODS.items() if method in has}
    if kind is NAMESPACE:
        # Upstream's store of namespaces is no CollectionDeleter.
        del methods["deletecollection"]
    return Served(kind, kind.service, methods, {each.name: each for each in _subresources(kind, has)}, kind)


def _subresources(kind: Kind[Any], has: frozenset[str]) -> list[Subresource]:
    found = [
        Subresource(name, kind, {"get": "Get", "update": method, "patch": "Patch"})
        for name, method in _PARTS.items()
        if method in has
    ]
    if "Finalize" in has:
        found.append(Subresource("finalize", kind, {"update": "Finalize"}))
    if "CreateToken" in has:
        found.append(Subresource("token", TOKEN_REQUEST, {"create": "CreateToken"}))
    if "GetScale" in has:
        methods = {"get": "GetScale", "update": "UpdateScale", "patch": "PatchScale"}
        found.append(Subresource("scale", SCALE, methods, is_whole=True))
    if "Bind" in has:
        for name, shape, method in (("binding", BINDING, "Bind"), ("eviction", EVICTION, "Evict")):
            found.append(Subresource(name, shape, {"create": method}, answers_with_status=True))
        found += (Subresource(name, kind, {}, is_stream=True) for name in _STREAMS)
    if "Proxy" in has:
        found.append(Subresource("proxy", kind, {}, is_stream=True))
    return found


def _of_view(view: View) -> Served:
    """Return the row of a stored kind in another form."""
    stored, shape = of_kind(view.row), view.shape
    parts = {
        name: replace(part, shape=shape) if part.shape is view.row else part
        for name, part in stored.subresources.items()
    }

    def read(data: bytes) -> bytes:
        return bytes(view.read(view.row.message.FromString(data)).SerializeToString())

    def write(data: bytes) -> bytes:
        return bytes(view.write(shape.message.FromString(data)).SerializeToString())

    return replace(
        stored, shape=shape, subresources=parts, read=read, write=write, fields=view.fields or None
    )


def _created(message: type[Message], group: str, *, namespaced: bool = False) -> Served:
    """Return the row of what is created alone: a question, which is answered at once."""
    name, package = message.DESCRIPTOR.name, message.DESCRIPTOR.file.package
    plural = f"{name.lower()}s"
    shape = Kind(name, plural, message, "", "", group=group, namespaced=namespaced, singular=name.lower())
    return Served(shape, f"{package}.{name}Service", {"create": "Create"})


def _measured(message: type[Message], plural: str, *, namespaced: bool) -> Served:
    """Return the row of what is measured when somebody asks."""
    name = message.DESCRIPTOR.name
    service = f"{message.DESCRIPTOR.file.package}.{name}Service"
    shape = Kind(name, plural, message, service, "", "metrics.k8s.io", "v1beta1", namespaced)
    return Served(shape, service, {"get": "Get", "list": "List"})


_AUTHENTICATION, _AUTHORIZATION = "authentication.k8s.io", "authorization.k8s.io"
#: what is served besides the kinds as they are stored
_OTHERS: Final = (
    *map(_of_view, VIEWS),
    _measured(metrics_pb2.NodeMetrics, "nodes", namespaced=False),
    _measured(metrics_pb2.PodMetrics, "pods", namespaced=True),
    _created(authentication_pb2.TokenReview, _AUTHENTICATION),
    _created(authentication_pb2.SelfSubjectReview, _AUTHENTICATION),
    _created(authorization_pb2.SubjectAccessReview, _AUTHORIZATION),
    _created(authorization_pb2.SelfSubjectAccessReview, _AUTHORIZATION),
    _created(authorization_pb2.SelfSubjectRulesReview, _AUTHORIZATION),
    _created(authorization_pb2.LocalSubjectAccessReview, _AUTHORIZATION, namespaced=True),
)  # fmt: skip


def make_table(*more: Served) -> Table:
    """Return all rows: those of the table of kinds, views of them, reviews and metrics, and more."""
    rows = [*(of_kind(kind) for kind in KINDS), *_OTHERS, *more]
    return {(row.shape.group, row.shape.version, row.shape.plural): row for row in rows}
