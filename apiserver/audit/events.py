"""PURE: the lines of the audit log: audit.k8s.io/v1 Events as JSON.

Fields and limits are upstream's (apiserver `pkg/apis/audit/v1/types.go`, `pkg/audit/request.go`,
`plugin/pkg/audit/truncate`). The requestURI is the method's gRPC path. Whatever a policy says, bodies of Secrets
and of what carries tokens are never written, and of a text of many manifests only what each is about.
"""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec
from google.protobuf.message import DecodeError

from apiserver.audit.policy import Auditing, Level
from apiserver.authorization.attributes import Attributes
from apiserver.authorization.authorizer import Verdict
from vaina.api.meta.v1 import meta_pb2, raw_pb2, request_pb2
from vaina.errors import ApiError
from vaina.kinds import KINDS, Kind
from vaina.objects.manifest import to_dict
from vaina.serving.handlers import Audited, address_of

#: longer lines lose their bodies, then their annotations (upstream's --audit-log-truncate-max-event-size)
MAX_EVENT_BYTES: Final = 100 * 1024
#: longer texts of a client's are cut
_MAX_TEXT: Final = 1024
_CUT: Final = "...TRUNCATED"
_DECISION, _REASON = "authorization.k8s.io/decision", "authorization.k8s.io/reason"
_OBJECTS, _FAILED = "vaina.dev/objects", "vaina.dev/failed"
#: group and combined resource whose bodies are never written
_SECRET: Final = frozenset((
    ("", "secrets"), ("", "serviceaccounts/token"),
    ("authentication.k8s.io", "tokenreviews"), ("authentication.k8s.io", "tokenrequests"),
))  # fmt: skip
_KINDS: Final = {(kind.group, kind.plural): kind for kind in KINDS}
#: methods whose answer is an object
_ANSWERS: Final = frozenset((
    "Get", "Create", "Update", "UpdateStatus", "UpdateEphemeralContainers", "UpdateResize", "Finalize", "Patch",
))  # fmt: skip

Json = dict[str, Any]


class Call(NamedTuple):
    """What is known of a call that was served, or begins to be."""

    #: full gRPC path
    path: str
    id: str
    peer: str
    agent: str
    #: wall-clock seconds
    received: float
    request: bytes = b""
    answer: bytes = b""


class Outcome(NamedTuple):
    """What came of a call, or of one document of it."""

    code: int = 200
    error: ApiError | None = None
    message: str = ""


class Stage(NamedTuple):
    """Where a request is."""

    name: str
    #: wall-clock seconds
    now: float
    outcome: Outcome


def line(
    call: Call,
    asked: Attributes,
    verdict: Verdict | None,
    auditing: Auditing,
    stage: Stage,
    audited: Audited,
) -> bytes:
    """Return the line of one stage of one request.

    Args:
        call: as it came.
        asked: what it asks for.
        verdict: of authorization; None: it was not asked.
        auditing: how much is written.
        stage: where the request is.
        audited: what the service says.
    """
    kind = _KINDS.get((asked.group, asked.resource))
    level = Level.METADATA if is_secret(asked) and auditing.level > Level.METADATA else auditing.level
    meta = _meta(call)
    event: Json = {
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": level.word, "auditID": call.id, "stage": stage.name,
        "requestURI": call.path, "verb": asked.verb,
        "user": {"username": _cut(asked.user.name), "groups": [_cut(group) for group in asked.user.groups]},
        "sourceIPs": [source] if (source := address_of(call.peer)) else [],
    }  # fmt: skip
    if call.agent:
        event["userAgent"] = _cut(call.agent)
    if asked.resource:
        event["objectRef"] = _reference(asked, kind, meta)
    event["responseStatus"] = _status(stage.outcome, hides=is_secret(asked))
    if level >= Level.REQUEST and kind is not None:
        _add_bodies(event, call, kind, level, omits=auditing.omit_managed_fields)
    event["requestReceivedTimestamp"], event["stageTimestamp"] = _time(call.received), _time(stage.now)
    noted = dict(audited.annotations)
    if verdict is not None:
        noted[_DECISION] = "allow" if verdict.is_allowed else "forbid"
        noted[_REASON] = _cut(verdict.reason)
    done = [name for namespace, name in audited.done if namespace == asked.namespace]
    if done:
        noted[_OBJECTS] = ",".join(done)
    if audited.failed:
        noted[_FAILED] = str(audited.failed)
    event["annotations"] = noted
    return _encode(event)


