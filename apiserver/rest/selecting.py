"""PURE: what lists and watches ask for, from a query to the requests of their gRPC methods.

Follows apiserver `pkg/endpoints/handlers/get.go` (ListResource, listOpts) and apimachinery
`pkg/apis/meta/internalversion/validation/validation.go` (ValidateListOptions), of which the registry checks
what does not depend on HTTP.
"""

from typing import Final

from apiserver.rest.calls import integer
from apiserver.rest.info import RequestInfo
from apiserver.rest.served import Served
from vaina.api.meta.v1 import request_pb2
from vaina.errors import BadRequest, FieldError, Invalid
from vaina.objects import field_path
from vaina.objects.field_path import Path

_INITIAL: Final = "sendInitialEvents"
_MATCH: Final = "resourceVersionMatch"
_NOT_OLDER_THAN: Final = "NotOlderThan"


def list_request(info: RequestInfo, served: Served) -> request_pb2.ListRequest:
    """Return the request of a list. Raises BadRequest, Invalid."""
    query = info.query
    if _INITIAL in query:
        raise _invalid(field_path.forbidden(Path(_INITIAL), f"{_INITIAL} is forbidden for list"))
    return request_pb2.ListRequest(
        namespace=_namespace(info, served),
        label_selector=query.one("labelSelector"),
        field_selector=_fields(info, served),
        limit=_integer(info, "limit") or 0,
        continue_token=query.one("continue"),
        resource_version=query.one("resourceVersion"),
        resource_version_match=query.one(_MATCH),
    )


def watch_request(info: RequestInfo, served: Served) -> request_pb2.WatchRequest:
    """Return the request of a watch. Raises BadRequest, Invalid."""
    query = info.query
    request = request_pb2.WatchRequest(
        namespace=_namespace(info, served),
        label_selector=query.one("labelSelector"),
        field_selector=_fields(info, served),
        resource_version=query.one("resourceVersion"),
        allow_watch_bookmarks=query.flag("allowWatchBookmarks"),
        timeout_seconds=_integer(info, "timeoutSeconds"),
        resource_version_match=query.one(_MATCH),
    )
    if _INITIAL in query:
        if query.one(_MATCH) != _NOT_OLDER_THAN:
            words = f"{_INITIAL} requires setting {_MATCH} to {_NOT_OLDER_THAN}"
            raise _invalid(field_path.forbidden(Path(_MATCH), words))
        request.send_initial_events = query.flag(_INITIAL)
    return request


def _invalid(wrong: FieldError) -> Invalid:
    return Invalid.of("ListOptions", "", [wrong], group="meta.k8s.io")


def _namespace(info: RequestInfo, served: Served) -> str:
    return info.namespace if served.shape.namespaced else ""


def _integer(info: RequestInfo, name: str) -> int | None:
    """Return a number of the query; None where it is not given."""
    return integer(info.query.one(name)) if name in info.query else None


def _fields(info: RequestInfo, served: Served) -> str:
    """Return the field selector; one object that is watched by its path is selected by its name."""
    given = served.field_selector(info.query.one("fieldSelector"))
    if not info.name:
        return given
    selected = f"metadata.name={info.name}"
    if given and given.replace("==", "=") != selected:
        raise BadRequest("fieldSelector metadata.name doesn't match requested name")
    return selected
