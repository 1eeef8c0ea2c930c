"""The end of a server: who is told what, and in which order."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from tests.support import http2
from tests.unit.vaina.serving.conftest import Serve
from vaina.api.core.v1 import pod_service_pb2
from vaina.client.transport import GrpcTransport
from vaina.clock import SystemClock
from vaina.errors import Unavailable
from vaina.kinds import POD
from vaina.serving import draining
from vaina.serving.draining import Calls, Drain, Stream
from vaina.serving.handlers import BIDI, STREAM, UNARY, Method, RequestContext
from vaina.serving.server import Server
from vaina.testing.clock import FakeClock, settle

assert pod_service_pb2.DESCRIPTOR  # reflection needs the descriptors

GET, WATCH, EXEC = POD.method("Get"), POD.method("Watch"), POD.method("Exec")


class Gate:
    """Handlers that wait until the test lets them go on."""

    def __init__(self) -> None:
        self.open, self.entered = asyncio.Event(), asyncio.Event()

    async def get(self, request: bytes, ctx: RequestContext) -> bytes:
        self.entered.set()
        await self.open.wait()
        return request

    async def watch(self, request: bytes, ctx: RequestContext) -> AsyncIterator[bytes]:
        yield b"1"
        yield b"2"
        self.entered.set()
        await asyncio.Event().wait()

    def handlers(self) -> dict[str, Method]:
        return {GET: Method(UNARY, self.get), WATCH: Method(STREAM, self.watch)}


@asynccontextmanager
async def running(
    serve: Serve, gate: Gate, drain: Drain
) -> AsyncIterator[tuple[Server, asyncio.Event, asyncio.Task[None]]]:
    """Yield a server, what begins its end, and the task that ends with it."""
    stop, started = asyncio.Event(), asyncio.get_running_loop().create_future()

    async def run() -> None:
        async with serve(gate.handlers(), listen="127.0.0.1:0", clock=SystemClock(), drain=drain) as server:
            started.set_result(server)
            await stop.wait()

    async with asyncio.TaskGroup() as group:
        task = group.create_task(run())
        yield await started, stop, task
        gate.open.set()
        stop.set()


async def test_a_call_under_way_is_answered_though_the_server_goes(serve: Serve) -> None:
    gate = Gate()
    async with (
        running(serve, gate, Drain(calls_seconds=60)) as (server, stop, task),
        asyncio.TaskGroup() as group,
    ):
        transport = GrpcTransport(f"127.0.0.1:{server.port}")
        call = group.create_task(transport.unary(GET, b"x"))
        await gate.entered.wait()
        stop.set()
        while server.health.serving:
            await settle()
        gate.open.set()
        assert await call == b"x"
        await task
        await transport.close()


async def test_health_says_it_first_and_calls_are_served_until_the_delay_is_over(serve: Serve) -> None:
    gate = Gate()
    gate.open.set()
    async with running(serve, gate, Drain(delay_seconds=30)) as (server, stop, task):
        transport = GrpcTransport(f"127.0.0.1:{server.port}")
        assert await transport.unary("/grpc.health.v1.Health/Check", b"") == b"\x08\x01"
        stop.set()
        while server.health.serving:
            await settle()
        assert await transport.unary("/grpc.health.v1.Health/Check", b"") == b"\x08\x02"
        assert await transport.unary(GET, b"still") == b"still"
        await transport.close()
        task.cancel()


async def test_what_comes_late_is_told_that_nothing_was_done_and_when_to_come_again(serve: Serve) -> None:
    gate = Gate()
    gate.open.set()
    async with running(serve, gate, Drain(refuse_seconds=30)) as (server, stop, task):
        transport = GrpcTransport(f"127.0.0.1:{server.port}")
        await transport.unary(GET, b"x")
        stop.set()
        while server.health.serving:
            await settle()
        gate.entered.clear()
        with pytest.raises(
            Unavailable, match="The server is shutting down, please try again later"
        ) as caught:
            await transport.unary(GET, b"x")
        assert caught.value.retry_seconds == 1
        with pytest.raises(Unavailable, match="The server is shutting down"):
            await anext(transport.stream(WATCH, b""))
        assert not gate.entered.is_set()
        await transport.close()
        task.cancel()


async def test_a_watch_ends_in_good_order_after_its_last_message(serve: Serve) -> None:
    gate = Gate()
    async with running(serve, gate, Drain(calls_seconds=60)) as (server, stop, task):  # noqa: SIM117 - the second needs the first's port
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            call: Any = channel.unary_stream(WATCH)(b"")  # type: ignore[call-arg]  # bytes in and out
            assert [await call.read(), await call.read()] == [b"1", b"2"]
            await gate.entered.wait()
            stop.set()
            assert await call.read() is grpc.aio.EOF  # type: ignore[attr-defined]  # the stubs do not know it
            assert await call.code() is grpc.StatusCode.OK
            await task


async def test_goaway_comes_before_the_end_of_a_watch_so_that_it_is_not_opened_here_again(
    serve: Serve,
) -> None:
    gate = Gate()

    def read(connection: http2.Connection) -> list[tuple[int, int]]:
        frames: list[tuple[int, int]] = []
        for item in connection.frames():
            frames.append((item.kind, item.flags & http2.END_STREAM))
            if frames[-1] == (http2.HEADERS, http2.END_STREAM):
                break
        return frames

    async with running(serve, gate, Drain(calls_seconds=60)) as (server, stop, task):
        with http2.Connection(server.port) as connection:
            connection.send(http2.frame(http2.SETTINGS, http2.ACK, 0) + http2.call(1, WATCH, b""))
            await gate.entered.wait()
            stop.set()
            frames = await asyncio.to_thread(read, connection)
        await task
    ends = frames.index((http2.HEADERS, http2.END_STREAM))
    assert [kind for kind, _ in frames[:ends]].count(http2.GOAWAY) >= 1


async def test_a_server_is_gone_only_when_its_handlers_have_closed_what_they_have(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draining, "CLOSING_SECONDS", 60.0)
    began, closed = asyncio.Event(), list[bool]()

    async def session(requests: AsyncIterator[bytes], ctx: RequestContext) -> AsyncIterator[bytes]:
        began.set()
        try:
            await never()
            yield b""
        finally:
            # As a kubelet does that ends the command of an exec: it asks its runtime first.
            await asyncio.to_thread(lambda: None)
            await settle()
            closed.append(True)

    handlers, drain = {EXEC: Method(BIDI, session)}, Drain(calls_seconds=0)
    async with contextlib.AsyncExitStack() as stack:
        async with serve(handlers, listen="127.0.0.1:0", clock=SystemClock(), drain=drain) as server:
            channel = await stack.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{server.port}"))
            call = channel.stream_stream(EXEC)()  # type: ignore[call-arg]  # bytes in and out
            await began.wait()
        assert closed == [True]
        assert await call.code() is not grpc.StatusCode.OK


async def never() -> None:
    await asyncio.Event().wait()


async def test_many_streams_end_one_after_the_other() -> None:
    clock, calls = FakeClock(), Calls()
    left: list[int] = []

    async def unready() -> None:
        return None

    async def stop(seconds: float) -> None:
        left.append(int(seconds))

    async with asyncio.TaskGroup() as group:
        for _ in range(2000):
            stream = Stream(group.create_task(never()))
            stream.waiting = True
            calls.streams.add(stream)
        await settle(2)
        draining = group.create_task(
            calls.drain(Drain(streams_seconds=2, calls_seconds=7), clock, unready=unready(), stop=stop)
        )
        for _ in range(4):
            await clock.advance(0.5)
            left.append(sum(not stream.ending for stream in calls.streams))
        await draining
    assert left[0] == 7
    assert 1300 <= left[1] <= 1600
    assert 800 <= left[2] <= 1100
    assert left[4] == 0


async def test_a_stream_that_is_ending_already_is_let_end() -> None:
    closed: list[bool] = []

    async def slow_to_close() -> None:
        try:
            await never()
        finally:
            await settle()
            closed.append(True)

    async with asyncio.TaskGroup() as group:
        stream = Stream(group.create_task(slow_to_close()))
        stream.waiting = True
        await settle(2)
        stream.end()
        await settle(2)
        stream.end()  # the last look at those that came in meanwhile
    assert closed == [True]


async def test_few_streams_end_at_once() -> None:
    calls = Calls()

    async def done() -> None:
        return None

    async def stop(seconds: float) -> None:
        return None

    async with asyncio.TaskGroup() as group:
        stream = Stream(group.create_task(never()))
        stream.waiting = True
        calls.streams.add(stream)
        await settle(2)
        await calls.drain(Drain(streams_seconds=60), SystemClock(), unready=done(), stop=stop)
    assert stream.ending
