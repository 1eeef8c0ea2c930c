"""The standard health service: the empty name and each service, NOT_SERVING until somebody says otherwise."""

from collections.abc import Sequence

import grpc
from grpc_health.v1 import _async as aio_health
from grpc_health.v1 import health_pb2, health_pb2_grpc


class Health:
    """What the health service answers. Any task of the process may set it."""

    def __init__(self, services: Sequence[str] = ()) -> None:
        self._names = ("", *services)
        self._servicer = aio_health.HealthServicer()
        self._shut_down = False
        self.serving = False

    def add_to(self, server: grpc.aio.Server) -> None:
        """Register the service."""
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)

    async def set_serving(self, serving: bool) -> None:
        """Say whether this process can do its work: caches filled, etcd there."""
        if self._shut_down:
            return
        self.serving = serving
        answer = health_pb2.HealthCheckResponse.ServingStatus.Value("SERVING" if serving else "NOT_SERVING")
        for name in self._names:
            await self._servicer.set(name, answer)

    async def shutdown(self) -> None:
        """Say NOT_SERVING for good: the process is going."""
        self._shut_down, self.serving = True, False
        await self._servicer.enter_graceful_shutdown()
