"""PURE: which groups, versions and resources there are, for clients.

Each group, version or list by itself (apiserver `pkg/endpoints/discovery`, `pkg/endpoints/installer.go`), or all
of them in one answer where the client asks for it (`pkg/endpoints/discovery/aggregated`). Groups come in the
order of upstream's priorities (kubernetes `cmd/kube-apiserver/app/aggregator.go`,
`pkg/controlplane/apiserver/aggregator.go`). All is made anew for each request, of what is served.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from google.protobuf.message import Message

from apiserver.rest.answers import write_object
from apiserver.rest.forms import Form, Media, choose_discovery_form
from apiserver.rest.info import RequestInfo
from apiserver.rest.served import Served, Subresource, Table
from vaina.api.apidiscovery.v2 import discovery_pb2 as aggregated_pb2
from vaina.api.meta.v1 import discovery_pb2
from vaina.kinds import Kind


class Page(NamedTuple):
    """An answer that is made at once."""

    content_type: str
    body: bytes
    code: int = 200
    headers: Mapping[str, str] = {}


#: group -> its priority; groups of the same one by name, and those that are not here between node.k8s.io and
#: metrics.k8s.io, as upstream's of CustomResourceDefinitions
_PRIORITIES: Final = {
    "apps": 17800, "events.k8s.io": 17750, "authentication.k8s.io": 17700, "authorization.k8s.io": 17600,
    "autoscaling": 17500, "batch": 17400, "certificates.k8s.io": 17300, "networking.k8s.io": 17200, "policy": 17100,
    "rbac.authorization.k8s.io": 17000, "storage.k8s.io": 16800, "scheduling.k8s.io": 16600,
    "coordination.k8s.io": 16500, "node.k8s.io": 16300, "discovery.k8s.io": 16200, "resource.k8s.io": 16200,
    "metrics.k8s.io": 100,
}  # fmt: skip
_OTHERS: Final = 1000
#: sub-resource that is a stream -> what its options are called, and verbs: the HTTP methods that it is asked by
#: (kubernetes `pkg/registry/core/pod/rest`, ConnectMethods)
CONNECTED: Final = {
    "attach": ("AttachOptions", ("create", "get")),
    "exec": ("ExecOptions", ("create", "get")),
    "portforward": ("PortForwardOptions", ("create", "get")),
    "proxy": ("ProxyOptions", ("create", "delete", "get", "patch", "update")),
}
_LOG: Final = ("get",)
_ALL_ADDRESSES: Final = "0.0.0.0/0"


def _shape(message: type[Message], version: str = "v1", group: str = "") -> Kind[Any]:
    return Kind(message.DESCRIPTOR.name, "", message, "", "", group=group, version=version)


_VERSIONS: Final = _shape(discovery_pb2.APIVersions)
_GROUP_LIST: Final = _shape(discovery_pb2.APIGroupList)
_GROUP: Final = _shape(discovery_pb2.APIGroup)
_RESOURCES: Final = _shape(discovery_pb2.APIResourceList)
#: by version
_AGGREGATED: Final = {
    version: _shape(aggregated_pb2.APIGroupDiscoveryList, version, "apidiscovery.k8s.io")
    for version in ("v2", "v2beta1")
}


def answer(table: Table, info: RequestInfo, headers: Mapping[str, str]) -> Page | None:
    """Answer /api, /apis and what is below them; None: no such path. Raises NotAcceptable.

    `headers` are the request's, their names in lower case.
    """
    root, *names = info.path.strip("/").split("/")
    if root not in ("api", "apis") or len(names) > (2 if root == "apis" else 1):
        return None
    form = choose_discovery_form(
        headers.get("accept", ""), info.query, headers.get("user-agent", ""), aggregates=not names
    )
    if form.as_kind:
        return _aggregated(table, root, form, headers)
    if not names:
        page = _versions(headers.get("host", "")) if root == "api" else _group_list(table)
        return _page(form, _VERSIONS if root == "api" else _GROUP_LIST, page, versioned=root == "apis")
    group, version = ("", names[0]) if root == "api" else (names[0], names[1] if len(names) > 1 else "")
    if not version:
        found = next((one for one in _groups(table) if one.name == group), None)
        return None if found is None or not group else _page(form, _GROUP, found)
    resources = [*resources_of(table, group, version)]
    if not resources or (root == "apis" and not group):
        return None
    name = f"{group}/{version}" if group else version
    listed = discovery_pb2.APIResourceList(group_version=name, resources=resources)
    return _page(form, _RESOURCES, listed, versioned=bool(group))


def _page(form: Form, shape: Kind[Any], message: Message, *, versioned: bool = True) -> Page:
    """Return a message as a page; /api and the core group have had no apiVersion since 1.1 (`util.go`)."""
    body = write_object(form, shape, message.SerializeToString(), 0)
    if not versioned and form.media is not Media.PROTOBUF:
        body = _without_version(form, body)
    return Page(form.content_type, body)


def _without_version(form: Form, body: bytes) -> bytes:
    if form.media is Media.YAML:
        return body.replace(b"apiVersion: v1\n", b"", 1)
    if form.pretty:
        return body.replace(b'  "apiVersion": "v1",\n', b"", 1)
    return body.replace(b'"apiVersion":"v1",', b"", 1)


def _versions(host: str) -> discovery_pb2.APIVersions:
    address = discovery_pb2.ServerAddressByClientCIDR(client_cidr=_ALL_ADDRESSES, server_address=host)
    return discovery_pb2.APIVersions(versions=["v1"], server_address_by_client_cidrs=[address])


def _priority(group: str) -> tuple[int, str]:
    return -_PRIORITIES.get(group, _OTHERS), group


def group_versions(table: Table) -> list[tuple[str, list[str]]]:
    """Return the groups in their order, the core group first, with their versions, the preferred one first."""
    found: dict[str, set[str]] = {}
    for group, version, _ in table:
        found.setdefault(group, set()).add(version)
    order = sorted(found, key=lambda group: (bool(group), _priority(group)))
    return [(group, sorted(found[group], key=_version_order)) for group in order]


def _version_order(version: str) -> tuple[bool, int, int]:
    """Return a key that puts v2 before v1, and both before v2beta1 (apimachinery `pkg/util/version`)."""
    number, beta, minor = version.removeprefix("v").partition("beta")
    return bool(beta), -int(number), -int(minor or 0)


def _groups(table: Table) -> list[discovery_pb2.APIGroup]:
    groups: list[discovery_pb2.APIGroup] = []
    for group, versions in group_versions(table):
        listed = [
            discovery_pb2.GroupVersionForDiscovery(group_version=f"{group}/{version}", version=version)
            for version in versions
        ]
        if group:
            groups.append(discovery_pb2.APIGroup(name=group, versions=listed, preferred_version=listed[0]))
    return groups


def _group_list(table: Table) -> discovery_pb2.APIGroupList:
    return discovery_pb2.APIGroupList(groups=_groups(table))


def storage_version_hash(kind: Kind[Any]) -> str:
    """Return the hash of the version that a kind is stored in (`storageversionhash.go`)."""
    name = f"{kind.group}/{kind.version}/{kind.kind}"
    return base64.b64encode(hashlib.sha256(name.encode()).digest()[:8]).decode()


def resources_of(table: Table, group: str, version: str) -> Iterable[discovery_pb2.APIResource]:
    """Return the resources of a version and their sub-resources, by name."""
    rows = [row for key, row in table.items() if key[:2] == (group, version)]
    found = [resource for row in rows for resource in _of_row(row)]
    return sorted(found, key=lambda resource: resource.name)


def _of_row(row: Served) -> Iterable[discovery_pb2.APIResource]:
    shape = row.shape
    yield discovery_pb2.APIResource(
        name=shape.plural, namespaced=shape.namespaced, kind=shape.kind,
        verbs=discovery_pb2.Verbs(items=sorted(row.methods)), short_names=shape.short_names,
        singular_name=shape.singular, categories=shape.categories,
        storage_version_hash="" if row.row is None else storage_version_hash(row.row),
    )  # fmt: skip
    for part in row.subresources.values():
        kind, verbs = _part(row, part)
        resource = discovery_pb2.APIResource(
            name=f"{shape.plural}/{part.name}", namespaced=shape.namespaced, kind=kind,
            verbs=discovery_pb2.Verbs(items=verbs),
        )  # fmt: skip
        if (part.shape.group, part.shape.version) != (shape.group, shape.version):
            resource.group, resource.version = part.shape.group, part.shape.version
        yield resource


def _part(row: Served, part: Subresource) -> tuple[str, Iterable[str]]:
    """Return the kind and the verbs of a sub-resource."""
    if not part.is_stream:
        return part.shape.kind, sorted(part.methods)
    if part.name not in CONNECTED:
        return part.shape.kind, _LOG
    options, verbs = CONNECTED[part.name]
    return f"{row.shape.kind}{options}", verbs


def _aggregated(table: Table, root: str, form: Form, headers: Mapping[str, str]) -> Page:
    found = aggregated_pb2.APIGroupDiscoveryList(
        items=[
            _aggregated_group(table, group, versions)
            for group, versions in group_versions(table)
            if bool(group) == (root == "apis")
        ]
    )
    written = found.SerializeToString(deterministic=True)
    tag = f'"{hashlib.sha512(written).hexdigest().upper()}"'
    more = {"ETag": tag, "Vary": "Accept", "Cache-Control": "public"}
    shape = _AGGREGATED[form.as_version]
    # The object itself, in a form of its own name.
    body = write_object(Form(form.media, pretty=form.pretty), shape, written, 0)
    content_type = f"{form.content_type};g={shape.group};v={shape.version};as={shape.kind}"
    if headers.get("if-none-match") == tag:
        return Page(content_type, b"", 304, more)
    return Page(content_type, body, 200, more)


def _aggregated_group(table: Table, group: str, versions: list[str]) -> aggregated_pb2.APIGroupDiscovery:
    found = aggregated_pb2.APIGroupDiscovery()
    found.metadata.name = group
    for version in versions:
        one = found.versions.add(version=version, freshness="Current")
        by_name: dict[str, aggregated_pb2.APIResourceDiscovery] = {}
        for resource in resources_of(table, group, version):
            name, _, part = resource.name.partition("/")
            kind = discovery_pb2.GroupVersionKind(
                group=resource.group, version=resource.version, kind=resource.kind
            )
            if part:
                by_name[name].subresources.add(
                    subresource=part, response_kind=kind, verbs=resource.verbs.items
                )
                continue
            by_name[name] = one.resources.add(
                resource=name, response_kind=kind, scope="Namespaced" if resource.namespaced else "Cluster",
                singular_resource=resource.singular_name, verbs=resource.verbs.items,
                short_names=resource.short_names, categories=resource.categories,
            )  # fmt: skip
    return found
