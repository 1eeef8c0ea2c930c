r"""What surrounds objects on Kubernetes' REST API when they travel as protobuf. Pure.

An object is `k8s\0` and a `runtime.Unknown`; an event of a watch is a bare `WatchEvent` after its length
(apimachinery `pkg/runtime/serializer/protobuf/protobuf.go`). Our messages have upstream's fields and numbers
(decision 002), so the bytes inside are those of our own clients.
"""

from functools import cache
from typing import Any, Final, TypeVar

import msgspec
from google.protobuf.message import DecodeError, Message

from vaina.api.meta.v1 import meta_pb2, raw_pb2
from vaina.api.runtime.v1 import runtime_pb2
from vaina.errors import (
    ERRORS_BY_REASON,
    ApiError,
    BadRequest,
    InternalError,
    from_status,
)
from vaina.kinds import Kind
from vaina.objects.decode import dict_to_message
from vaina.objects.envelope import MAGIC
from vaina.objects.excerpt import excerpt

M = TypeVar("M", bound=Message)

#: the media type
PROTOBUF: Final = "application/vnd.kubernetes.protobuf"
_LENGTH_BYTES: Final = 4
#: of one frame of a watch: etcd takes objects of 1.5 MiB, and what is larger is no frame
MAX_FRAME_BYTES: Final = 8 * 1024 * 1024
_TYPE: Final = frozenset(("apiVersion", "kind"))
#: of a header Retry-After: a server that says more is not waited for
MAX_RETRY_SECONDS: Final = 60.0
_RETRY_DIGITS: Final = 9
#: characters of an answer that is no Status, in the error's message
_SHOWN: Final = 200
#: by code: what an answer is that says no more (409 may also be AlreadyExists)
_BY_CODE: Final[dict[int, type[ApiError]]] = {cls.code: cls for cls in reversed(ERRORS_BY_REASON.values())}


def wrap(api_version: str, kind: str, content: bytes) -> bytes:
    """Return an encoded object in its envelope."""
    unknown = runtime_pb2.Unknown(raw=content)
    unknown.type_meta.api_version, unknown.type_meta.kind = api_version, kind
    return MAGIC + unknown.SerializeToString()


def unwrap(body: bytes) -> runtime_pb2.Unknown:
    """Return what an envelope says and holds. Raises InternalError: it is none."""
    if not body.startswith(MAGIC):
        raise InternalError(f"an answer that is no protobuf: {_shown(body)}")
    return _parse(runtime_pb2.Unknown, body[len(MAGIC) :])


def _parse(message: type[M], data: bytes) -> M:
    """Parse what a server sent. Raises InternalError: it is no such message."""
    try:
        return message.FromString(data)
    except DecodeError as error:
        raise InternalError(f"an answer that is no protobuf: {error}") from error


def object_of(body: bytes) -> bytes:
    """Return the encoded object of an answer.

    A deletion that is done at once is answered with a Status, of which only the object's name and uid are kept.
    """
    unknown = unwrap(body)
    if unknown.type_meta.kind != "Status":
        return unknown.raw
    details = _parse(meta_pb2.Status, unknown.raw).details
    metadata = meta_pb2.ObjectMeta(name=details.name, uid=details.uid)
    # As field 1, which `metadata` is of every kind.
    return raw_pb2.RawCreateRequest(object=metadata.SerializeToString()).SerializeToString()


def error_of(code: int, body: bytes, retry_after: str = "") -> ApiError:
    """Return what an answer with a code of 400 and more says: a Status in protobuf or JSON, or else its text.

    Args:
        code: of HTTP.
        body: of the answer.
        retry_after: the header, in seconds.
    """
    status = _status(body)
    if status is not None:
        error = from_status(status)
    else:
        cls = _BY_CODE.get(code, InternalError if code >= InternalError.code else BadRequest)
        error = cls(f"HTTP {code}: {_shown(body)}")
    if retry_after.isascii() and retry_after.isdigit() and not error.retry_seconds:
        error.retry_seconds = min(float(retry_after[:_RETRY_DIGITS]), MAX_RETRY_SECONDS)
    return error


def _status(body: bytes) -> meta_pb2.Status | None:
    """Read a Status, in protobuf or JSON; None: it is none."""
    try:
        if body.startswith(MAGIC):
            return _parse(meta_pb2.Status, unwrap(body).raw)
        tree = msgspec.json.decode(body, type=dict[str, Any])
        message = (
            dict_to_message(meta_pb2.Status, tree, known=_TYPE)[0] if tree.get("kind") == "Status" else None
        )
    except (ApiError, msgspec.DecodeError):
        return None
    return message if isinstance(message, meta_pb2.Status) else None


def _shown(body: bytes) -> str:
    return body[:_SHOWN].decode(errors="replace")


class Frames:
    """Events of a watch out of the bytes of its answer. Owned by the watch's task."""

    def __init__(self, kind: Kind[Any]) -> None:
        self._version = _version_of(kind)
        self._buffer = bytearray()
        self._error: ApiError | None = None

    def take(self, data: bytes) -> bytes | None:
        """Take in what was read; return the message of a watch with the events that are whole now, or None.

        Call `check` after each message. Raises InternalError: these are no events.
        """
        buffer = self._buffer
        buffer += data
        batch = raw_pb2.RawWatchResponse()
        at = 0
        while len(buffer) >= at + _LENGTH_BYTES:
            size = int.from_bytes(buffer[at : at + _LENGTH_BYTES], "big")
            if size > MAX_FRAME_BYTES:
                raise InternalError(f"a frame of a watch with {size:,} bytes")
            end = at + _LENGTH_BYTES + size
            if len(buffer) < end:
                break
            self._add(batch, bytes(buffer[at + _LENGTH_BYTES : end]))
            at = end
        del buffer[:at]
        return batch.SerializeToString() if batch.events else None

    def check(self) -> None:
        """Raise the ApiError that has ended the watch, after the events before it (Expired: it fell behind)."""
        if self._error is not None:
            raise self._error

    def _add(self, batch: raw_pb2.RawWatchResponse, frame: bytes) -> None:
        event = _parse(raw_pb2.RawWatchEvent, frame)
        # The second field is a RawExtension there, whose bytes are the object in its envelope.
        content = unwrap(_parse(runtime_pb2.RawExtension, event.object).raw).raw
        if event.type == "ERROR":
            self._error = from_status(_parse(meta_pb2.Status, content))
            return
        batch.events.add(type=event.type, object=content)
        batch.resource_version = _parse(self._version, content).metadata.resource_version


@cache
def _version_of(kind: Kind[Any]) -> Any:
    return excerpt(kind.message, ("metadata.resourceVersion",))
