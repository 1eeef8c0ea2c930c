"""One run of a probe or hook handler, of whichever kind. Called by the prober and by lifecycle hooks."""

import asyncio
from collections.abc import Sequence

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from kubelet.probes import http
from kubelet.probes.http import Outcome, PortError, resolve_port
from kubelet.runtime.interface import Runtime, RuntimeFailure
from vaina.api.core.v1 import pod_pb2
from vaina.durations import go_duration
from vaina.quoting import go_quote

#: of a command's output, in messages
MAX_OUTPUT = 10 * 1024


async def run_probe(
    runtime: Runtime,
    handler: pod_pb2.ProbeHandler,
    container: pod_pb2.Container,
    *,
    container_id: str,
    pod_ip: str,
    timeout_seconds: float,
) -> Outcome | None:
    """Run a probe once. None: the runtime is away, which counts neither way."""
    try:
        if handler.HasField("exec"):
            return await _exec(runtime, handler.exec.command, container_id, timeout_seconds)
        async with asyncio.timeout(timeout_seconds):
            if handler.HasField("http_get"):
                return await http.probe(http.target_of(handler.http_get, container, pod_ip))
            if handler.HasField("tcp_socket"):
                port = resolve_port(handler.tcp_socket.port, container)
                return await tcp_probe(handler.tcp_socket.host or pod_ip, port)
            return await grpc_probe(pod_ip, handler.grpc.port, handler.grpc.service)
    except PortError as error:
        return Outcome(False, str(error))
    except TimeoutError:
        return Outcome(False, _timed_out(handler, timeout_seconds))


def _timed_out(handler: pod_pb2.ProbeHandler, timeout_seconds: float) -> str:
    if handler.HasField("http_get"):
        return "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
    if handler.HasField("tcp_socket"):
        return "i/o timeout"
    return f"timeout: health rpc did not complete within {timeout_seconds:g}s"


async def _exec(
    runtime: Runtime, argv: Sequence[str], container_id: str, timeout_seconds: float
) -> Outcome | None:
    try:
        result = await runtime.exec_sync(container_id, tuple(argv), timeout_seconds=timeout_seconds)
    except TimeoutError:
        took = go_duration(timeout_seconds)
        return Outcome(False, f"command timed out: {go_quote(' '.join(argv))} timed out after {took}")
    except RuntimeFailure:
        return None
    output = (result.stdout + result.stderr)[:MAX_OUTPUT].decode("utf-8", errors="replace")
    return Outcome(result.exit_code == 0, output)


async def tcp_probe(address: str, port: int) -> Outcome:
    """Return whether a connection opens; it never raises for what the other side does."""
    try:
        _, writer = await asyncio.open_connection(address, port)
    except ConnectionRefusedError:
        return Outcome(False, f"dial tcp {address}:{port}: connect: connection refused")
    except OSError as error:
        return Outcome(False, f"dial tcp {address}:{port}: {error}")
    writer.close()
    return Outcome(True)


async def grpc_probe(address: str, port: int, service: str) -> Outcome:
    """Return whether the standard health service says SERVING (KEP-2727); it never raises for the other side."""
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
