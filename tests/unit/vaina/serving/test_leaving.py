"""A client that leaves while it is being written to.

gRPC's core tells of it twice then: the message fails, and the task of the call is cancelled (`cygrpc`:
`_handle_cancellation_from_core`). Which comes first is a matter of load, so the context here is no real one.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from prometheus_client import CollectorRegistry

from vaina.clock import SystemClock
from vaina.kinds import POD
from vaina.metrics import RpcMetrics
from vaina.serving.draining import Calls
from vaina.serving.handlers import BIDI, Method, RequestContext
from vaina.serving.turns import Turns
from vaina.serving.unsent import MIN_BYTES
from vaina.serving.wrapping import WrappedMethod
from vaina.testing.clock import settle

EXEC = POD.method("Exec")


class Context:
    """grpc.aio's, of a client that is gone: a message fails, and in a later turn its task is cancelled."""

    async def write(self, message: bytes) -> None:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_soon(task.cancel)
        raise grpc.aio.InternalError("Failed execute_batch")

    def invocation_metadata(self) -> tuple[()]:
        return ()

    def time_remaining(self) -> None:
        return None

    def peer(self) -> str:
        return "ipv4:127.0.0.1:4567"


async def nothing() -> AsyncIterator[bytes]:
    return
    yield b""


@pytest.mark.parametrize("size", [1, MIN_BYTES + 1])
async def test_a_handler_is_not_cancelled_while_it_closes_what_it_has(size: int) -> None:
    closed: list[bool] = []

    async def writes(_requests: Any, _ctx: RequestContext) -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x" * size
        finally:
            # As a kubelet does that ends the command of an exec: it asks its runtime first.
            await settle()
            closed.append(True)

    clock, registry = SystemClock(), CollectorRegistry()
    turns = Turns(asyncio.get_running_loop(), clock.monotonic)
    calls = Calls()
    method = WrappedMethod(EXEC, Method(BIDI, writes), clock, calls, turns, RpcMetrics(registry), 60.0)
    call = asyncio.ensure_future(method.stream(nothing(), Context()))  # noqa: TID251 - as gRPC runs it
    await asyncio.wait((call,))
    assert closed == [True]
    assert call.cancelled()
    assert calls.current == 0
    labels = {
        "grpc_type": "bidi_stream", "grpc_service": EXEC.split("/")[1], "grpc_method": "Exec",
        "grpc_code": "CANCELLED",
    }  # fmt: skip
    assert registry.get_sample_value("grpc_server_handled_total", labels) == 1
