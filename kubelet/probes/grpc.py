"""A gRPC probe: the standard health service says SERVING (KEP-2727)."""

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from kubelet.probes.outcome import Outcome


async def probe(address: str, port: int, service: str) -> Outcome:
    """Return whether the service is healthy. Never raises for what the other side does."""
    target = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    # A connection of its own each time: a probe must not be answered by an old one.
    async with grpc.aio.insecure_channel(target, options=(("grpc.use_local_subchannel_pool", 1),)) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            answer = await stub.Check(health_pb2.HealthCheckRequest(service=service))
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNIMPLEMENTED:
                words = "this server does not implement the grpc health protocol (grpc.health.v1.Health)"
                return Outcome(False, f"error: {words}: {error.details()}")
            return Outcome(False, f'error: failed to connect service "{target}": {error.details()}')
    if answer.status == health_pb2.HealthCheckResponse.SERVING:
        return Outcome(True, "service healthy")
    name = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    return Outcome(False, f"service unhealthy (responded with {name!r})".replace("'", '"'))
