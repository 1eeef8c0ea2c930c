"""PURE: the lines of the audit log: audit.k8s.io/v1 Events as JSON.

Fields and limits are upstream's (apiserver `pkg/apis/audit/v1/types.go`, `pkg/audit/request.go`,
`plugin/pkg/audit/truncate`). The requestURI is what a REST request asked for, or the method's gRPC path.
Whatever a policy says, bodies of Secrets and of what carries tokens are never written, and of a text of many
manifests only what each is about.
"""

from collections.abc import Sequence
from dataclasses import dataclass
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
from vaina.objects.patching import APPLY_PATCH
from vaina.objects.tree import compact_json
from vaina.objects.yaml_text import parse_yaml
from vaina.serving.handlers import Audited, User, address_of

#: longer lines lose their bodies, then their annotations (upstream's --audit-log-truncate-max-event-size)
MAX_EVENT_BYTES: Final = 100 * 1024
#: longer texts of a client's are cut
_MAX_TEXT: Final = 1024
_CUT: Final = "...TRUNCATED"
_DECISION, _REASON = "authorization.k8s.io/decision", "authorization.k8s.io/reason"
_OBJECTS, _FAILED = "vaina.dev/objects", "vaina.dev/failed"
_TRUNCATED = "audit.k8s.io/truncated"
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


@dataclass(slots=True)
class Call:
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
    #: path and query of a REST request; of other calls the path
    uri: str = ""
    #: who asks in the name of the user about whom authorization is asked; None: that user
    sender: User | None = None
    #: the verb by which the sender may do that, where it is a constrained one
    constraint: str = ""


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
    users = (asked.user,) if call.sender is None else (call.sender, asked.user)
    before, after = _head(
        level, stage.name, asked.verb, users, call.constraint, address_of(call.peer), _cut(call.agent)
    )
    parts = [
        before,
        call.id.encode(),
        after,
        b',"requestURI":',
        msgspec.json.encode(_cut(call.uri or call.path)),
    ]
    if asked.resource:
        parts += (b',"objectRef":', _json(_reference(asked, kind, _meta(call))))
    parts += (b',"responseStatus":', _status(stage.outcome, hides=is_secret(asked)))
    times = (
        f',"requestReceivedTimestamp":"{_time(call.received)}","stageTimestamp":"{_time(stage.now)}"'.encode()
    )
    decided = ("", "") if verdict is None else ("allow" if verdict.is_allowed else "forbid", verdict.reason)
    done = [name for namespace, name in audited.done if namespace == asked.namespace]
    if not (done or audited.failed or audited.annotations):
        noted = _decision(*decided)
    else:
        noted = _json(_annotations(decided, audited, done))
    if level >= Level.REQUEST and kind is not None:
        bodies = _bodies(call, kind, level, omits=auditing.omit_managed_fields)
        if sum(map(len, (*parts, *bodies))) <= MAX_EVENT_BYTES:
            parts += bodies
        else:
            noted = _json({**_annotations(decided, audited, done), _TRUNCATED: "true"})
    if len(noted) > MAX_EVENT_BYTES:
        noted = _json({**_annotations(decided, audited, ()), _TRUNCATED: "true"})
    return b"".join((*parts, times, b',"annotations":', noted, b"}\n"))


@lru_cache(maxsize=4096)
def _head(
    level: Level, stage: str, verb: str, users: tuple[User, ...], constraint: str, address: str, agent: str
) -> tuple[bytes, bytes]:
    """Return how an event begins, before its id and after it: most calls of a client begin alike.

    `users` are who asks and, where there is one, the user in whose name.
    """
    before = {"kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": level.word}
    after: Json = {
        "stage": stage, "verb": verb,
        **dict(zip(("user", "impersonatedUser"), map(_user, users), strict=False)),
        **({"authenticationMetadata": {"impersonationConstraint": constraint}} if constraint else {}),
        "sourceIPs": [address] if address else [],
    }  # fmt: skip
    if agent:
        after["userAgent"] = agent
    return _json(before)[:-1] + b',"auditID":"', b'",' + _json(after)[1:-1]


def _user(user: User) -> Json:
    said: Json = {"username": _cut(user.name)}
    if user.uid:
        said["uid"] = _cut(user.uid)
    said["groups"] = [_cut(group) for group in user.groups]
    if user.extra:
        said["extra"] = {_cut(name): [_cut(value) for value in values] for name, values in user.extra}
    return said


