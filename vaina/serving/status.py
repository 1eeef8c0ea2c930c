"""ApiError <-> gRPC status with details, one table both ways.

The details are a google.rpc.Status in the trailer `grpc-status-details-bin` with, in this order: Kubernetes'
`Status` (without its message, which is the status's own), exactly one ErrorInfo, BadRequest for violations of
fields, RetryInfo where a retry is due. Message and details stay under 4 KiB together, because gRPC clients
take some 8 KiB of trailers: the first violations, then "and N more".
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from vaina import errors
from vaina.api.meta.v1 import meta_pb2
from vaina.errors import ApiError, FieldError

#: trailer of the details; the name is gRPC's
DETAILS_KEY = "grpc-status-details-bin"
#: trailers of warnings: ASCII texts, and others
WARNING_KEY, WARNING_BIN_KEY = "warning", "warning-bin"
#: ErrorInfo.domain
DOMAIN = "vaina.dev"
#: message and details together, as they travel
MAX_BYTES = 4096
#: a single violation is cut to this many characters when the whole is too long
_MAX_DETAIL = 400

#: how gRPC's core tells of REFUSED_STREAM, error code 7 of HTTP/2
_REFUSED = re.compile(r"RST_STREAM with error code 7\b")

_CODES: dict[str, grpc.StatusCode] = {
    "Invalid": grpc.StatusCode.INVALID_ARGUMENT,
    "BadRequest": grpc.StatusCode.INVALID_ARGUMENT,
    "Unauthorized": grpc.StatusCode.UNAUTHENTICATED,
    "Forbidden": grpc.StatusCode.PERMISSION_DENIED,
    "NotFound": grpc.StatusCode.NOT_FOUND,
    "AlreadyExists": grpc.StatusCode.ALREADY_EXISTS,
    "Conflict": grpc.StatusCode.ABORTED,
    "Expired": grpc.StatusCode.OUT_OF_RANGE,
    "RequestEntityTooLarge": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "TooManyRequests": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "ServiceUnavailable": grpc.StatusCode.UNAVAILABLE,
    "InternalError": grpc.StatusCode.INTERNAL,
    "MethodNotAllowed": grpc.StatusCode.UNIMPLEMENTED,
    "NotAcceptable": grpc.StatusCode.INVALID_ARGUMENT,
    "UnsupportedMediaType": grpc.StatusCode.INVALID_ARGUMENT,
    "Timeout": grpc.StatusCode.DEADLINE_EXCEEDED,
}

#: for answers without details: from gRPC itself, or from a server that is not ours
_BY_CODE: dict[grpc.StatusCode, type[ApiError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: errors.BadRequest,
    grpc.StatusCode.UNAUTHENTICATED: errors.Unauthorized,
    grpc.StatusCode.PERMISSION_DENIED: errors.Forbidden,
    grpc.StatusCode.NOT_FOUND: errors.NotFound,
    grpc.StatusCode.ALREADY_EXISTS: errors.AlreadyExists,
    grpc.StatusCode.ABORTED: errors.Conflict,
    grpc.StatusCode.OUT_OF_RANGE: errors.Expired,
    grpc.StatusCode.RESOURCE_EXHAUSTED: errors.TooLarge,
    grpc.StatusCode.UNAVAILABLE: errors.Unavailable,
    grpc.StatusCode.CANCELLED: errors.Unavailable,
    grpc.StatusCode.UNIMPLEMENTED: errors.MethodNotSupported,
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.Timeout,
}


def code_of(error: ApiError) -> grpc.StatusCode:
    """Return the gRPC code of an error."""
    if isinstance(error, errors.StorageFull):
        return grpc.StatusCode.RESOURCE_EXHAUSTED
    return _CODES.get(error.reason, grpc.StatusCode.INTERNAL)


def to_rpc(error: ApiError) -> tuple[grpc.StatusCode, str, bytes]:
    """Return code, message and encoded details of an error, within MAX_BYTES."""
    if type(error) is errors.TooManyRequests and not error.causes and not error.name:
        # A client may be refused a thousand times in a second, with the same words.
        return _too_many(error.message, error.retry_seconds)
    return _to_rpc(error)


@lru_cache(maxsize=32)
def _too_many(message: str, retry_seconds: float) -> tuple[grpc.StatusCode, str, bytes]:
    return _to_rpc(errors.TooManyRequests(message, retry_seconds=retry_seconds))


def _to_rpc(error: ApiError) -> tuple[grpc.StatusCode, str, bytes]:
    code = code_of(error)
    message, causes = error.message, error.causes
    details = _details(error, code, message, causes)
    if _size(message, details) <= MAX_BYTES:
        return code, message, details
    shown = tuple(FieldError(c.type, _cut(c.field), _cut(c.detail)) for c in causes)
    head = _head(error)
    keep = len(shown)
    while True:
        message = _shortened(head, shown, keep)
        details = _details(error, code, message, shown[:keep])
        if _size(message, details) <= MAX_BYTES:
            return code, message, details
        if keep == 0:
            # Only a message in a script that percent-encoding makes long comes here.
            message = _cut(head, 200)
            return code, message, _details(error, code, message, ())
        keep = min(keep - 1, keep * 3 // 4)


def from_rpc(code: grpc.StatusCode, message: str, details: bytes | None) -> ApiError:
    """Return the error that an answer stands for; without our details, the one that its code means."""
    found = _from_details(message, details) if details else None
    if found is not None:
        return found
    # REFUSED_STREAM: no part of it was processed (RFC 9113, section 8.7), so there is no outcome to be unsure
    # of.
    if _REFUSED.search(message):
        return errors.TooManyRequests(
            f"the server refused the call before it began, nothing was done: {message}", retry_seconds=1
        )
    # A connection that breaks in the middle of an answer is reported as INTERNAL or UNKNOWN by gRPC.
    if code in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN) and (
        "RST_STREAM" in message or "Stream removed" in message
    ):
        return errors.Unavailable(message)
    # gRPC itself refuses what is larger than the server takes, before the server's own words.
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and "message larger than max" in message:
        return errors.TooLarge("Request entity too large: limit is 3145728")
    return _BY_CODE.get(code, errors.InternalError)(message or code.name)


def from_aio(error: grpc.aio.AioRpcError) -> ApiError:
    """Return the ApiError of a failed grpc.aio call."""
    details = None
    trailers: Iterable[Any] = error.trailing_metadata() or ()
    for key, value in trailers:
        if key == DETAILS_KEY and isinstance(value, bytes):
            details = value
    return from_rpc(error.code(), error.details() or "", details)


def warning_trailers(warnings: Sequence[str]) -> list[tuple[str, str | bytes]]:
    """Return warnings as trailers, under 4 KiB together, the rest as a count."""
    trailers: list[tuple[str, str | bytes]] = []
    room = MAX_BYTES
    for index, text in enumerate(warnings):
        raw = text.encode("utf-8", "replace")
        plain = text.isascii() and text.isprintable()
        # HTTP/2 counts 32 bytes for each header besides its name and value.
        room -= 48 + (len(raw) if plain else len(raw) * 4 // 3)
        if room < 64:
            trailers.append((WARNING_KEY, f"and {len(warnings) - index} more"))
            break
        trailers.append((WARNING_KEY, text) if plain else (WARNING_BIN_KEY, raw))
    return trailers


def warnings_of(trailers: Iterable[tuple[str, str | bytes]] | None) -> list[str]:
    """Return the warnings that an answer's trailers carry."""
    found: list[str] = []
    for key, value in trailers or ():
        if key in (WARNING_KEY, WARNING_BIN_KEY):
            found.append(value.decode("utf-8", "replace") if isinstance(value, bytes) else value)
    return found


