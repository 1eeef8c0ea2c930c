"""PURE: what an HTTP request is about: verb, group, version, resource, namespace, name, sub-resource.

Follows apiserver `pkg/endpoints/request/requestinfo.go` (NewRequestInfo): the path is decoded first and split
then, so that %2F separates segments as a slash does, and nothing is cleaned: an empty segment or `..` is a name
that nothing is served under. Called by `answering`.
"""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_plus, unquote_to_bytes

from vaina.errors import BadRequest
from vaina.quoting import go_quote

_PREFIXES: Final = frozenset(("api", "apis"))
#: segments in the place of a resource that are verbs
_SPECIAL: Final = frozenset(("proxy", "watch"))
#: what follows a namespace's name and is no resource in it
_OF_NAMESPACES: Final = frozenset(("status", "finalize"))
_VERBS: Final = {
    "POST": "create", "GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete",
}  # fmt: skip
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})..?|%$")


class Query(dict[str, list[str]]):
    """The query of a request: the values of each name, in their order."""

    def one(self, name: str) -> str:
        """Return the first value of a name; empty where there is none."""
        return self[name][0] if name in self else ""

    def flag(self, name: str) -> bool:
        """Return a boolean: anything but 0 and false is true, a name without a value too.

        Follows apimachinery `pkg/runtime/conversion.go` (Convert_Slice_string_To_bool).
        """
        return name in self and self[name][0].lower() not in ("false", "0")


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """What a request is about."""

    #: HTTP's: GET, POST
    method: str
    #: decoded, as it came
    path: str
    #: of the API: get, list, watch, create, update, patch, delete, deletecollection; of what is no resource the
    #: method in lower case
    verb: str
    query: Query
    is_resource: bool = False
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    #: empty: the cluster, or all namespaces
    namespace: str = ""
    name: str = ""
    #: what follows the sub-resource: a proxy's own path, with its slash
    rest: str = ""
    #: as it was sent, with the query: the requestURI of the audit log
    uri: str = ""


def read_query(text: str) -> Query:
    """Read a query as Go's url.Values are read: what cannot be read is left out."""
    query = Query()
    # What is no UTF-8 in the head of a request is there as surrogates, which no message takes.
    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    for part in text.split("&"):
        if not part or ";" in part or _BAD_ESCAPE.search(part):
            continue
        name, _, value = part.partition("=")
        query.setdefault(unquote_plus(name), []).append(unquote_plus(value))
    return query


def read_info(method: str, target: str) -> RequestInfo:
    """Read the target of a request: /api/v1/namespaces/default/pods?limit=5. Raises BadRequest."""
    raw, _, query_text = _without_authority(target).partition("?")
    found = _BAD_ESCAPE.search(raw)
    if found:
        raise BadRequest(f"invalid URL escape {go_quote(found.group())}")
    path = unquote_to_bytes(raw.encode("utf-8", "surrogateescape")).decode("utf-8", "replace")
    query = read_query(query_text)
    parts = path.strip("/").split("/")
    plain = RequestInfo(method, path, method.lower(), query, uri=target)
    grouped = parts[0] == "apis"
    if parts[0] not in _PREFIXES or len(parts) < (4 if grouped else 3):
        return plain
    group = parts[1] if grouped else ""
    version, *rest = parts[2:] if grouped else parts[1:]
    verb = _VERBS.get(method, "")
    if rest[0] in _SPECIAL:
        if len(rest) < 2:
            raise BadRequest(f"unable to determine kind and namespace from url, {target}")
        verb, *rest = rest
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 1:
        namespace = rest[1]
        if len(rest) > 2 and rest[2] not in _OF_NAMESPACES:
            rest = rest[2:]
    name = rest[1] if len(rest) > 1 else ""
    subresource = rest[2] if len(rest) > 2 and verb != "proxy" else ""
    if not name:
        verb = _of_collection(verb, query)
    return RequestInfo(
        method, path, verb, query, True, group, version, rest[0], subresource, namespace, name,
        "".join(f"/{part}" for part in rest[3:]), target,
    )  # fmt: skip


def _without_authority(target: str) -> str:
    """Return path and query of a target that names scheme and host too, as clients of proxies send it."""
    if target.startswith(("http://", "https://")):
        _, _, rest = target.partition("://")
        return rest[rest.find("/") :] if "/" in rest else "/"
    return target


def _of_collection(verb: str, query: Query) -> str:
    """Return what a verb is when no name follows it."""
    if verb == "get":
        return "watch" if query.flag("watch") else "list"
    return "deletecollection" if verb == "delete" else verb
