"""Sessions are bound to what the apiserver authorized: method, Pod uid, container, and a minute to begin."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from kubelet.server.bound import bind_sessions
from kubelet.server.service import SERVICE
from vaina.api.core.v1 import pod_stream_pb2
from vaina.client.sessions import SESSION_KEY, SESSION_SECONDS, session_metadata
from vaina.client.transport import InProcessTransport, Metadata
from vaina.errors import BadRequest, Forbidden
from vaina.serving.handlers import BIDI, STREAM, Method, RequestContext
from vaina.testing.clock import EPOCH, FakeClock

UID = "uid-1"


class Kubelet:
    """The methods behind the binding: they note that they were reached, and what came."""

    def __init__(self) -> None:
        self.reached: list[str] = []
        self.came: list[bytes] = []
        self.clock = FakeClock()
        handlers = {f"/{SERVICE}/Logs": Method(STREAM, self._logs)} | {
            f"/{SERVICE}/{name}": Method(BIDI, self._session(name))
            for name in ("Exec", "Attach", "PortForward")
        }
        self.transport = InProcessTransport(bind_sessions(handlers, self.clock), clock=self.clock)

    async def _logs(self, request: bytes, ctx: RequestContext) -> AsyncIterator[bytes]:
        self.reached.append("Logs")
        yield b"answer"

    def _session(self, name: str) -> Any:
        async def run(requests: AsyncIterator[bytes], ctx: RequestContext) -> AsyncIterator[bytes]:
            self.reached.append(name)
            async for item in requests:
                self.came.append(item)
            yield b"answer"

        return run

    async def call(
        self, method: str, metadata: Metadata, *, uid: str = UID, container: str = "app"
    ) -> list[bytes]:
        path = f"/{SERVICE}/{method}"
        if method == "Logs":
            request = pod_stream_pb2.PodLogRequest(namespace="default", name="web", uid=uid)
            request.options.container = container
            stream = self.transport.stream(path, request.SerializeToString(), metadata=metadata)
        else:
            stream = self.transport.bidi(path, self.requests(method, uid, container), metadata=metadata)
        return [answer async for answer in stream]

    async def requests(self, method: str, uid: str, container: str) -> AsyncIterator[bytes]:
        message: Any = getattr(pod_stream_pb2, f"Pod{method}Request")()
        message.start.namespace, message.start.name, message.start.uid = "default", "web", uid
        if method == "PortForward":
            message.start.port = 80
        else:
            message.start.options.container = container
        yield message.SerializeToString()
        yield b"more"

    def session(self, method: str, **changes: Any) -> Metadata:
        container = "" if method == "PortForward" else "app"
        told: dict[str, Any] = {
            "user": "ana",
            "method": method,
            "uid": UID,
            "container": container,
            "now": EPOCH,
        } | changes
        return session_metadata(**told)


METHODS = ("Logs", "Exec", "Attach", "PortForward")


@pytest.mark.parametrize("method", METHODS)
async def test_what_was_authorized_is_done(method: str) -> None:
    kubelet = Kubelet()
    assert await kubelet.call(method, kubelet.session(method)) == [b"answer"]
    assert kubelet.reached == [method]
    # All that came is passed on, the first message too.
    assert method == "Logs" or (len(kubelet.came) == 2 and kubelet.came[1] == b"more")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "changes",
    [
        {"uid": "uid-of-the-pod-before"}, {"uid": ""}, {"container": "other"},
        {"now": EPOCH - SESSION_SECONDS}, {"now": EPOCH - 3600},
    ],
    ids=str,
)  # fmt: skip
async def test_anything_else_is_refused(method: str, changes: dict[str, Any]) -> None:
    kubelet = Kubelet()
    with pytest.raises(Forbidden):
        await kubelet.call(method, kubelet.session(method, **changes))
    assert kubelet.reached == []


@pytest.mark.parametrize("method", METHODS)
async def test_a_session_for_one_method_is_none_for_another(method: str) -> None:
    kubelet = Kubelet()
    for other in METHODS:
        if other != method:
            with pytest.raises(Forbidden, match="authorized for another method, pod or container"):
                await kubelet.call(method, kubelet.session(other, container="app"))
    assert kubelet.reached == []


@pytest.mark.parametrize("method", METHODS)
async def test_a_call_for_a_pod_of_any_uid_is_refused(method: str) -> None:
    kubelet = Kubelet()
    with pytest.raises(Forbidden):
        await kubelet.call(method, kubelet.session(method, uid=""), uid="")
    assert kubelet.reached == []


@pytest.mark.parametrize("method", METHODS)
async def test_a_call_that_does_not_say_what_it_was_authorized_for_is_refused(method: str) -> None:
    kubelet = Kubelet()
    for metadata in ((), (("vaina-session", "text"),)):
        with pytest.raises(Forbidden, match="does not say what it was authorized for"):
            await kubelet.call(method, metadata)
    with pytest.raises(BadRequest):
        await kubelet.call(method, ((SESSION_KEY, b"\xff\xff"),))
    assert kubelet.reached == []


async def test_a_session_that_comes_too_late_is_told_so_with_both_times() -> None:
    kubelet = Kubelet()
    session = kubelet.session("Exec")
    await kubelet.clock.advance(SESSION_SECONDS)
    words = (
        "^the session expired at 2026-01-01T00:01:00Z, and it is 2026-01-01T00:01:00Z: it was on its way for too "
        "long, or the clocks of apiserver and node differ$"
    )
    with pytest.raises(Forbidden, match=words):
        await kubelet.call("Exec", session)


async def test_a_session_that_has_begun_goes_on_after_its_minute() -> None:
    kubelet = Kubelet()

    async def slow() -> AsyncIterator[bytes]:
        async for item in kubelet.requests("Exec", UID, "app"):
            yield item
            await kubelet.clock.advance(2 * SESSION_SECONDS)

    stream = kubelet.transport.bidi(f"/{SERVICE}/Exec", slow(), metadata=kubelet.session("Exec"))
    assert [answer async for answer in stream] == [b"answer"]


@pytest.mark.parametrize("first", [None, b"\x12\x01x"], ids=["none", "input"])
async def test_the_first_message_says_where(first: bytes | None) -> None:
    kubelet = Kubelet()

    async def requests() -> AsyncIterator[bytes]:
        if first is not None:
            yield first

    with pytest.raises(BadRequest, match="the first message must be start"):
        await anext(kubelet.transport.bidi(f"/{SERVICE}/Exec", requests(), metadata=kubelet.session("Exec")))
    assert kubelet.reached == []
