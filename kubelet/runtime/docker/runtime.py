"""The runtime interface over Docker: step 4 (SANDBOXED) and step 6 (STARTED) on a Docker node. Made by `kubelet.build`.

A sandbox is a pause container without a network, which the node's Pod network then gives one (decision 005). Containers join its namespaces.
The engine's labels are the only memory. Inspecting costs a call per container, so what can no longer change (a running or ended
container's record) is kept by (id, status); whether a container is there and in which status is asked every time.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Protocol

import structlog
from docker import APIClient
from docker.errors import APIError, NotFound

from kubelet.network.commands import NetworkCommandError
from kubelet.network.ipam import AddressesExhausted
from kubelet.network.pod_network import NetworkNotReady
from kubelet.runtime.docker import convert
from kubelet.runtime.docker.disk import disk_usage
from kubelet.runtime.docker.engine import Engine
from kubelet.runtime.docker.failures import translated
from kubelet.runtime.docker.logs import container_logs
from kubelet.runtime.docker.ports import PortNetwork, SandboxPorts
from kubelet.runtime.docker.sessions import DockerAttach, DockerExec
from kubelet.runtime.docker.sync_exec import exec_sync
from kubelet.runtime.interface import (
    CreateFailed,
    NotFoundInRuntime,
    RuntimeFailure,
    RuntimeUnavailable,
    SandboxFailed,
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

log = structlog.get_logger()

_NOT_FOUND, _CONFLICT = 404, 409
_EVENTS = {
    "start": RuntimeEventType.STARTED,
    "die": RuntimeEventType.STOPPED,
    "destroy": RuntimeEventType.REMOVED,
}
#: records kept of containers that no longer change; forgotten all at once, because they cost one call each to make again
_RECORDS = 4096


class SandboxNetwork(PortNetwork, Protocol):
    """What the runtime needs of the node's Pod network (`kubelet.network.pod_network`)."""

    @property
    def cidr(self) -> object | None: ...
    async def reserve(self, taken: Sequence[str]) -> IPv4Address: ...
    def release(self, address: IPv4Address) -> None: ...
    async def attach(self, sandbox_id: str, pid: int, address: IPv4Address) -> None: ...
    def is_attached(self, sandbox_id: str) -> bool: ...


