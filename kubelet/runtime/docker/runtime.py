"""The runtime interface over Docker: step 4 (SANDBOXED) and step 6 (STARTED) on a Docker node.

Made by `kubelet.build`.

Sandboxes are `sandboxes.py`'s; containers join their namespaces. The engine's labels are the only memory.
Inspecting costs a call per container, so what can no longer change (a running or ended container's record) is
kept by (id, status); whether a container is there and in which status is asked every time.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from docker import APIClient
from docker.errors import APIError, NotFound

from kubelet.runtime.docker import calls, convert
from kubelet.runtime.docker.disk import disk_usage
from kubelet.runtime.docker.engine import Engine
from kubelet.runtime.docker.failures import translated
from kubelet.runtime.docker.logs import container_logs
from kubelet.runtime.docker.sandboxes import DockerSandboxes, SandboxNetwork
from kubelet.runtime.docker.sessions import DockerAttach, DockerExec
from kubelet.runtime.docker.sync_exec import exec_sync
from kubelet.runtime.interface import (
    CreateFailed,
    NotFoundInRuntime,
    RuntimeFailure,
    RuntimeUnavailable,
    StartFailed,
)
from kubelet.runtime.records import (
    ContainerConfig,
    ContainerState,
    ContainerStats,
    DiskUsage,
    DnsConfig,
    ExecConfig,
    ExecResult,
    LinuxResources,
    LogOptions,
    RuntimeEvent,
    RuntimeEventType,
    RuntimeStatus,
    RuntimeVersion,
    SandboxConfig,
    SandboxState,
    SecurityConfig,
    Uid,
)
from vaina.quoting import go_quote

_EVENTS = {
    "start": RuntimeEventType.STARTED,
    "die": RuntimeEventType.STOPPED,
    "destroy": RuntimeEventType.REMOVED,
}
#: records kept of containers that no longer change; forgotten all at once, because they cost one call each to
#: make again
_RECORDS = 4096


class DockerRuntime:
    """Sandboxes and containers of one engine.

    Its methods may be called by any task; calls for one Pod come one at a time.
    """

    def __init__(
        self,
        engine: Engine,
        network: SandboxNetwork,
        *,
        node_dns: DnsConfig,
        least_oom_score_adj: int,
        logs: convert.LogLimits | None = None,
    ) -> None:
        """Make it.

        Args:
            engine: its calls.
            network: gives sandboxes their addresses.
            node_dns: resolv.conf of sandboxes that bring none.
            least_oom_score_adj: what this machine may set at least.
            logs: how much is kept of each container's.
        """
        self._logs = logs
        self._engine, self._least_oom_score_adj = engine, least_oom_score_adj
        self._sandboxes = DockerSandboxes(engine, network, node_dns)
        self._records: dict[tuple[str, str], ContainerState] = {}
        #: of running containers: what ends them is known beforehand
        self._stop_signals: dict[str, str] = {}

    async def version(self) -> RuntimeVersion:
        with translated():
            answer = await self._engine.call(lambda client: client.version())
        return RuntimeVersion(
            "docker", str(answer["Version"]), recursive_readonly=convert.can_mount_recursively(answer)
        )

    async def status(self) -> RuntimeStatus:
        try:
            with translated():
                await self._engine.call(lambda client: client.ping())
        except RuntimeFailure as error:
            return RuntimeStatus(ready=False, network_ready=self._sandboxes.have_network, message=str(error))
        return await self._sandboxes.status()

    # Sandboxes

    async def run_pod_sandbox(self, config: SandboxConfig) -> SandboxState:
        return await self._sandboxes.run(config)

    async def stop_pod_sandbox(self, sandbox_id: str) -> None:
        await self._sandboxes.stop(sandbox_id)

    async def remove_pod_sandbox(self, sandbox_id: str) -> None:
        await self._sandboxes.remove(sandbox_id)

    async def list_pod_sandboxes(self, pod_uid: Uid | None = None) -> Sequence[SandboxState]:
        return await self._sandboxes.states(pod_uid)

    async def network_namespace(self, sandbox_id: str) -> str:
        return await self._sandboxes.network_namespace(sandbox_id)

    # Containers

    async def create_container(self, sandbox_id: str, config: ContainerConfig, sandbox: SandboxConfig) -> str:
        body = convert.container_body(
            sandbox_id, sandbox, config, least_oom_score_adj=self._least_oom_score_adj, logs=self._logs,
            seccomp=await self._seccomp(config.security),
        )  # fmt: skip
        name = convert.container_name(sandbox, config)
        with translated(CreateFailed):
            try:
                return await calls.create(self._engine, body, name)
            except APIError as error:
                if error.status_code != calls.CONFLICT or name not in (error.explanation or ""):
                    raise
            found = await self._engine.call(lambda client: client.inspect_container(name))
        return str(found["Id"])

    async def _seccomp(self, security: SecurityConfig) -> str:
        """Return the text of a container's own profile. Raises CreateFailed."""
        name = convert.localhost_profile(security)
        if not name:
            return ""
        try:
            return await asyncio.to_thread(Path(name).read_text)
        except (OSError, ValueError) as error:
            raise CreateFailed(f"failed to load the seccomp profile {go_quote(name)}: {error}") from error

    async def start_container(self, container_id: str) -> None:
        def start(client: APIClient) -> None:
            # Starting one that has ended would run the same attempt twice (I12).
            if client.inspect_container(container_id)["State"]["Status"] == "created":
                client.start(container_id)

        with translated(StartFailed):
            await self._engine.call(start)

    async def stop_container(self, container_id: str, *, grace_seconds: float) -> None:
        signal = "SIGKILL" if grace_seconds <= 0 else await self._stop_signal(container_id)
        await calls.kill(self._engine, container_id, signal)

    async def _stop_signal(self, container_id: str) -> str:
        known = self._stop_signals.get(container_id)
        if known is not None:
            return known
        try:
            with translated():
                inspected = await self._engine.call(lambda client: client.inspect_container(container_id))
        except NotFoundInRuntime:
            return "SIGTERM"
        return convert.stop_signal(inspected)

    async def remove_container(self, container_id: str) -> None:
        await calls.remove(self._engine, container_id)

    async def list_containers(self, pod_uid: Uid | None = None) -> Sequence[ContainerState]:
        listed = await calls.list_all(self._engine, calls.filters_of(convert.CONTAINER, pod_uid))
        states = []
        for item in listed:
            state = self._records.get((item["Id"], item["State"])) or await self._inspect(item["Id"])
            if state is not None:
                states.append(state)
        return states

    async def _inspect(self, container_id: str) -> ContainerState | None:
        def inspect(client: APIClient) -> Any:
            try:
                return client.inspect_container(container_id)
            except NotFound:
                return None

        with translated():
            inspected = await self._engine.call(inspect)
        if inspected is None:
            return None
        state = convert.container_state(inspected)
        status = inspected["State"]["Status"]
        if status in {"running", "exited"}:
            if len(self._records) >= _RECORDS:
                self._records.clear()
                self._stop_signals.clear()
            self._records[container_id, status] = state
            if status == "running":
                self._stop_signals[container_id] = convert.stop_signal(inspected)
            else:
                self._stop_signals.pop(container_id, None)
        return state

    async def update_container_resources(self, container_id: str, resources: LinuxResources) -> None:
        body = convert.limits_body(resources)
        names = {
            "CpuShares": "cpu_shares", "CpuQuota": "cpu_quota", "CpuPeriod": "cpu_period", "Memory": "mem_limit",
            "MemorySwap": "memswap_limit",
        }  # fmt: skip
        limits = {names[key]: value for key, value in body.items() if key in names}
        with translated():
            await self._engine.call(lambda client: client.update_container(container_id, **limits))

    async def container_stats(self, container_id: str) -> ContainerStats:
        with translated():
            stats = await self._engine.call(
                lambda client: client.stats(container_id, stream=False, one_shot=True)
            )
        memory = stats.get("memory_stats", {})
        details = memory.get("stats", {})
        # Working set as cAdvisor counts it: usage less the file pages that nobody has used for a while.
        inactive = details.get("inactive_file", details.get("total_inactive_file", 0))
        return ContainerStats(
            at=convert.seconds_of(stats["read"]),
            cpu_usage_nanos=int(stats["cpu_stats"]["cpu_usage"]["total_usage"]),
            memory_working_set_bytes=max(0, int(memory.get("usage", 0)) - int(inactive)),
        )

    async def container_disk_usage(self, container_id: str) -> DiskUsage:
        with translated():
            inspected = await self._engine.call(lambda client: client.inspect_container(container_id))
        return await asyncio.to_thread(disk_usage, inspected)

    # Streams

    async def exec_sync(
        self, container_id: str, argv: Sequence[str], *, timeout_seconds: float
    ) -> ExecResult:
        return await exec_sync(self._engine, container_id, argv, timeout_seconds=timeout_seconds)

    async def exec(self, container_id: str, config: ExecConfig) -> DockerExec:
        return await DockerExec.start(self._engine, container_id, config)

    async def attach(self, container_id: str, *, stdin: bool, tty: bool) -> DockerAttach:
        return await DockerAttach.connect(self._engine, container_id, stdin=stdin, tty=tty)

    def container_logs(self, container_id: str, options: LogOptions) -> AsyncIterator[bytes]:
        return container_logs(self._engine, container_id, options)

    async def events(self) -> AsyncIterator[RuntimeEvent]:
        filters = {"type": "container", "event": sorted(_EVENTS), "label": convert.POD_UID}
        with translated(RuntimeUnavailable):
            async for event in self._engine.stream(
                lambda client: client.events(decode=True, filters=filters)
            ):
                uid = event["Actor"]["Attributes"].get(convert.POD_UID, "")
                if event.get("Action") in _EVENTS and uid:
                    yield RuntimeEvent(_EVENTS[event["Action"]], Uid(uid))
        raise RuntimeUnavailable("the engine's stream of events has ended")

    async def close(self) -> None:
        self._engine.close()