def _details(error: ApiError, code: grpc.StatusCode, message: str, causes: Sequence[FieldError]) -> bytes:
    number: int = code.value[0]
    status = status_pb2.Status(code=number, message=message)
    kubernetes = error.to_status()
    kubernetes.ClearField("message")
    if len(causes) < len(error.causes) or causes != error.causes:
        del kubernetes.details.causes[:]
        for cause in causes:
            kubernetes.details.causes.add(reason=cause.type, message=cause.detail, field=cause.field)
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN)
    for key, value in (("group", error.group), ("kind", error.kind), ("name", _cut(error.name))):
        if value:
            info.metadata[key] = value
    _pack(status.details.add(), kubernetes)
    _pack(status.details.add(), info)
    if causes:
        bad = error_details_pb2.BadRequest()
        for cause in causes:
            bad.field_violations.add(field=cause.field, description=cause.detail)
        _pack(status.details.add(), bad)
    if error.retry_seconds:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(round(error.retry_seconds * 1000))
        _pack(status.details.add(), retry)
    encoded: bytes = status.SerializeToString()
    return encoded


def _pack(slot: AnyMessage, message: meta_pb2.Status | error_details_pb2.ErrorInfo) -> None:
    slot.Pack(message)


def _from_details(message: str, details: bytes) -> ApiError | None:
    try:
        status = status_pb2.Status.FromString(details)
        retry_seconds, found = 0.0, None
        for item in status.details:
            kubernetes, retry = meta_pb2.Status(), error_details_pb2.RetryInfo()
            if item.Unpack(kubernetes):
                found = kubernetes
            elif item.Unpack(retry):
                retry_seconds = retry.retry_delay.ToMilliseconds() / 1000
    except DecodeError:
        return None
    if found is None:
        return None
    found.message = status.message or message
    error = errors.from_status(found)
    if retry_seconds:
        error.retry_seconds = retry_seconds
    return error


def _head(error: ApiError) -> str:
    """The message up to its first violation."""
    if not error.causes:
        return error.message
    at = error.message.find(str(error.causes[0]))
    return error.message[:at].rstrip("[") if at > 0 else error.message


def _shortened(head: str, causes: Sequence[FieldError], keep: int) -> str:
    if not causes:
        return _cut(head, 800)
    parts = [str(cause) for cause in causes[:keep]]
    if keep < len(causes):
        parts.append(f"and {len(causes) - keep} more")
    words = ", ".join(parts)
    return _cut(head, 400) + (f"[{words}]" if len(parts) > 1 else words)


def _cut(text: str, limit: int = _MAX_DETAIL) -> str:
    return text if len(text) <= limit else text[: limit - 3] + "..."


def _size(message: str, details: bytes) -> int:
    # gRPC percent-encodes the message and may send -bin values as base64.
    return len(quote(message, safe=" !#$&'()*+,/:;=?@[]\"<>^`{|}\\")) + len(details) * 4 // 3
