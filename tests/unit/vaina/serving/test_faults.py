"""Handlers with faults.

Their caller is told INTERNAL and nothing of the inside, and others are served.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import grpc
import pytest

from tests.unit.vaina.serving.conftest import Serve
from vaina.api.core.v1 import pod_service_pb2
from vaina.clock import SystemClock
from vaina.errors import NotFound
from vaina.kinds import POD
from vaina.serving.handlers import BIDI, STREAM, UNARY, Method, MethodKind, RequestContext
from vaina.serving.options import MAX_STREAMS

assert pod_service_pb2.DESCRIPTOR  # reflection needs the descriptors

GET, WATCH = POD.method("Get"), POD.method("Watch")
FAILED = "an error on the server has prevented the request from succeeding"
#: what nobody outside may read
SECRET = "the key is 4711"
Served = Callable[..., AbstractAsyncContextManager[grpc.aio.Channel]]


async def echo(request: bytes, _ctx: RequestContext) -> bytes:
    return request


async def refuses(_request: bytes, _ctx: RequestContext) -> bytes:
    raise NotFound("it is not here")


async def _until_cancelled() -> None:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.cancel()
    await future


async def raises(_request: bytes, _ctx: RequestContext) -> bytes:
    raise RuntimeError(SECRET)


async def raises_in_cleanup(_request: bytes, _ctx: RequestContext) -> bytes:
    try:
        raise ValueError(SECRET)
    finally:
        raise RuntimeError(SECRET)


async def answers_nothing(_request: bytes, _ctx: RequestContext) -> Any:
    return None


async def waits_for_what_was_cancelled(_request: bytes, _ctx: RequestContext) -> bytes:
    await _until_cancelled()
    return b""


async def raises_at_first(_request: Any, _ctx: RequestContext) -> AsyncIterator[bytes]:
    if _request is not None:
        raise RuntimeError(SECRET)
    yield b""


async def raises_later(_request: Any, _ctx: RequestContext) -> AsyncIterator[bytes]:
    yield b"1"
    raise RuntimeError(SECRET)


async def raises_at_its_end(_request: Any, _ctx: RequestContext) -> AsyncIterator[bytes]:
    try:
        yield b"1"
    finally:
        raise RuntimeError(SECRET)


async def sends_nothing(_request: Any, _ctx: RequestContext) -> AsyncIterator[Any]:
    yield b"1"
    yield None


async def streams_from_what_was_cancelled(_request: Any, _ctx: RequestContext) -> AsyncIterator[bytes]:
    yield b"1"
    await _until_cancelled()


def no_stream(_request: Any, _ctx: RequestContext) -> Any:
    raise RuntimeError(SECRET)


@pytest.fixture
def served(serve: Serve) -> Served:
    """Return what serves `Get`, and a handler as `Watch`."""

    @asynccontextmanager
    async def start(handler: Any, kind: MethodKind) -> AsyncIterator[grpc.aio.Channel]:
        handlers = {GET: Method(UNARY, echo), WATCH: Method(kind, handler)}
        async with (
            serve(handlers, listen="127.0.0.1:0", clock=SystemClock(), drain_seconds=0.1) as server,
            grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
            asyncio.timeout(30),
        ):
            yield channel

    return start


def check(error: grpc.aio.AioRpcError) -> None:
    assert (error.code(), error.details()) == (grpc.StatusCode.INTERNAL, FAILED)
    assert SECRET.encode() not in repr((error.trailing_metadata(), error.initial_metadata())).encode()


@pytest.mark.parametrize(
    "handler", [raises, raises_in_cleanup, answers_nothing, waits_for_what_was_cancelled]
)
async def test_a_unary_call(served: Served, handler: Any) -> None:
    async with served(handler, UNARY) as channel:
        # More than there are workers at first.
        for call in [channel.unary_unary(WATCH)(b"") for _ in range(5)]:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call
            check(caught.value)
        assert await channel.unary_unary(GET)(b"next") == b"next"


@pytest.mark.parametrize("kind", [STREAM, BIDI])
@pytest.mark.parametrize(
    ("handler", "answers"),
    [
        (raises_at_first, []), (no_stream, []), (raises_later, [b"1"]), (raises_at_its_end, [b"1"]),
        (sends_nothing, [b"1"]), (streams_from_what_was_cancelled, [b"1"]),
    ],
)  # fmt: skip
async def test_a_stream(served: Served, handler: Any, answers: list[bytes], kind: MethodKind) -> None:
    async with served(handler, kind) as channel:
        for _ in range(2):
            call: Any = channel.unary_stream(WATCH)(b"") if kind is STREAM else channel.stream_stream(WATCH)()
            # A request of a stream could be on its way when the call is over, which the client itself tells
            # as something else.
            assert [await call.read() for _ in answers] == answers
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call.read()
            check(caught.value)
        assert await channel.unary_unary(GET)(b"next") == b"next"


@pytest.mark.parametrize("kind", [UNARY, STREAM, BIDI])
async def test_a_call_that_is_cancelled_though_its_handler_fails_to_end(
    served: Served, kind: MethodKind
) -> None:
    begun, ended = asyncio.Semaphore(0), asyncio.Semaphore(0)

    async def wait() -> None:
        begun.release()
        try:
            await asyncio.Event().wait()
        finally:
            ended.release()
            raise RuntimeError(SECRET)

    async def unary(_request: bytes, _ctx: RequestContext) -> bytes:
        await wait()
        return b""

    async def stream(_request: Any, _ctx: RequestContext) -> AsyncIterator[bytes]:
        await wait()
        yield b""

    async with served(unary if kind is UNARY else stream, kind) as channel:
        for _ in range(5):
            call: Any = {
                UNARY: lambda: channel.unary_unary(WATCH)(b""),
                STREAM: lambda: channel.unary_stream(WATCH)(b""),
                BIDI: channel.stream_stream(WATCH),
            }[kind]()
            await begun.acquire()
            call.cancel()
            await ended.acquire()
        assert await channel.unary_unary(GET)(b"next") == b"next"


async def test_a_method_that_nobody_has(served: Served) -> None:
    async with served(raises, UNARY) as channel:
        for call in [channel.unary_unary(f"/vaina.api.core.v1.PodService/No{n}")(b"") for n in range(50)]:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call
            assert (caught.value.code(), caught.value.details()) == (
                grpc.StatusCode.UNIMPLEMENTED, "Method not found!",
            )  # fmt: skip
        assert await channel.unary_unary(GET)(b"next") == b"next"


async def test_requests_that_are_read_when_the_call_is_over_are_an_error(serve: Serve) -> None:
    kept: list[AsyncIterator[bytes]] = []

    async def keep(requests: AsyncIterator[bytes], _ctx: RequestContext) -> AsyncIterator[bytes]:
        kept.append(requests)
        yield b"1"

    handlers = {WATCH: Method(BIDI, keep)}
    async with (
        serve(handlers, listen="127.0.0.1:0", clock=SystemClock(), drain_seconds=0.1) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        call: Any = channel.stream_stream(WATCH)()
        assert await call.read() == b"1"
        assert await call.read() == grpc.aio.EOF
        with pytest.raises(grpc.aio.UsageError):
            await anext(kept[0])


async def test_more_calls_at_once_than_a_connection_takes_are_all_answered(served: Served) -> None:
    """They wait with their client, and none of them is refused because one before it is answered but not
    freed yet.
    """
    async with served(refuses, UNARY) as channel:
        for path, code in (
            (GET, grpc.StatusCode.OK),
            (WATCH, grpc.StatusCode.NOT_FOUND),
            ("/vaina.api.core.v1.PodService/No", grpc.StatusCode.UNIMPLEMENTED),
        ):
            made = [channel.unary_unary(path)(b"") for _ in range(3 * MAX_STREAMS)]
            assert Counter([await call.code() for call in made]) == {code: 3 * MAX_STREAMS}
