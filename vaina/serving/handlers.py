"""What a service is, apart from how it is reached: handlers over bytes, by gRPC path.

`vaina.serving.server` puts them behind grpc.aio, `vaina.client.transport.InProcessTransport` calls them
directly. Both go through `guarded` and `guarded_stream`, so that a caller sees the same errors either way.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import unquote

import structlog
from google.protobuf.message import DecodeError, Message

from vaina.errors import ApiError, BadRequest, InternalError, Timeout
from vaina.objects.identities import BOOTSTRAP_USER_PREFIX
from vaina.serving.outlet import Outlet
from vaina.serving.unsent import Unsent

log = structlog.stdlib.get_logger(__name__)

Req = TypeVar("Req", bound=Message)
Resp = TypeVar("Resp", bound=Message)


@dataclass(frozen=True, slots=True)
class User:
    """Who calls."""

    name: str = "system:anonymous"
    groups: tuple[str, ...] = ("system:unauthenticated",)
    #: of the object that the user is, where there is one: a ServiceAccount's
    uid: str = ""
    #: what else is known of the user, by name; the names are sorted
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()


#: every caller that is known is in it
AUTHENTICATED = "system:authenticated"
ANONYMOUS = User()
#: the name of whoever calls in the clear, as on upstream's insecure port: one name for many clients
UNSECURED = "system:unsecured"
#: that user
IN_THE_CLEAR = User(UNSECURED, ("system:masters", AUTHENTICATED))
#: names that do not tell clients apart
_MANY = frozenset((ANONYMOUS.name, UNSECURED))


@dataclass(slots=True)
class Audited:
    """What the audit log says of a call besides its request, its answer and its authorization."""

    annotations: dict[str, str] = field(default_factory=dict)
    #: namespace and name of what a batch has written
    done: list[tuple[str, str]] = field(default_factory=list)
    #: so many of a batch were refused
    failed: int = 0
    #: name, and refusal, of one document of many; by the place in `authorized` of its last question
    documents: dict[int, tuple[str, ApiError | None]] = field(default_factory=dict)


@dataclass(slots=True)
class RequestContext:
    """What is known of a call besides its request. Owned by the task of the call."""

    peer: str = "in-process"
    #: keys are lower case; values of -bin keys are bytes
    metadata: Sequence[tuple[str, str | bytes]] = ()
    #: monotonic seconds; None: no deadline
    deadline: float | None = None
    user: User = ANONYMOUS
    #: who sends the call, where it is made in the name of `user`: limits count them, the audit log has both
    sender: User | None = None
    #: the verb by which the sender may be `user` for this request alone; empty: for all of them, or nobody is
    constraint: str = ""
    #: what authorization was asked, and what it answered, in the order of the questions; for the audit log
    authorized: list[tuple[Any, Any]] = field(default_factory=list)
    #: whom the server counts the call for; empty before it does
    counted: str = ""
    #: of a REST request: path and query as they came; empty for calls by gRPC
    uri: str = ""
    #: the API group under which the caller asks, where it is not that of the stored kind (a view); authorization
    #: asks about it, and validation has rules of its own for some
    group: str | None = None
    #: W3C trace id of the caller's traceparent, where there is one
    trace_id: str = ""
    #: warnings for the caller; they travel in trailing metadata
    trailing: list[str] = field(default_factory=list)
    #: set by the service when the call stores nothing: metrics tell such calls apart
    dry_run: bool = False
    #: set by the service when an update or a patch made the object: REST answers 201 then
    created: bool = False
    #: set by the service when something was written: the call must not be sent again
    is_done: bool = False
    #: the caller has gone away, or the call is over
    cancelled: bool = False
    #: the server's answers that were not taken yet; None where nothing is between caller and service
    unsent: Unsent | None = None
    #: where messages of a stream may go that the handler does not yield; None where there is none
    outlet: Outlet | None = None
    #: what the service says for the audit log; None: the call is not audited
    audited: "Audited | None" = None
    #: awaited by exec, attach and port-forward once the call may begin, before its node is asked: the REST
    #: server upgrades its connection there; None: nobody waits for that
    checked: Callable[[], Awaitable[None]] | None = None

    @property
    def caller(self) -> User:
        """Who sends the call, in whoever's name."""
        return self.sender or self.user

    @property
    def is_known(self) -> bool:
        """Whether the caller's name is one client's own."""
        # Many nodes may have one bootstrap token.
        name = self.caller.name
        return name not in _MANY and not name.startswith(BOOTSTRAP_USER_PREFIX)

    @property
    def client(self) -> str:
        """Whom the call counts for: its caller, or the address it comes from where nobody is known."""
        if self.is_known:
            return self.caller.name
        # ipv4:127.0.0.1:41234, ipv6:[::1]:41234; a Unix socket has no port.
        host, colon, port = self.peer.rpartition(":")
        return host if colon and port.isdigit() else self.peer

    def warn(self, text: str) -> None:
        """Tell the caller something that is no error."""
        self.trailing.append(text)

    def annotate(self, key: str, value: str) -> None:
        """Say something of the call in the audit log. The first value of a key stays."""
        if self.audited is not None:
            self.audited.annotations.setdefault(key, value)

    def note_created(self) -> None:
        """Say that the call made the object that it was to change."""
        self.created = True

    def agent(self) -> str:
        """Return the caller's user agent; empty when it sent none."""
        return str(self.get("user-agent") or "")

    def get(self, key: str) -> str | bytes | None:
        """Return the first value of a metadata key, or None."""
        return next((value for name, value in self.metadata if name == key), None)


