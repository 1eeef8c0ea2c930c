"""gRPC probes against the standard health service on loopback."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest
from grpc_health.v1 import _async as aio_health
from grpc_health.v1 import health_pb2, health_pb2_grpc

from kubelet.probes.http import Outcome
from kubelet.probes.prober import grpc_probe as probe

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


@asynccontextmanager
async def server(**services: int) -> AsyncIterator[int]:
    """Serve the health of services; without any, nothing is served."""
    listening = grpc.aio.server()
    if services:
        servicer = aio_health.HealthServicer()
        for name, status in services.items():
            await servicer.set(name.replace("whole", ""), status)
        health_pb2_grpc.add_HealthServicer_to_server(servicer, listening)
    port = listening.add_insecure_port("127.0.0.1:0")
    await listening.start()
    try:
        yield port
    finally:
        await listening.stop(None)


@pytest.mark.parametrize(
    ("services", "asked", "want"),
    [
        ({"whole": SERVING}, "", Outcome(True, "service healthy")),
        ({"whole": NOT_SERVING}, "", Outcome(False, 'service unhealthy (responded with "NOT_SERVING")')),
        ({"whole": SERVING, "part": NOT_SERVING}, "part", Outcome(False, 'service unhealthy (responded with "NOT_SERVING")')),
        ({"whole": NOT_SERVING, "part": SERVING}, "part", Outcome(True, "service healthy")),
    ],
)  # fmt: skip
async def test_the_health_of_the_service_decides(services, asked, want):
    async with server(**services) as port:
        assert await probe("127.0.0.1", port, asked) == want


async def test_a_service_that_is_not_known_fails():
    async with server(whole=SERVING) as port:
        outcome = await probe("127.0.0.1", port, "other")
    assert not outcome.succeeded
    assert outcome.message.startswith(f'error: failed to connect service "127.0.0.1:{port}"')


async def test_a_server_without_health_fails_and_says_so():
    async with server() as port:
        outcome = await probe("127.0.0.1", port, "")
    assert not outcome.succeeded
    words = "error: this server does not implement the grpc health protocol (grpc.health.v1.Health)"
    assert outcome.message.startswith(words)