class DockerRuntime:
    """Sandboxes and containers of one engine. Its methods may be called by any task; calls for one Pod come one at a time."""

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
        self._engine, self._network = engine, network
        self._node_dns, self._least_oom_score_adj = node_dns, least_oom_score_adj
        self._ports = SandboxPorts(self._list, network)
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
            return RuntimeStatus(
                ready=False, network_ready=self._network.cidr is not None, message=str(error)
            )
        if self._network.cidr is not None and not self._ports.are_led:
            # A kubelet before this one may have died between a sandbox and its ports, or before it gave them back.
            try:
                await self._ports.lead()
            except RuntimeFailure as error:
                return RuntimeStatus(ready=True, network_ready=False, message=str(error))
        if self._network.cidr is None:
            return RuntimeStatus(ready=True, network_ready=False, message="the node has no Pod CIDR yet")
        return RuntimeStatus(ready=True, network_ready=True)

    # Sandboxes

    async def run_pod_sandbox(self, config: SandboxConfig) -> SandboxState:
        address = None if config.host_network else await self._reserve()
        sandbox_id = ""
        try:
            with translated(SandboxFailed):
                sandbox_id, address = await self._create_sandbox(config, address)
                await self._engine.call(lambda client: client.start(sandbox_id))
                inspected = await self._engine.call(lambda client: client.inspect_container(sandbox_id))
            if address is not None:
                await self._attach(inspected, address)
            self._write_resolv_conf(inspected, config.dns or self._node_dns)
            if config.port_mappings:
                await self._ports.lead()
        except BaseException:
            # What is half made is taken away, so that its address is free; what cannot be, is listed as not ready.
            if sandbox_id:
                await self._remove_quietly(sandbox_id)
            raise
        finally:
            if address is not None:
                self._network.release(address)
        for state in await self.list_pod_sandboxes(config.uid):
            if state.id == sandbox_id:
                return state
        raise SandboxFailed(
            f"sandbox {sandbox_id} of {config.namespace}/{config.name} ended right after its start"
        )

    async def _reserve(self) -> IPv4Address:
        # In this order: what starts between the two starts in a sandbox that is listed as running.
        sandboxes = await self._list({"label": [f"{convert.TYPE}={convert.SANDBOX}"]})
        running = await self._list({"label": [f"{convert.TYPE}={convert.CONTAINER}"], "status": ["running"]})
        try:
            return await self._network.reserve(convert.addresses_held(sandboxes, running))
        except (NetworkNotReady, AddressesExhausted) as error:
            raise SandboxFailed(str(error)) from error

    async def _create_sandbox(
        self, config: SandboxConfig, address: IPv4Address | None
    ) -> tuple[str, IPv4Address | None]:
        """Create the pause container, or find the one an earlier call made (with the address that one was given)."""
        name = convert.sandbox_name(config)
        body = convert.sandbox_body(config, str(address or ""))
        try:
            return str((await self._create(body, name))["Id"]), address
        except APIError as error:
            if error.status_code != _CONFLICT:
                raise
        found = await self._engine.call(lambda client: client.inspect_container(name))
        if found["State"]["Status"] not in {"created", "running"}:
            # Its address may be another's by now: the next attempt gets a new one.
            raise SandboxFailed(
                f"sandbox attempt {config.attempt} of {config.namespace}/{config.name} has ended"
            )
        if address is not None:
            self._network.release(address)
        given = found["Config"]["Labels"].get(convert.ADDRESS, "")
        return str(found["Id"]), IPv4Address(given) if given else None

    async def _create(self, body: dict[str, Any], name: str) -> dict[str, Any]:
        def create(client: APIClient) -> dict[str, Any]:
            made: dict[str, Any] = client.create_container_from_config(body, name)  # type: ignore[no-untyped-call]
            return made

        if convert.is_recursive(body):
            return await self._engine.call_as_of(convert.RECURSIVE_API, create)
        return await self._engine.call(create)

    async def _attach(self, inspected: dict[str, Any], address: IPv4Address) -> None:
        sandbox_id, pid = str(inspected["Id"]), int(inspected["State"]["Pid"])
        if pid and self._network.is_attached(sandbox_id):
            return
        try:
            await self._network.attach(sandbox_id, pid, address)
        except (NetworkNotReady, NetworkCommandError) as error:
            raise SandboxFailed(f"the network of the sandbox could not be made: {error}") from error

    def _write_resolv_conf(self, inspected: dict[str, Any], dns: DnsConfig) -> None:
        """Write the file that the engine mounts into all containers of the sandbox: without one of ours, it invents public servers."""
        lines = [f"nameserver {server}" for server in dns.nameservers]
        if dns.searches:
            lines.append(f"search {' '.join(dns.searches)}")
        if dns.options:
            lines.append(f"options {' '.join(dns.options)}")
        path = inspected.get("ResolvConfPath", "")
        if path:
            Path(path).write_text("".join(f"{line}\n" for line in lines))

    async def stop_pod_sandbox(self, sandbox_id: str) -> None:
        # What has ended need not be killed; what ends meanwhile bears it.
        mine = await self._list({"label": [f"{convert.SANDBOX_ID}={sandbox_id}"]})
        for item in mine:
            if item["State"] not in convert.ENDED:
                await self._kill(item["Id"], "SIGKILL")
        await self._kill(sandbox_id, "SIGKILL")
        await self._ports.give_back(sandbox_id)

    async def remove_pod_sandbox(self, sandbox_id: str) -> None:
        for item in await self._list({"label": [f"{convert.SANDBOX_ID}={sandbox_id}"]}):
            await self.remove_container(item["Id"])
        await self.remove_container(sandbox_id)

    async def list_pod_sandboxes(self, pod_uid: Uid | None = None) -> Sequence[SandboxState]:
        listed = await self._list(_filters(convert.SANDBOX, pod_uid))
        return [
            convert.sandbox_state(
                item,
                networked=not item["Labels"].get(convert.ADDRESS) or self._network.is_attached(item["Id"]),
            )
            for item in listed
        ]

    # Containers

    async def create_container(self, sandbox_id: str, config: ContainerConfig, sandbox: SandboxConfig) -> str:
        body = convert.container_body(
            sandbox_id, sandbox, config, least_oom_score_adj=self._least_oom_score_adj, logs=self._logs,
            seccomp=await self._seccomp(config.security),
        )  # fmt: skip
        name = convert.container_name(sandbox, config)
        with translated(CreateFailed):
            try:
                return str((await self._create(body, name))["Id"])
            except APIError as error:
                if error.status_code != _CONFLICT or name not in (error.explanation or ""):
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
            raise CreateFailed(f'failed to load the seccomp profile "{name}": {error}') from error

    async def start_container(self, container_id: str) -> None:
        def start(client: APIClient) -> None:
            # Starting one that has ended would run the same attempt twice (I12).
            if client.inspect_container(container_id)["State"]["Status"] == "created":
                client.start(container_id)

        with translated(StartFailed):
            await self._engine.call(start)

    async def stop_container(self, container_id: str, *, grace_seconds: float) -> None:
        signal = "SIGKILL" if grace_seconds <= 0 else await self._stop_signal(container_id)
        await self._kill(container_id, signal)

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

    async def _kill(self, container_id: str, signal: str) -> None:
        def kill(client: APIClient) -> None:
            try:
                client.kill(container_id, signal)
            except APIError as error:
                # Gone, or not running: what was wanted.
                if error.status_code not in {_NOT_FOUND, _CONFLICT}:
                    raise

        with translated():
            await self._engine.call(kill)

    async def remove_container(self, container_id: str) -> None:
        def remove(client: APIClient) -> None:
            try:
                client.remove_container(container_id, v=True, force=True)
            except APIError as error:
                # Gone, or somebody's removal of it is under way.
                if error.status_code not in {_NOT_FOUND, _CONFLICT}:
                    raise

        with translated():
            await self._engine.call(remove)

    async def _remove_quietly(self, container_id: str) -> None:
        try:
            await self.remove_container(container_id)
        except RuntimeFailure as error:
            log.warning("a half-made sandbox could not be removed", sandbox=container_id, error=str(error))

    async def list_containers(self, pod_uid: Uid | None = None) -> Sequence[ContainerState]:
        listed = await self._list(_filters(convert.CONTAINER, pod_uid))
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

    async def _list(self, filters: dict[str, Any]) -> list[dict[str, Any]]:
        with translated():
            listed: list[dict[str, Any]] = await self._engine.call(
                lambda client: client.containers(all=True, filters=filters)
            )
        return listed

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

    async def network_namespace(self, sandbox_id: str) -> str:
        with translated():
            inspected = await self._engine.call(lambda client: client.inspect_container(sandbox_id))
        pid = int(inspected["State"]["Pid"])
        if not pid:
            raise NotFoundInRuntime(f"sandbox {sandbox_id} is not running")
        return f"/proc/{pid}/ns/net"

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


def _filters(kind: str, pod_uid: Uid | None) -> dict[str, Any]:
    labels = [f"{convert.TYPE}={kind}"]
    if pod_uid is not None:
        labels.append(f"{convert.POD_UID}={pod_uid}")
    return {"label": labels}
