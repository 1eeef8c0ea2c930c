"""The runtime interface over Docker: step 4 (SANDBOXED) and step 6 (STARTED) on a Docker node.

The engine's labels are the only memory. Inspecting costs a call for each container, so a running or ended
container's record, which can no longer change, is kept by (id, status).
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from docker import APIClient
from docker.errors import APIError, NotFound

from kubelet.machine.machine import TreeUse, tree_use
from kubelet.network.pod_network import PodNetwork
from kubelet.runtime import interface, records
from kubelet.runtime.docker import convert
from kubelet.runtime.docker.engine import CONFLICT, ClosableIterator, Engine, translated
from kubelet.runtime.docker.sandboxes import DockerSandboxes
from kubelet.runtime.docker.sessions import DockerAttach, DockerExec
from kubelet.runtime.sessions import end_command, find_command
from vaina.clock import Clock
from vaina.quoting import go_quote

_EVENTS = {
    "start": records.RuntimeEventType.STARTED,
    "die": records.RuntimeEventType.STOPPED,
    "destroy": records.RuntimeEventType.REMOVED,
}
#: records kept of containers that no longer change; beyond that all are asked for again
_RECORDS = 4096
#: kept of each stream of a command that is run to its end: as much as a probe's message shows
_OUTPUT_BYTES = 10 * 1024
_STAMP = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z ")


class DockerRuntime(DockerSandboxes):
    """Sandboxes and containers of one engine. Any task may call it; calls for one Pod come one at a time."""

    def __init__(
        self,
        engine: Engine,
        network: PodNetwork,
        clock: Clock,
        *,
        node_dns: records.DnsConfig,
        least_oom_score_adj: int,
        logs: records.LogLimits | None = None,
    ) -> None:
        self._logs, self._clock = logs, clock
        super().__init__(engine, network, node_dns)
        self._least_oom_score_adj = least_oom_score_adj
        self._records: dict[tuple[str, str], records.ContainerState] = {}
        #: of running containers: what ends them is known beforehand
        self._stop_signals: dict[str, str] = {}

    async def version(self) -> records.RuntimeVersion:
        answer = await self._engine.ask(lambda client: client.version())
        return records.RuntimeVersion(
            "docker", str(answer["Version"]), recursive_readonly=convert.can_mount_recursively(answer)
        )

    async def status(self) -> records.RuntimeStatus:
        try:
            await self._engine.ask(lambda client: client.ping())
        except interface.RuntimeFailure as error:
            return records.RuntimeStatus(
                ready=False, network_ready=self._network.cidr is not None, message=str(error)
            )
        return await self._network_status()

    # Containers

    async def create_container(
        self, sandbox_id: str, config: records.ContainerConfig, sandbox: records.SandboxConfig
    ) -> str:
        body = convert.container_body(
            sandbox_id, sandbox, config, least_oom_score_adj=self._least_oom_score_adj, logs=self._logs,
            seccomp=await self._seccomp(config.security),
        )  # fmt: skip
        name = convert.container_name(sandbox, config)
        with translated(interface.CreateFailed):
            try:
                return await self._engine.create_container(body, name)
            except APIError as error:
                if error.status_code != CONFLICT or name not in (error.explanation or ""):
                    raise
            found = await self._engine.call(lambda client: client.inspect_container(name))
        return str(found["Id"])

    async def _seccomp(self, security: records.SecurityConfig) -> str:
        name = convert.localhost_profile(security)
        if not name:
            return ""
        try:
            return await asyncio.to_thread(Path(name).read_text)
        except (OSError, ValueError) as error:
            raise interface.CreateFailed(
                f"failed to load the seccomp profile {go_quote(name)}: {error}"
            ) from error

    async def start_container(self, container_id: str) -> None:
        def start(client: APIClient) -> None:
            # Starting one that has ended would run the same attempt twice (I12).
            if client.inspect_container(container_id)["State"]["Status"] == "created":
                client.start(container_id)

        await self._engine.ask(start, refusal=interface.StartFailed)

    async def stop_container(self, container_id: str, *, grace_seconds: float) -> None:
        signal = "SIGKILL" if grace_seconds <= 0 else await self._stop_signal(container_id)
        await self._engine.kill_container(container_id, signal)

    async def _stop_signal(self, container_id: str) -> str:
        known = self._stop_signals.get(container_id)
        if known is not None:
            return known
        try:
            inspected = await self._engine.ask(lambda client: client.inspect_container(container_id))
        except interface.NotFoundInRuntime:
            return "SIGTERM"
        return convert.stop_signal(inspected)

    async def remove_container(self, container_id: str) -> None:
        await self._engine.remove_container(container_id)

    async def list_containers(self, pod_uid: records.Uid | None = None) -> Sequence[records.ContainerState]:
        listed = await self._engine.list_containers(convert.filters_of(convert.CONTAINER, pod_uid))
        states = []
        for item in listed:
            state = self._records.get((item["Id"], item["State"])) or await self._inspect(item["Id"])
            if state is not None:
                states.append(state)
        return states

    async def _inspect(self, container_id: str) -> records.ContainerState | None:
        def inspect(client: APIClient) -> Any:
            try:
                return client.inspect_container(container_id)
            except NotFound:
                return None

        inspected = await self._engine.ask(inspect)
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

    async def update_container_resources(self, container_id: str, resources: records.LinuxResources) -> None:
        body = convert.limits_body(resources)
        names = {
            "CpuShares": "cpu_shares", "CpuQuota": "cpu_quota", "CpuPeriod": "cpu_period", "Memory": "mem_limit",
            "MemorySwap": "memswap_limit",
        }  # fmt: skip
        limits = {names[key]: value for key, value in body.items()}
        await self._engine.ask(lambda client: client.update_container(container_id, **limits))

    async def container_stats(self, container_id: str) -> records.ContainerStats:
        stats = await self._engine.ask(lambda client: client.stats(container_id, stream=False, one_shot=True))
        memory = stats.get("memory_stats", {})
        details = memory.get("stats", {})
        # Working set as cAdvisor counts it: usage less inactive file pages.
        inactive = details.get("inactive_file", details.get("total_inactive_file", 0))
        return records.ContainerStats(
            cpu_usage_nanos=int(stats["cpu_stats"]["cpu_usage"]["total_usage"]),
            memory_working_set_bytes=max(0, int(memory.get("usage", 0)) - int(inactive)),
        )

    async def container_disk_usage(self, container_id: str) -> records.DiskUsage:
        inspected = await self._engine.ask(lambda client: client.inspect_container(container_id))
        return await asyncio.to_thread(disk_usage, inspected)

    # Streams

    async def exec_sync(
        self, container_id: str, argv: Sequence[str], *, timeout_seconds: float
    ) -> records.ExecResult:
        # The engine cannot end an exec: after a timeout `close` ends the command.
        kept = {stream: bytearray() for stream in records.OutputStream}
        async with asyncio.timeout(timeout_seconds):
            session = await self.exec(container_id, records.ExecConfig(tuple(argv)))
            try:
                async for output in session.output():
                    buffer = kept[output.stream]
                    buffer += output.data[: _OUTPUT_BYTES - len(buffer)]
                code = await session.exit_code()
            finally:
                await session.close()
        return records.ExecResult(
            code, bytes(kept[records.OutputStream.STDOUT]), bytes(kept[records.OutputStream.STDERR])
        )

    async def exec(self, container_id: str, config: records.ExecConfig) -> DockerExec:
        return await DockerExec.start(self._engine, self._clock, container_id, config)

    async def end_command(self, container_id: str, argv: Sequence[str]) -> None:
        inspected = await self._engine.ask(lambda client: client.inspect_container(container_id))
        first = int(inspected["State"]["Pid"])
        command = await asyncio.to_thread(find_command, first, argv) if first else 0
        if command:
            end_command(command)

    async def attach(self, container_id: str, *, stdin: bool, tty: bool) -> DockerAttach:
        return await DockerAttach.connect(self._engine, container_id, stdin=stdin, tty=tty)

    async def container_logs(self, container_id: str, options: records.LogOptions) -> AsyncIterator[bytes]:
        def open_logs(client: APIClient) -> ClosableIterator:
            opened: ClosableIterator = client.logs(
                container_id, stream=True, follow=options.follow, timestamps=options.timestamps,
                stdout=options.stream is not records.OutputStream.STDERR, stderr=options.stream is not records.OutputStream.STDOUT,
                tail="all" if options.tail_lines is None else options.tail_lines, since=options.since,
            )  # fmt: skip
            return opened

        #: the stamp of an unfinished line: the engine keeps long lines in pieces of 16 KiB with the same stamp
        begun = b""
        with translated():
            async for data in self._engine.stream(open_logs):
                if begun and data.startswith(begun):
                    piece = data.removeprefix(begun)
                    begun = b"" if data.endswith(b"\n") else begun
                    yield piece
                    continue
                if options.timestamps and not data.endswith(b"\n"):
                    stamp = _STAMP.match(data)
                    begun = stamp[0] if stamp else b""
                yield data

    async def events(self) -> AsyncIterator[records.RuntimeEvent]:
        filters = {"type": "container", "event": sorted(_EVENTS), "label": convert.POD_UID}
        with translated(interface.RuntimeUnavailable):
            async for event in self._engine.stream(
                lambda client: client.events(decode=True, filters=filters)
            ):
                uid = event["Actor"]["Attributes"].get(convert.POD_UID, "")
                if event.get("Action") in _EVENTS and uid:
                    yield records.RuntimeEvent(_EVENTS[event["Action"]], records.Uid(uid))
        raise interface.RuntimeUnavailable("the engine's stream of events has ended")

    async def close(self) -> None:
        self._engine.close()


def disk_usage(inspected: Mapping[str, Any]) -> records.DiskUsage:
    """Return what a container has on disk. Blocks: a walk over its files.

    The engine can say it too (`size=1`), but then walks all layers while it holds its lock.
    """
    upper = ((inspected.get("GraphDriver") or {}).get("Data") or {}).get("UpperDir", "")
    layer = tree_use(upper) if upper else TreeUse()
    log = Path(inspected.get("LogPath") or "/nowhere")
    # Rotated ones are called <log>.1, <log>.2.
    files = [log, *log.parent.glob(f"{log.name}.*")] if log.parent.is_dir() else []
    return records.DiskUsage(layer.bytes, sum(tree_use(file).bytes for file in files), layer.inodes)
