"""Unary calls on gRPC's core: who goes, who waits too long, and that whoever comes next is served all the
same.
"""

import asyncio
from typing import Any

import grpc
import pytest

from tests.unit.vaina.serving.conftest import Serve
from vaina.api.core.v1 import pod_service_pb2
from vaina.clock import SystemClock
from vaina.kinds import POD
from vaina.serving.handlers import UNARY, Method, RequestContext

assert pod_service_pb2.DESCRIPTOR  # reflection needs the descriptors

GET = POD.method("Get")


class Handler:
    """Echoes; waits for ever when it is asked with `wait`."""

    def __init__(self) -> None:
        self.begun, self.cancelled = asyncio.Semaphore(0), asyncio.Semaphore(0)
        self.contexts: list[RequestContext] = []

    async def __call__(self, request: bytes, ctx: RequestContext) -> bytes:
        if request != b"wait":
            return request
        self.contexts.append(ctx)
        self.begun.release()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.release()
            raise
        return b""


@pytest.mark.parametrize("calls", [1, 3, 90])
async def test_whoever_goes_ends_what_is_done_for_him_and_others_are_served(calls: int, serve: Serve) -> None:
    handler = Handler()
    async with (
        serve({GET: Method(UNARY, handler)}, listen="127.0.0.1:0", clock=SystemClock()) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
        grpc.aio.insecure_channel(
            f"127.0.0.1:{server.port}", options=[("grpc.use_local_subchannel_pool", 1)]
        ) as other,
    ):
        method = channel.unary_unary(GET)
        for _ in range(2):
            waiting = [method(b"wait") for _ in range(calls)]
            for _ in waiting:
                await handler.begun.acquire()
            for call in waiting:
                call.cancel()
            for _ in waiting:
                await handler.cancelled.acquire()
            # As many as there were workers, so that each has one.
            answers = await asyncio.gather(*(other.unary_unary(GET)(b"%d" % n) for n in range(calls)))
            assert answers == [b"%d" % n for n in range(calls)]
    assert all(ctx.cancelled for ctx in handler.contexts)


async def test_a_deadline_of_the_clients_ends_what_is_done_for_him(serve: Serve) -> None:
    handler = Handler()
    async with (
        serve({GET: Method(UNARY, handler)}, listen="127.0.0.1:0", clock=SystemClock()) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        seconds = 0.1
        # On a busy machine the time may be over before the call is with the handler.
        while handler.begun.locked():
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await channel.unary_unary(GET)(b"wait", timeout=seconds)
            assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            seconds *= 2
        await handler.cancelled.acquire()
        assert await channel.unary_unary(GET)(b"next") == b"next"


@pytest.mark.parametrize("size", [0, 1, 8 * 1024, 8 * 1024 + 1, 2_000_000])
async def test_an_answer_of_any_size_arrives_whole(size: int, serve: Serve) -> None:
    async with (
        serve({GET: Method(UNARY, Handler())}, listen="127.0.0.1:0", clock=SystemClock()) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        answers = await asyncio.gather(*(channel.unary_unary(GET)(b"x" * size) for _ in range(5)))
    assert answers == [b"x" * size] * 5


async def _waits_for_what_was_cancelled(_request: bytes, _ctx: RequestContext) -> bytes:
    future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    future.cancel()
    return await future


async def _answers_nothing(_request: bytes, _ctx: RequestContext) -> Any:
    return None


@pytest.mark.parametrize("handler", [_waits_for_what_was_cancelled, _answers_nothing])
async def test_a_handler_with_a_fault_does_not_leave_its_client_waiting(handler: Any, serve: Serve) -> None:
    async with (
        serve({GET: Method(UNARY, handler)}, listen="127.0.0.1:0", clock=SystemClock()) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        # More than there are workers at first.
        calls = [channel.unary_unary(GET)(b"", timeout=60) for _ in range(5)]
        for call in calls:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call
            assert caught.value.code() is grpc.StatusCode.INTERNAL


async def test_calls_that_were_cancelled_do_not_keep_the_server_from_ending(serve: Serve) -> None:
    handler = Handler()
    async with serve(
        {GET: Method(UNARY, handler)}, listen="127.0.0.1:0", clock=SystemClock(), drain_seconds=0.01
    ) as server:
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{server.port}")
        call = channel.unary_unary(GET)(b"wait")
        await handler.begun.acquire()
    await handler.cancelled.acquire()
    with pytest.raises((grpc.aio.AioRpcError, asyncio.CancelledError)):
        await call
    await channel.close()