def is_secret(asked: Attributes) -> bool:
    """Say whether the bodies of a request are never written."""
    return (asked.group, asked.combined) in _SECRET or (asked.group, asked.resource) == ("", "secrets")


def _encode(event: Json) -> bytes:
    encoded = msgspec.json.encode(event)
    if len(encoded) > MAX_EVENT_BYTES:
        for body in ("requestObject", "responseObject"):
            event.pop(body, None)
        event["annotations"]["audit.k8s.io/truncated"] = "true"
        encoded = msgspec.json.encode(event)
    if len(encoded) > MAX_EVENT_BYTES:
        event["annotations"] = {
            key: _cut(value) for key, value in event["annotations"].items() if key != _OBJECTS
        }
        encoded = msgspec.json.encode(event)
    if encoded.isascii():
        return encoded + b"\n"
    # Some readers take these two for the ends of lines; upstream's encoder escapes them as well.
    return encoded.replace(b"\xe2\x80\xa8", b"\\u2028").replace(b"\xe2\x80\xa9", b"\\u2029") + b"\n"


def _reference(asked: Attributes, kind: Kind[Any] | None, meta: Any) -> Json:
    reference = {
        "resource": asked.resource, "namespace": _cut(asked.namespace),
        "name": _cut(asked.name or (meta.name if meta is not None else "")),
        "uid": meta.uid if meta is not None else "", "apiGroup": asked.group,
        "apiVersion": "" if kind is None else kind.version,
        "resourceVersion": meta.resource_version if meta is not None else "", "subresource": asked.subresource,
    }  # fmt: skip
    return {key: value for key, value in reference.items() if value}


def _status(outcome: Outcome, *, hides: bool) -> Json:
    error = outcome.error
    if error is None:
        status: Json = {"metadata": {}, "code": outcome.code}
        if outcome.message:
            status |= {"status": "Failure", "message": outcome.message}
        return status
    details = {"name": _cut(error.name), "group": error.group, "kind": error.kind}
    status = {"metadata": {}, "status": "Failure", "reason": error.reason}
    if any(details.values()):
        status["details"] = {key: value for key, value in details.items() if value}
    # What is wrong with a value may show it.
    if not hides or error.code not in (400, 422):
        status["message"] = _cut(error.message)
    return status | {"code": error.code}


def _meta(call: Call) -> Any:
    """Return the metadata of what a call has created, or was to create; None for other calls."""
    if not call.path.endswith("/Create"):
        return None
    try:
        data = call.answer or raw_pb2.RawCreateRequest.FromString(call.request).object
        return meta_pb2.PartialObjectMetadata.FromString(data).metadata
    except (DecodeError, ValueError):
        return None


def _add_bodies(event: Json, call: Call, kind: Kind[Any], level: Level, *, omits: bool) -> None:
    """Add the bodies of a call whose bodies are objects. What cannot be read is left out."""
    method = call.path.rpartition("/")[2]
    try:
        if method == "Patch":
            patch = request_pb2.PatchRequest.FromString(call.request)
            event["requestObject"] = msgspec.json.decode(patch.patch)
        elif method.endswith("Batch"):
            items = _items(method, call.request)
            event["requestObject"] = {
                "kind": "List", "apiVersion": "v1", "items": [_tree(kind, item, omits=omits) for item in items]
            }  # fmt: skip
        elif method in _ANSWERS and method != "Get":
            sent = raw_pb2.RawUpdateRequest.FromString(call.request).object
            event["requestObject"] = _tree(kind, sent, omits=omits)
        if level is Level.REQUEST_RESPONSE and method in _ANSWERS and call.answer:
            event["responseObject"] = _tree(kind, call.answer, omits=omits)
    except (DecodeError, ValueError, msgspec.DecodeError):
        return


def _items(method: str, request: bytes) -> list[bytes]:
    if method not in ("CreateBatch", "UpdateStatusBatch"):
        return []
    return [item.object for item in raw_pb2.RawUpdateBatchRequest.FromString(request).requests]


def _tree(kind: Kind[Any], data: bytes, *, omits: bool) -> Json:
    obj = kind.message.FromString(data)
    if omits:
        obj.metadata.ClearField("managed_fields")
    return to_dict(kind, obj)


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT] + _CUT


def _time(seconds: float) -> str:
    """Write a MicroTime."""
    whole, micros = divmod(round(seconds * 1_000_000), 1_000_000)
    return f"{_second(whole)}.{micros:06d}Z"


@lru_cache(maxsize=16)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
