"""What each gRPC method asks for: its verb, group, resource and sub-resource, from the table of kinds. Pure.

The verbs are upstream's (apiserver `endpoints/request/requestinfo.go`): an exec, attach or port-forward is a
create of its sub-resource, logs are a get. A method that is not here is never served: `action_of` raises.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from vaina.kinds import KINDS

#: method of a kind's service -> verb, sub-resource
_VERBS: Final[Mapping[str, tuple[str, str]]] = {
    "Get": ("get", ""),
    "List": ("list", ""),
    "Watch": ("watch", ""),
    "Create": ("create", ""),
    "CreateBatch": ("create", ""),
    "Update": ("update", ""),
    "UpdateStatus": ("update", "status"),
    "UpdateStatusBatch": ("update", "status"),
    "UpdateEphemeralContainers": ("update", "ephemeralcontainers"),
    "UpdateResize": ("update", "resize"),
    "Finalize": ("update", "finalize"),
    "UpdateApproval": ("update", "approval"),
    "Patch": ("patch", ""),
    "Delete": ("delete", ""),
    "DeleteBatch": ("delete", ""),
    "DeleteCollection": ("deletecollection", ""),
    "Bind": ("create", "binding"),
    "BindBatch": ("create", "binding"),
    "Evict": ("create", "eviction"),
    "GetScale": ("get", "scale"),
    "UpdateScale": ("update", "scale"),
    "PatchScale": ("patch", "scale"),
    "CreateToken": ("create", "token"),
    "Logs": ("get", "log"),
    "Exec": ("create", "exec"),
    "Attach": ("create", "attach"),
    "PortForward": ("create", "portforward"),
    # The verb is that of the HTTP request: `Checks.proxy`.
    "Proxy": ("get", "proxy"),
    # vaina's own: what components tell of a Pod's steps; the name is the Pod's uid
    "Report": ("create", "report"),
}


class Action(NamedTuple):
    """What the calls of a method ask for, before anything is known of a request."""

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespaced: bool = False
    #: of what is no resource
    path: str = ""


#: methods that are not of a kind
_OTHERS: dict[str, Action] = {
    "/vaina.api.version.v1.VersionService/Get": Action("get", path="/version"),
    # vaina's own: open streams, and the state of the storage
    "/vaina.api.machinery.v1.MachineryService/Get": Action("get", path="/machinery"),
    "/vaina.api.metrics.v1beta1.NodeMetricsService/Get": Action("get", "metrics.k8s.io", "nodes"),
    "/vaina.api.metrics.v1beta1.NodeMetricsService/List": Action("list", "metrics.k8s.io", "nodes"),
    "/vaina.api.metrics.v1beta1.PodMetricsService/Get": Action("get", "metrics.k8s.io", "pods", "", True),
    "/vaina.api.metrics.v1beta1.PodMetricsService/List": Action("list", "metrics.k8s.io", "pods", "", True),
}
_OTHERS |= {
    f"/vaina.api.{group}.v1.{kind}Service/Create": Action(
        "create", f"{group}.k8s.io", f"{kind.lower()}s", "", kind == "LocalSubjectAccessReview"
    )
    for group, kind in (
        ("authentication", "SelfSubjectReview"),
        ("authentication", "TokenReview"),
        ("authorization", "SelfSubjectAccessReview"),
        ("authorization", "SelfSubjectRulesReview"),
        ("authorization", "SubjectAccessReview"),
        ("authorization", "LocalSubjectAccessReview"),
    )
}
#: methods whose requests carry manifests or names of kinds: each document is authorized by what it is
PER_DOCUMENT: Final = frozenset((
    "/vaina.api.core.v1.ManifestService/Apply",
    "/vaina.api.core.v1.ManifestService/Get",
))  # fmt: skip
_KINDS: Final = {kind.service: kind for kind in KINDS}


def action_of(path: str) -> Action:
    """Return what a method's calls ask for, by its full gRPC path. Raises LookupError for an unknown one."""
    found = _OTHERS.get(path)
    if found is not None:
        return found
    _, service, method = path.split("/")
    kind = _KINDS.get(service)
    if kind is None or method not in _VERBS:
        raise LookupError(f"nothing says what {path} asks for: apiserver/authorization/methods.py")
    verb, subresource = _VERBS[method]
    return Action(verb, kind.group, kind.plural, subresource, kind.namespaced)
