"""The errors of the API, by what a caller can do about them.

    ApiError
      Invalid            a value breaks a rule; carries every violation
      BadRequest         cannot be read at all: unknown field, wrong type
      Unauthorized, Forbidden
      NotFound, AlreadyExists
      Conflict           written by somebody else meanwhile: read again and retry
      Expired            the version is no longer kept: list again
      TooLarge, TooManyRequests(retry_seconds)
      Unavailable, Timeout      try again; the outcome of a write may be unknown
      MethodNotSupported
      NotAcceptable, UnsupportedMediaType    of the REST API: no such form of an answer, of a body
      InternalError
        StorageFull      etcd is out of space

One value makes every form of an error: the gRPC status with its details (`vaina.serving.status`), the
`Status` message (`to_status`), later the REST answer. The reasons, codes and words are those of Kubernetes'
API machinery.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from vaina.api.meta.v1 import meta_pb2
from vaina.quoting import go_quote


@dataclass(frozen=True, slots=True)
class FieldError:
    """One violation: its type, where, and in words (`vaina.objects.field_path` makes them)."""

    #: FieldValueRequired, FieldValueInvalid, FieldValueDuplicate, ... : the reason of a StatusCause
    type: str
    #: spec.containers[0].image
    field: str
    #: everything after the field: 'Invalid value: "x": must be ...'
    detail: str

    def __str__(self) -> str:
        return f"{self.field}: {self.detail}"


class ApiError(Exception):
    """A refusal with a reason, a message and the HTTP code that Kubernetes gives it."""

    reason: ClassVar[str] = "InternalError"
    code: ClassVar[int] = 500

    def __init__(  # noqa: PLR0913 - what an error may say, all by keyword
        self,
        message: str,
        *,
        group: str = "",
        kind: str = "",
        name: str = "",
        uid: str = "",
        causes: Sequence[FieldError] = (),
        retry_seconds: float = 0.0,
        continue_token: str = "",
    ) -> None:
        """Make an error; `kind` is a resource (plural) or kind, `causes` are the violations of Invalid.

        `retry_seconds` says how long a client should wait (0: nothing), and `continue_token` where a list
        that expired can go on, at another version.
        """
        super().__init__(message)
        self.message = message
        self.group, self.kind, self.name, self.uid = group, kind, name, uid
        self.causes = tuple(causes)
        self.retry_seconds = retry_seconds
        self.continue_token = continue_token

    def to_status(self) -> meta_pb2.Status:
        status = meta_pb2.Status(status="Failure", message=self.message, reason=self.reason, code=self.code)
        status.metadata.continue_token = self.continue_token
        if self.kind or self.name or self.causes or self.retry_seconds:
            status.details.group, status.details.kind = self.group, self.kind
            status.details.name, status.details.uid = self.name, self.uid
            if self.retry_seconds:
                status.details.retry_after_seconds = max(1, round(self.retry_seconds))
            for cause in self.causes:
                status.details.causes.add(reason=cause.type, message=cause.detail, field=cause.field)
        return status


class Invalid(ApiError):
    """A value breaks a rule. `causes` holds every violation of the stage."""

    reason, code = "Invalid", 422

    @classmethod
    def of(cls, kind: str, name: str, errors: Sequence[FieldError], *, group: str = "") -> "Invalid":
        """Make the error that names all violations, in Kubernetes' words: `Pod "x" is invalid: ...`."""
        words = ", ".join(str(error) for error in errors)
        if len(errors) > 1:
            words = f"[{words}]"
        full = f"{kind}.{group}" if group else kind
        return cls(
            f"{full} {go_quote(name)} is invalid: {words}", group=group, kind=kind, name=name, causes=errors
        )


class BadRequest(ApiError):
    """The request cannot be read."""

    reason, code = "BadRequest", 400


class Unauthorized(ApiError):
    """The caller is not known."""

    reason, code = "Unauthorized", 401


class Forbidden(ApiError):
    """The caller, or the state of things, does not allow it."""

    reason, code = "Forbidden", 403


class NotFound(ApiError):
    """There is no such object."""

    reason, code = "NotFound", 404


class AlreadyExists(ApiError):
    """The name is taken."""

    reason, code = "AlreadyExists", 409


class Conflict(ApiError):
    """The object was written by somebody else meanwhile, or a precondition does not hold."""

    reason, code = "Conflict", 409


class Expired(ApiError):
    """The version or continue token is too old."""

    reason, code = "Expired", 410


class TooLarge(ApiError):
    """The request or the object is larger than a limit."""

    reason, code = "RequestEntityTooLarge", 413


class TooManyRequests(ApiError):
    """The server is busy; `retry_seconds` says when to come back."""

    reason, code = "TooManyRequests", 429


class Unavailable(ApiError):
    """The server, or what it needs, is away. The outcome of a write is unknown."""

    reason, code = "ServiceUnavailable", 503


class Timeout(ApiError):
    """The time given was not enough. The outcome of a write is unknown."""

    reason, code = "Timeout", 504


class MethodNotSupported(ApiError):
    """The verb is not served for this kind."""

    reason, code = "MethodNotAllowed", 405


class NotAcceptable(ApiError):
    """No form of an answer that the client takes is there."""

    reason, code = "NotAcceptable", 406


class UnsupportedMediaType(ApiError):
    """The body is in no form that can be read."""

    reason, code = "UnsupportedMediaType", 415


class InternalError(ApiError):
    """A bug of ours."""


class StorageFull(InternalError):
    """etcd is full: only deletions work until it was compacted, defragmented and disarmed."""


#: every kind of error by its reason
ERRORS_BY_REASON: dict[str, type[ApiError]] = {
    cls.reason: cls
    for cls in (
        Invalid, BadRequest, Unauthorized, Forbidden, NotFound, AlreadyExists, Conflict, Expired, TooLarge,
        TooManyRequests, Unavailable, Timeout, MethodNotSupported, NotAcceptable, UnsupportedMediaType,
        InternalError,
    )
}  # fmt: skip


def from_status(status: meta_pb2.Status) -> ApiError:
    """Return the error that a Status message stands for; an unknown reason is an InternalError."""
    cls = ERRORS_BY_REASON.get(status.reason, InternalError)
    details = status.details
    causes = [FieldError(type=c.reason, field=c.field, detail=c.message) for c in details.causes]
    return cls(
        status.message, group=details.group, kind=details.kind, name=details.name, uid=details.uid,
        causes=causes, retry_seconds=float(details.retry_after_seconds),
        continue_token=status.metadata.continue_token,
    )  # fmt: skip


#: cause of a Timeout: the version asked for does not exist yet (CauseTypeResourceVersionTooLarge)
VERSION_TOO_LARGE = "ResourceVersionTooLarge"


def is_version_too_large(error: Exception) -> bool:
    """Say whether a server lacks the version that was asked for: it lags, or its storage went back in time."""
    return isinstance(error, Timeout) and any(cause.type == VERSION_TOO_LARGE for cause in error.causes)