@lru_cache(maxsize=1024)
def _decision(decision: str, reason: str) -> bytes:
    """Return the annotations of a request of which nothing else is said."""
    return _json(_annotations((decision, reason), Audited(), ()))


def _annotations(decided: tuple[str, str], audited: Audited, done: Sequence[str]) -> Json:
    decision, reason = decided
    noted: Json = {key: _cut(value) for key, value in audited.annotations.items()}
    if decision:
        noted[_DECISION], noted[_REASON] = decision, _cut(reason)
    if done:
        noted[_OBJECTS] = ",".join(done)
    if audited.failed:
        noted[_FAILED] = str(audited.failed)
    return noted


def is_secret(asked: Attributes) -> bool:
    """Say whether the bodies of a request are never written."""
    return (asked.group, asked.combined) in _SECRET or (asked.group, asked.resource) == ("", "secrets")


def _json(value: Json) -> bytes:
    encoded = msgspec.json.encode(value)
    if encoded.isascii():
        return encoded
    # Some readers take these two for the ends of lines; upstream's encoder escapes them as well.
    return encoded.replace(b"\xe2\x80\xa8", b"\\u2028").replace(b"\xe2\x80\xa9", b"\\u2029")


def _reference(asked: Attributes, kind: Kind[Any] | None, meta: Any) -> Json:
    reference = {
        "resource": asked.resource, "namespace": _cut(asked.namespace),
        "name": _cut(asked.name or (meta.name if meta is not None else "")),
        "uid": meta.uid if meta is not None else "", "apiGroup": asked.group,
        "apiVersion": "" if kind is None else kind.version,
        "resourceVersion": meta.resource_version if meta is not None else "", "subresource": asked.subresource,
    }  # fmt: skip
    return {key: value for key, value in reference.items() if value}


def _status(outcome: Outcome, *, hides: bool) -> bytes:
    error = outcome.error
    if error is None:
        return _good(outcome.code, outcome.message)
    details = {"name": _cut(error.name), "group": error.group, "kind": error.kind}
    status: Json = {"metadata": {}, "status": "Failure", "reason": error.reason}
    if any(details.values()):
        status["details"] = {key: value for key, value in details.items() if value}
    # What is wrong with a value may show it.
    if not hides or error.code not in (400, 422):
        status["message"] = _cut(error.message)
    return _json(status | {"code": error.code})


@lru_cache(maxsize=256)
def _good(code: int, message: str) -> bytes:
    """Return the status of what was no ApiError."""
    status: Json = {"metadata": {}, "code": code}
    return _json(status | {"status": "Failure", "message": message} if message else status)


def _meta(call: Call) -> Any:
    """Return the metadata of what a call has created, or was to create; None for other calls."""
    if not call.path.endswith("/Create"):
        return None
    try:
        data = call.answer or raw_pb2.RawCreateRequest.FromString(call.request).object
        return meta_pb2.PartialObjectMetadata.FromString(data).metadata
    except (DecodeError, ValueError):
        return None


def _bodies(call: Call, kind: Kind[Any], level: Level, *, omits: bool) -> list[bytes]:
    """Return the bodies of a call whose bodies are objects. What cannot be read is left out."""
    method, found = call.path.rpartition("/")[2], list[bytes]()
    try:
        if method == "Patch":
            request = request_pb2.PatchRequest.FromString(call.request)
            found += (b',"requestObject":', _patch_body(request))
        elif method.endswith("Batch"):
            items = [_tree(kind, item, omits=omits) for item in _items(method, call.request)]
            found += (b',"requestObject":', _json({"kind": "List", "apiVersion": "v1", "items": items}))
        elif method in _ANSWERS and method != "Get":
            sent = raw_pb2.RawUpdateRequest.FromString(call.request).object
            found += (b',"requestObject":', _json(_tree(kind, sent, omits=omits)))
        if level is Level.REQUEST_RESPONSE and method in _ANSWERS and call.answer:
            found += (b',"responseObject":', _json(_tree(kind, call.answer, omits=omits)))
    except (DecodeError, ValueError, msgspec.DecodeError):
        return found
    return found


def _patch_body(request: request_pb2.PatchRequest) -> bytes:
    """Return a patch as JSON. What is applied may be YAML. Raises ValueError.

    Follows apiserver `endpoints/handlers/patch.go` (validateAndTranscodePatch).
    """
    try:
        return _json(msgspec.json.decode(request.patch))
    except msgspec.DecodeError:
        if request.patch_type != APPLY_PATCH:
            raise
    documents = parse_yaml(request.patch)
    return compact_json(documents[0][0] if documents else None)


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
