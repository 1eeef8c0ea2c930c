"""A stream's outlet over a real connection.

Messages come in order, whoever leaves ends the handler, and the end waits for what is on its way.
"""

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest

from tests.unit.vaina.serving.conftest import Serve
from vaina.api.core.v1 import pod_service_pb2
from vaina.clock import SystemClock
from vaina.errors import ApiError, Unavailable
from vaina.kinds import POD
from vaina.serving.handlers import STREAM, Method, RequestContext

assert pod_service_pb2.DESCRIPTOR.name  # reflection needs the descriptors

WATCH = POD.method("Watch")
LARGE = b"x" * 100_000


class Handler:
    """Yields one message, then sends a number of them by the outlet, each when the last has gone.

    Then waits, or ends with an error.
    """

    def __init__(self, count: int, error: ApiError | None = None, *, ends: bool = True) -> None:
        self._count, self._error, self._ends = count, error, ends
        self.sent, self.ended = asyncio.Event(), asyncio.Event()

    async def __call__(self, _request: bytes, ctx: RequestContext) -> AsyncIterator[bytes]:
        outlet, idle = ctx.outlet, asyncio.Event()
        assert outlet is not None
        outlet.on_idle(idle.set)
        try:
            yield b"first"
            for number in range(self._count):
                while outlet.is_busy:
                    idle.clear()
                    await idle.wait()
                outlet.send(b"%d" % number + LARGE)
            self.sent.set()
            if not self._ends:
                await asyncio.Event().wait()
            if self._error is not None:
                raise self._error
        finally:
            self.ended.set()


@pytest.mark.parametrize("error", [None, Unavailable("gone", retry_seconds=1)])
async def test_all_that_was_sent_comes_in_order_and_then_the_end(
    error: ApiError | None, serve: Serve
) -> None:
    handler = Handler(20, error)
    async with (
        serve({WATCH: Method(STREAM, handler)}, listen="127.0.0.1:0", clock=SystemClock()) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        stream = channel.unary_stream(WATCH)(b"", timeout=60)  # type: ignore[call-arg]  # bytes in and out
        found: list[bytes] = []
        code = grpc.StatusCode.OK
        try:
            found.extend([message async for message in stream])
        except grpc.aio.AioRpcError as failed:
            code = failed.code()
        if error is None:
            assert found == [b"first", *(b"%d" % number + LARGE for number in range(20))]
        assert code is (grpc.StatusCode.OK if error is None else grpc.StatusCode.UNAVAILABLE)


async def test_a_client_that_leaves_with_a_message_on_its_way_ends_the_handler(serve: Serve) -> None:
    # More than any window takes, so that one is always on its way.
    handler = Handler(1_000, ends=False)
    async with serve({WATCH: Method(STREAM, handler)}, listen="127.0.0.1:0", clock=SystemClock()) as server:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            stream = channel.unary_stream(WATCH)(b"", timeout=60)  # type: ignore[call-arg]  # bytes in and out
            found = [await stream.read() for _ in range(3)]
            assert found == [b"first", b"0" + LARGE, b"1" + LARGE]
        async with asyncio.timeout(60):
            await handler.ended.wait()


async def test_the_end_of_the_server_lets_out_what_is_on_its_way_and_ends_with_ok(serve: Serve) -> None:
    handler = Handler(3, ends=False)
    ready, port = asyncio.Event(), asyncio.get_running_loop().create_future()

    async def run() -> None:
        async with serve(
            {WATCH: Method(STREAM, handler)}, listen="127.0.0.1:0", clock=SystemClock(), drain_seconds=60.0
        ) as server:
            port.set_result(server.port)
            await ready.wait()

    async with asyncio.TaskGroup() as group:
        group.create_task(run())
        async with grpc.aio.insecure_channel(f"127.0.0.1:{await port}") as channel:
            stream = channel.unary_stream(WATCH)(b"", timeout=60)  # type: ignore[call-arg]  # bytes in and out
            assert await stream.read() == b"first"
            assert [await stream.read() for _ in range(2)] == [b"0" + LARGE, b"1" + LARGE]
            await asyncio.wait_for(handler.sent.wait(), 60)
            ready.set()
            assert await stream.read() == b"2" + LARGE
            assert await stream.read() is grpc.aio.EOF  # type: ignore[attr-defined]  # the stubs do not know it
            assert await stream.code() is grpc.StatusCode.OK
