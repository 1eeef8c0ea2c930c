"""Binds each session to what the apiserver authorized it for (decision 260). Wraps KubeletService's methods.

The apiserver says in a call's metadata which user it asks for, which method, which Pod by its uid, which
container, and until when the call may begin. A call whose first message asks for anything else is refused,
and so is one without that metadata, or one that comes too late: of an apiserver that hung, or whose
connection did, while the user lost the right.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any, Final

import structlog

from vaina.api.core.v1 import pod_stream_pb2
from vaina.api.kubelet.v1 import kubelet_service_pb2
from vaina.client.sessions import SESSION_KEY
from vaina.clock import Clock, rfc3339, seconds_of
from vaina.errors import BadRequest, Forbidden
from vaina.serving.handlers import Handlers, Method, RequestContext, decode

log = structlog.stdlib.get_logger(__name__)

_NO_START: Final = "the first message must be start"
_FIRST: Final[Mapping[str, type[Any]]] = {
    "Exec": pod_stream_pb2.PodExecRequest,
    "Attach": pod_stream_pb2.PodAttachRequest,
    "PortForward": pod_stream_pb2.PodPortForwardRequest,
}


def check_session(session: bytes, method: str, uid: str, container: str, now: float) -> str:
    """Return the user that a session is for. PURE. Raises Forbidden: it is not for this call, or is too old."""
    told = decode(kubelet_service_pb2.Session, session)
    if not told.uid or (told.method, told.uid, told.container) != (method, uid, container):
        raise Forbidden("the session was authorized for another method, pod or container")
    expires = seconds_of(told.expires)
    if now >= expires:
        raise Forbidden(
            f"the session expired at {rfc3339(expires)}, and it is {rfc3339(now)}: it was on its way for too "
            "long, or the clocks of apiserver and node differ"
        )
    return str(told.user)


def bind_sessions(handlers: Handlers, clock: Clock) -> Handlers:
    """Return the methods of KubeletService so that each takes only calls that were authorized for it."""
    return {
        path: Method(method.kind, _Bound(path.rpartition("/")[2], method, clock).serve)
        for path, method in handlers.items()
    }


class _Bound:
    """One method. Stateless."""

    def __init__(self, name: str, method: Method, clock: Clock) -> None:
        self._name, self._method, self._clock = name, method, clock

    async def serve(
        self, request: bytes | AsyncIterator[bytes], ctx: RequestContext
    ) -> AsyncGenerator[bytes, None]:
        if isinstance(request, bytes):
            wanted: Any = decode(pod_stream_pb2.PodLogRequest, request)
        else:
            data = await anext(aiter(request), None)
            first = None if data is None else decode(_FIRST[self._name], data)
            if data is None or first is None or not first.HasField("start"):
                raise BadRequest(_NO_START)
            wanted, request = first.start, _after(data, request)
        container = "" if self._name == "PortForward" else wanted.options.container
        session = ctx.get(SESSION_KEY)
        if not isinstance(session, bytes):
            raise Forbidden("the call does not say what it was authorized for")
        user = check_session(session, self._name, wanted.uid, container, self._clock.now())
        began, pod = self._clock.monotonic(), f"{wanted.namespace}/{wanted.name}"
        told = log.bind(session=self._name, user=user, pod=pod, uid=wanted.uid, container=container)
        told.info("session begins")
        try:
            async with aclosing(self._method.fn(request, ctx)) as answers:
                async for answer in answers:
                    yield answer
        finally:
            told.info("session ended", seconds=round(self._clock.monotonic() - began, 3))


async def _after(first: bytes, requests: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for item in requests:
        yield item
