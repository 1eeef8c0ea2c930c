"""PURE: what the REST door serves under which group, version and plural, and by which gRPC methods.

Made from the table of kinds and the methods of their services; views of a stored kind under another group or
version, and what is answered and never stored (reviews, metrics), are rows of their own. Read by `calls` and
`discovery`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from apiserver.services.descriptors import service_descriptor
from vaina.api.authentication.v1 import authentication_pb2
from vaina.api.autoscaling.v1 import scale_pb2
from vaina.api.core.v1 import pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.api.policy.v1 import eviction_pb2
from vaina.kinds import KINDS, NAMESPACE, SERVICE, Kind

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
    #: RawCreateRequest, an update's those of RawUpdateRequest; the door fills in name and namespace.
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

    def path(self, method: str) -> str:
        """Return the gRPC path of a method."""
        return f"/{self.service}/{method}"


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
    if "Proxy" in has or kind is SERVICE:
        found.append(Subresource("proxy", kind, {}, is_stream=True))
    return found


def make_table(*more: Served) -> Table:
    """Return all rows: those of the table of kinds, and others."""
    rows = [*(of_kind(kind) for kind in KINDS), *more]
    return {(row.shape.group, row.shape.version, row.shape.plural): row for row in rows}
