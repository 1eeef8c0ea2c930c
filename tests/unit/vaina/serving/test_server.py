"""The wrapper around each method: the server's own deadline."""

import asyncio

import grpc
import pytest
from prometheus_client import CollectorRegistry

from vaina.api.core.v1 import pod_service_pb2
from vaina.clock import SystemClock
from vaina.kinds import POD
from vaina.serving.handlers import UNARY, Method, RequestContext
from vaina.serving.server import serve

assert pod_service_pb2.DESCRIPTOR  # reflection needs the descriptors


async def test_a_call_without_a_deadline_ends_with_the_servers_own_and_is_counted_as_such():
    async def hang(request: bytes, ctx: RequestContext) -> bytes:
        await asyncio.Event().wait()
        return request

    registry = CollectorRegistry()
    async with serve(
        {POD.method("Get"): Method(UNARY, hang)}, listen="127.0.0.1:0", clock=SystemClock(), registry=registry,
        default_deadline_seconds=0.02,
    ) as server, grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:  # fmt: skip
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary(POD.method("Get"))(b"")
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    labels = {"grpc_type": "unary", "grpc_service": POD.service, "grpc_method": "Get"}
    handled = {
        code: registry.get_sample_value("grpc_server_handled_total", {**labels, "grpc_code": code})
        for code in ("OK", "DEADLINE_EXCEEDED")
    }
    assert handled == {"OK": None, "DEADLINE_EXCEEDED": 1}