def address_of(peer: str) -> str:
    """Return the address of a peer: ipv4:10.0.0.1:4567, ipv6:%5B::1%5D:4567; empty for others."""
    scheme, _, rest = unquote(peer).partition(":")
    return rest.rpartition(":")[0].strip("[]") if scheme in ("ipv4", "ipv6") else ""


#: path, context and refusal of a call whose caller is not known, or counts no more
OnUnauthorized = Callable[[str, RequestContext, ApiError], None]


class MethodKind(StrEnum):
    """How requests and answers come: one and one, one and many, many and many."""

    UNARY = "unary"
    STREAM = "server_stream"
    BIDI = "bidi_stream"


UnaryFn = Callable[[bytes, RequestContext], Awaitable[bytes]]
StreamFn = Callable[[bytes, RequestContext], AsyncIterator[bytes]]
BidiFn = Callable[[AsyncIterator[bytes], RequestContext], AsyncIterator[bytes]]

UNARY, STREAM, BIDI = MethodKind.UNARY, MethodKind.STREAM, MethodKind.BIDI


@dataclass(frozen=True, slots=True)
class Method:
    """One method: its kind, and the function that serves it (UnaryFn, StreamFn or BidiFn, as the kind says)."""

    kind: MethodKind
    fn: Callable[..., Any]


#: by full gRPC path: /vaina.api.core.v1.PodService/Get
Handlers = Mapping[str, Method]


def decode(message: type[Req], data: bytes) -> Req:
    """Parse a request. Raises BadRequest."""
    try:
        return message.FromString(data)
    except DecodeError as error:
        raise BadRequest(
            f"the request cannot be read as {message.DESCRIPTOR.full_name}: it is not valid protobuf"
        ) from error


def typed(fn: Callable[[Req, RequestContext], Awaitable[Message]], request: type[Req]) -> Method:
    """Make a unary Method of a function over messages."""

    async def unary(data: bytes, ctx: RequestContext) -> bytes:
        return (await fn(decode(request, data), ctx)).SerializeToString()

    return Method(UNARY, unary)


def typed_stream(
    fn: Callable[[Req, RequestContext], AsyncGenerator[Message, None]], request: type[Req]
) -> Method:
    """Make a server-streaming Method of an async generator over messages."""

    async def stream(data: bytes, ctx: RequestContext) -> AsyncIterator[bytes]:
        async with aclosing(fn(decode(request, data), ctx)) as answers:
            async for answer in answers:
                yield answer.SerializeToString()

    return Method(STREAM, stream)


def typed_bidi(
    fn: Callable[[AsyncIterator[Req], RequestContext], AsyncGenerator[Message, None]], request: type[Req]
) -> Method:
    """Make a bidirectional Method of an async generator over messages."""

    async def bidi(data: AsyncIterator[bytes], ctx: RequestContext) -> AsyncIterator[bytes]:
        async def requests() -> AsyncIterator[Req]:
            async for item in data:
                yield decode(request, item)

        async with aclosing(fn(requests(), ctx)) as answers:
            async for answer in answers:
                yield answer.SerializeToString()

    return Method(BIDI, bidi)


def as_api_error(error: BaseException, path: str) -> ApiError:
    """Return what a caller may know of an exception.

    A bug of ours is logged here with its traceback, and leaves the process as InternalError without any
    detail (I20).
    """
    if isinstance(error, ApiError):
        return error
    if isinstance(error, TimeoutError):
        return Timeout("the server could not complete the request within its deadline")
    log.error("handler failed", method=path, exc_info=error)
    return InternalError("an error on the server has prevented the request from succeeding")


async def guarded(path: str, method: Method, request: bytes, ctx: RequestContext) -> bytes:
    """Call a unary method; only ApiErrors and cancellation come out."""
    try:
        return _checked(await method.fn(request, ctx))
    except ApiError:
        # As it is: raised from itself it would keep its frames, and the call with them, until the collector
        # comes.
        raise
    except asyncio.CancelledError as error:
        if _is_cancelled():
            raise
        raise as_api_error(error, path) from error
    except Exception as error:
        raise as_api_error(error, path) from error


async def guarded_stream(
    path: str, method: Method, request: bytes | AsyncIterator[bytes], ctx: RequestContext
) -> AsyncGenerator[bytes, None]:
    """Call a streaming method; only ApiErrors and cancellation come out.

    The handler's generator is always closed.
    """
    try:
        async with aclosing(method.fn(request, ctx)) as answers:
            async for answer in answers:
                yield _checked(answer)
    except ApiError:
        raise
    except asyncio.CancelledError as error:
        if _is_cancelled():
            raise
        raise as_api_error(error, path) from error
    except Exception as error:
        raise as_api_error(error, path) from error
    finally:
        ctx.cancelled = True


def _checked(answer: Any) -> bytes:
    """Return what a handler answers. Raises TypeError when it is not bytes."""
    if not isinstance(answer, bytes):
        raise TypeError(f"a handler answered with {type(answer).__name__}, not with bytes")
    return answer


def _is_cancelled() -> bool:
    """Tell whether the call is to end.

    Or else something that its handler waited for was cancelled, and its caller waits.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
