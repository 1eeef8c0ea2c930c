"""PURE: what is served, as paths and operations of OpenAPI 3.

Follows apiserver `pkg/endpoints/installer.go` (registerResourceHandlers: actions, parameters, answers),
`pkg/endpoints/openapi` (names of operations) and kube-openapi `pkg/builder3` (what all operations of a path have
in common is said of the path). Paths that begin with watch/ are served and left out: they are deprecated.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, Final, NamedTuple

from apiserver.rest.calls import PATCHES, RETURNED
from apiserver.rest.discovery import CONNECTED
from apiserver.rest.forms import STREAMED, Media
from apiserver.rest.openapi.parameters import (
    CREATE,
    DELETE,
    LIST,
    OPTIONS,
    PATCH,
    PRETTY,
    Parameter,
    in_path,
)
from apiserver.rest.openapi.schemas import Json, Schemas, gvk
from apiserver.rest.served import DELETE_OPTIONS, STATUS, Served, Subresource
from vaina.api.meta.v1 import discovery_pb2
from vaina.kinds import Kind

_OK, _CREATED, _ACCEPTED = ("200", "OK"), ("201", "Created"), ("202", "Accepted")
_UNAUTHORIZED: Final[Json] = {"401": {"description": "Unauthorized"}}
_ANY: Final = "*/*"
_RESOURCES: Final = Kind("APIResourceList", "", discovery_pb2.APIResourceList, "", "")
#: verb of the API -> the method of HTTP by which a stream is asked for
_CONNECTS: Final = {
    "get": ("get", "head", "options"), "create": ("post",), "update": ("put",), "patch": ("patch",),
    "delete": ("delete",),
}  # fmt: skip
_WORD: Final = re.compile(r"[^A-Za-z0-9]+")


class Operation(NamedTuple):
    """One method of one path."""

    method: str
    path: str
    parameters: Sequence[Parameter]
    body: Json


class _Names(NamedTuple):
    """How operations of a group and version are called."""

    #: CoreV1, RbacAuthorizationV1
    prefix: str
    #: core_v1, rbacAuthorization_v1
    tag: str


def paths_of(group: str, version: str, rows: Iterable[Served], schemas: Schemas) -> Json:
    """Return the paths of the resources of a group and version; `schemas` gets what they need."""
    root, names = _root(group, version), _names(group, version)
    found: dict[str, list[Operation]] = {}
    for operation in chain.from_iterable(_of_row(root, names, row, schemas) for row in rows):
        found.setdefault(operation.path, []).append(operation)
    return {path: _item(found[path]) for path in sorted(found)}


def discovery_path(group: str, version: str, schemas: Schemas) -> Json:
    """Return the path that tells of the resources of a group and version; `schemas` gets what it needs."""
    names = _names(group, version)
    answers = _answers(schemas.kind(_RESOURCES), Media, _OK)
    operation = {
        "description": "get available resources",
        "operationId": f"get{names.prefix}APIResources",
        "responses": {**answers, **_UNAUTHORIZED},
        "tags": [names.tag],
    }
    return {f"{_root(group, version)}/": {"get": operation}}


def _root(group: str, version: str) -> str:
    return f"/apis/{group}/{version}" if group else f"/api/{version}"


def _names(group: str, version: str) -> _Names:
    words = [word for word in _WORD.split(group.removesuffix(".k8s.io") or "core") if word]
    title = "".join(word[:1].upper() + word[1:] for word in words)
    return _Names(f"{title}{version[:1].upper()}{version[1:]}", f"{title[:1].lower()}{title[1:]}_{version}")


def _item(operations: Sequence[Operation]) -> Json:
    """Return a path: parameters that all of its operations have are its own."""
    common = set.intersection(*(set(each.parameters) for each in operations))
    item: Json = {}
    for operation in operations:
        own = sorted(set(operation.parameters) - common)
        more = {"parameters": [one.to_json() for one in own]} if own else {}
        item[operation.method] = {**operation.body, **more}
    if common:
        item["parameters"] = [one.to_json() for one in sorted(common)]
    return item


def _of_row(root: str, names: _Names, row: Served, schemas: Schemas) -> Iterable[Operation]:
    shape = row.shape
    space = "/namespaces/{namespace}" if shape.namespaced else ""
    collection = f"{root}{space}/{shape.plural}"
    writer = _Writer(names, row, schemas)
    if "list" in row.methods:
        yield writer.listing(collection)
        if shape.namespaced:
            yield writer.listing(f"{root}/{shape.plural}", everywhere=True)
    if "create" in row.methods:
        yield writer.creating(collection)
    if "deletecollection" in row.methods:
        yield writer.deleting_many(collection)
    name = f"{collection}/{{name}}"
    yield from writer.of_one(name, shape, row.methods)
    if "delete" in row.methods:
        yield writer.deleting(name)
    for part in row.subresources.values():
        yield from writer.of_part(f"{name}/{part.name}", part)


class _Writer:
    """Writes the operations of one resource."""

    def __init__(self, names: _Names, row: Served, schemas: Schemas) -> None:
        self._names, self._row, self._schemas = names, row, schemas
        shape = self._shape = row.shape
        self._scope = "Namespaced" if shape.namespaced else ""

    def listing(self, path: str, *, everywhere: bool = False) -> Operation:
        kind = self._shape.kind
        name = f"{kind}ForAllNamespaces" if everywhere else f"{self._scope}{kind}"
        media = sorted([*Media, *(f"{one.value};stream=watch" for one in STREAMED)])
        answers = _answers(self._schemas.list_of(self._shape), media, _OK)
        body = self._body("list", "list", name, f"list or watch objects of kind {kind}", answers)
        return self._operation("get", path, LIST, body)

    def creating(self, path: str) -> Operation:
        kind = self._shape.kind
        reference = self._schemas.kind(self._shape)
        answers = _answers(reference, Media, _OK, _CREATED, _ACCEPTED)
        about = f"create {_article(kind)}{kind}"
        body = self._body("post", "create", f"{self._scope}{kind}", about, answers, reference)
        return self._operation("post", path, CREATE, body)

    def deleting_many(self, path: str) -> Operation:
        kind = self._shape.kind
        answers = _answers(self._schemas.kind(STATUS), Media, _OK)
        about = f"delete collection of {kind}"
        body = self._body("deletecollection", "delete", f"Collection{self._scope}{kind}", about, answers)
        body["requestBody"] = self._options_body()
        shown = [one for one in LIST if one.name not in ("watch", "allowWatchBookmarks")]
        return self._operation("delete", path, (*shown, *DELETE), body)

    def deleting(self, path: str) -> Operation:
        shape = self._shape
        told = shape if shape.plural in RETURNED else STATUS
        answers = _answers(self._schemas.kind(told), Media, _OK, _ACCEPTED)
        about = f"delete {_article(shape.kind)}{shape.kind}"
        body = self._body("delete", "delete", f"{self._scope}{shape.kind}", about, answers)
        body["requestBody"] = self._options_body()
        return self._operation("delete", path, DELETE, body)

    def of_one(
        self, path: str, kind: Kind[Any], methods: Mapping[str, str], part: str = ""
    ) -> Iterable[Operation]:
        """Return the operations on one object, or on a sub-resource of it."""
        reference = self._schemas.kind(kind)
        name = f"{self._scope}{self._shape.kind}{part.title()}"
        of = f"{part} of the specified {self._shape.kind}" if part else f"the specified {self._shape.kind}"
        if "get" in methods:
            body = self._body("get", "read", name, f"read {of}", _answers(reference, Media, _OK), kind=kind)
            yield self._operation("get", path, (), body, kind)
        if "update" in methods:
            answers = _answers(reference, Media, _OK, _CREATED)
            body = self._body("put", "replace", name, f"replace {of}", answers, reference, kind=kind)
            yield self._operation("put", path, CREATE, body, kind)
        if "patch" in methods:
            answers = _answers(reference, Media, _OK, _CREATED)
            body = self._body("patch", "patch", name, f"partially update {of}", answers, kind=kind)
            content = {media: {"schema": self._schemas.patch()} for media in sorted(PATCHES)}
            body["requestBody"] = {"content": content, "required": True}
            yield self._operation("patch", path, PATCH, body, kind)
        if part and "create" in methods:
            answers = _answers(reference, Media, _OK, _CREATED, _ACCEPTED)
            about = f"create {part} of {_article(self._shape.kind)}{self._shape.kind}"
            body = self._body("post", "create", name, about, answers, reference, kind=kind)
            yield self._operation("post", path, CREATE, body, kind)

    def of_part(self, path: str, part: Subresource) -> Iterable[Operation]:
        """Return the operations on a sub-resource."""
        if not part.is_stream:
            yield from self.of_one(path, part.shape, part.methods, part.name)
        elif part.name in CONNECTED:
            yield from self._connecting(path, part.name)
            if part.name == "proxy":
                yield from self._connecting(f"{path}/{{path}}", part.name)
        else:
            name = f"{self._scope}{self._shape.kind}{part.name.title()}"
            answers = _answers({"type": "string"}, [*Media, "text/plain"], _OK)
            about = f"read {part.name} of the specified {self._shape.kind}"
            body = self._body("get", "read", name, about, answers, kind=part.shape)
            yield self._operation("get", path, OPTIONS[part.name], body, part.shape)

    def _connecting(self, path: str, part: str) -> Iterable[Operation]:
        options, verbs = CONNECTED[part]
        shape = self._shape
        kind = Kind(
            f"{shape.kind}{options}", "", shape.message, "", "", group=shape.group, version=shape.version
        )
        rest = f"{self._scope}{shape.kind}{part.title()}{'WithPath' if path.endswith('}') else ''}"
        for method in (one for verb in verbs for one in _CONNECTS[verb]):
            if method in ("head", "options") and part != "proxy":
                continue
            answers = _answers({"type": "string"}, [_ANY], _OK)
            about = f"connect {method.upper()} requests to {part} of {shape.kind}"
            body = self._body("connect", "connect", f"{method.title()}{rest}", about, answers, kind=kind)
            yield self._operation(method, path, OPTIONS[part], body, kind, pretty=False)

    def _operation(
        self,
        method: str,
        path: str,
        parameters: Iterable[Parameter],
        body: Json,
        kind: Kind[Any] | None = None,
        *,
        pretty: bool = True,
    ) -> Operation:
        shown = [*parameters, *([PRETTY] if pretty else [])]
        if "{name}" in path:
            shown.append(in_path("name", f"name of the {(kind or self._shape).kind}"))
        if "{namespace}" in path:
            shown.append(in_path("namespace", "The namespace that the object is in."))
        if "{path}" in path:
            shown.append(in_path("path", "path to the resource"))
        return Operation(method, path, shown, body)

    def _options_body(self) -> Json:
        return {"content": {_ANY: {"schema": self._schemas.kind(DELETE_OPTIONS)}}}

    def _body(
        self,
        action: str,
        verb: str,
        rest: str,
        about: str,
        answers: Json,
        reads: Json | None = None,
        *,
        kind: Kind[Any] | None = None,
    ) -> Json:
        body: Json = {
            "description": about,
            "operationId": f"{verb}{self._names.prefix}{rest}",
            "responses": {**answers, **_UNAUTHORIZED},
            "tags": [self._names.tag],
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": gvk(kind or self._shape),
        }
        if reads is not None:
            body["requestBody"] = {"content": {_ANY: {"schema": reads}}, "required": True}
        return body


def _answers(schema: Json, media: Iterable[str], *codes: tuple[str, str]) -> Json:
    content = {str(one): {"schema": schema} for one in sorted(media)}
    return {code: {"content": content, "description": text} for code, text in codes}


def _article(noun: str) -> str:
    return "an " if noun[:1] in "AEIOU" else "a "
