"""The probes of one Pod's containers: a task for each probe of each running container.

Follows `pkg/kubelet/prober`: a startup probe holds the others back until it has succeeded; after a failure of
liveness or startup nothing is probed until the container is another one.
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from kubelet.decide.observation import ProbeKind, ProbeResult
from kubelet.metrics import KubeletMetrics
from kubelet.probes import http
from kubelet.probes.http import Outcome, PortError, resolve_port
from kubelet.probes.machine import ProbeState, advance, initial, next_run
from kubelet.runtime.interface import Runtime, RuntimeFailure
from kubelet.runtime.records import ContainerState
from kubelet.tasks import Children
from vaina.api.core.v1 import pod_pb2
from vaina.clock import Clock
from vaina.durations import go_duration
from vaina.quoting import go_quote

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


Key = tuple[str, ProbeKind]


class Prober:
    """Owned by one Pod's worker."""

    def __init__(
        self,
        runtime: Runtime,
        clock: Clock,
        *,
        poke: Callable[[], None],
        on_unhealthy: Callable[[pod_pb2.Container, ProbeKind, Outcome], None],
        metrics: KubeletMetrics,
        rng: random.Random,
    ) -> None:
        self._runtime, self._clock, self._poke = runtime, clock, poke
        self._on_unhealthy, self._metrics, self._rng = on_unhealthy, metrics, rng
        self._tasks: dict[Key, asyncio.Task[None]] = {}
        self._states: dict[Key, ProbeState] = {}
        #: by container id: set once its startup probe has succeeded; the others wait for it
        self._up: dict[str, asyncio.Event] = {}

    def results(self) -> Mapping[Key, ProbeResult]:
        return {key: state.result for key, state in self._states.items()}

    def adopt(self, container_id: str, *, ready: bool, started: bool) -> None:
        """Begin with what was known before a restart of the kubelet: a ready Pod stays ready (I11)."""
        if ready:
            self._states.setdefault((container_id, ProbeKind.READINESS), ProbeState(ProbeResult.SUCCESS))
        if started:
            self._states.setdefault((container_id, ProbeKind.STARTUP), ProbeState(ProbeResult.SUCCESS))
            self._is_up(container_id).set()

    def sync(
        self,
        group: Children,
        pod: pod_pb2.Pod,
        running: Mapping[str, tuple[pod_pb2.Container, ContainerState]],
        pod_ip: str,
        *,
        ending: bool,
    ) -> None:
        """Have exactly the probes that these running containers (by id) need; of a Pod that ends, readiness."""
        wanted: dict[Key, pod_pb2.Probe] = {}
        for container_id, (spec, _) in running.items():
            if spec.HasField("readiness_probe"):
                wanted[container_id, ProbeKind.READINESS] = spec.readiness_probe
            if spec.HasField("liveness_probe") and not ending:
                wanted[container_id, ProbeKind.LIVENESS] = spec.liveness_probe
            # One that is up stays so, also for a kubelet that was restarted meanwhile.
            up = self._result(container_id, ProbeKind.STARTUP) is ProbeResult.SUCCESS
            if spec.HasField("startup_probe") and not ending and not up:
                wanted[container_id, ProbeKind.STARTUP] = spec.startup_probe
        for key in [key for key in self._tasks if key not in wanted]:
            self._tasks.pop(key).cancel()
            if key[0] not in running:
                self._states.pop(key, None)
                self._up.pop(key[0], None)
        for key, probe in wanted.items():
            if key in self._tasks:
                continue
            self._states.setdefault(key, initial(key[1]))
            spec, state = running[key[0]]
            coroutine = self._probe(key, probe, pod, spec, state, pod_ip)
            self._tasks[key] = group.create_task(coroutine)

    def stop(self, pod: pod_pb2.Pod) -> None:
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()
        self._states.clear()
        self._up.clear()
        meta = pod.metadata
        names = [spec.name for spec in (*pod.spec.init_containers, *pod.spec.containers)]
        for kind in ProbeKind:
            for name in names:
                for result in ("successful", "failed", "unknown"):
                    labels = (kind.value, result, name, meta.name, meta.namespace, meta.uid)
                    self._metrics.forget_probe(labels)

    async def _probe(
        self,
        key: Key,
        probe: pod_pb2.Probe,
        pod: pod_pb2.Pod,
        spec: pod_pb2.Container,
        state: ContainerState,
        pod_ip: str,
    ) -> None:
        container_id, kind = key
        period = float(probe.period_seconds or 10)
        # Spread over the period, so that a kubelet that comes back does not probe everything at once.
        if self._clock.now() - state.started_at > period:
            await self._clock.sleep(self._rng.random() * period)
        await self._clock.sleep(state.started_at + probe.initial_delay_seconds - self._clock.now())
        if kind is not ProbeKind.STARTUP and spec.HasField("startup_probe"):
            # It may be ready as soon as it is up, without waiting for the next period.
            await self._is_up(container_id).wait()
        due = self._clock.monotonic()
        while True:
            outcome = await run_probe(
                self._runtime, probe.handler, spec, container_id=container_id, pod_ip=pod_ip,
                timeout_seconds=float(probe.timeout_seconds or 1),
            )  # fmt: skip
            self._count(kind, outcome.succeeded if outcome else None, pod, spec)
            if outcome is not None:
                if not outcome.succeeded or outcome.warning:
                    self._on_unhealthy(spec, kind, outcome)
                before = self._states.get(key, initial(kind))
                after = self._states[key] = advance(before, outcome.succeeded, probe)
                if after.result is not before.result:
                    self._poke()
                if after.result is ProbeResult.FAILURE and kind is not ProbeKind.READINESS:
                    return
                if kind is ProbeKind.STARTUP and after.result is ProbeResult.SUCCESS:
                    self._is_up(container_id).set()
                    return
            due = next_run(due, period, self._clock.monotonic())
            await self._clock.sleep(due - self._clock.monotonic())

    def _result(self, container_id: str, kind: ProbeKind) -> ProbeResult | None:
        state = self._states.get((container_id, kind))
        return None if state is None else state.result

    def _is_up(self, container_id: str) -> asyncio.Event:
        return self._up.setdefault(container_id, asyncio.Event())

    def _count(
        self, kind: ProbeKind, succeeded: bool | None, pod: pod_pb2.Pod, spec: pod_pb2.Container
    ) -> None:
        result = "unknown" if succeeded is None else "successful" if succeeded else "failed"
        meta = pod.metadata
        labels = (kind.value, result, spec.name, meta.name, meta.namespace, meta.uid)
        self._metrics.probes.labels(*labels).inc()
