"""The runtime interface over CRI: step 4 (SANDBOXED) and step 6 (STARTED) on a containerd node.

The runtime's metadata is the only memory. A list of containers does not say how they ended, so that costs a
call each, and what can no longer change is kept by (id, state).
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import grpc

from kubelet.runtime import interface, records
from kubelet.runtime.cri import convert
from kubelet.runtime.cri import cri_pb2 as cri
from kubelet.runtime.cri.connection import Connection, call, translated
from kubelet.runtime.cri.logs import container_logs, log_bytes, remove_logs
from kubelet.runtime.cri.sandboxes import CriSandboxes
from kubelet.runtime.cri.sessions import CriSession
from kubelet.runtime.cri.stopping import Commands, Stops
from vaina.clock import Clock

_EVENTS = {
    cri.CONTAINER_STARTED_EVENT: records.RuntimeEventType.STARTED,
    cri.CONTAINER_STOPPED_EVENT: records.RuntimeEventType.STOPPED,
    cri.CONTAINER_DELETED_EVENT: records.RuntimeEventType.REMOVED,
}
#: records kept of containers that no longer change; beyond that all are asked for again
_RECORDS = 4096
#: kept of each stream of a command that is run to its end: as much as a probe's message shows
_OUTPUT_BYTES = 10 * 1024


class CriRuntime(CriSandboxes):
    """Sandboxes and containers of one runtime. Any task may call it; calls for one Pod come one at a time."""

    def __init__(
        self, connection: Connection, clock: Clock, *, node_dns: records.DnsConfig, log_root: Path
    ) -> None:
        super().__init__(connection, node_dns=node_dns, log_root=log_root)
        self._clock = clock
        self._stops, self._commands = Stops(connection), Commands(connection, clock)
        self._records: dict[tuple[str, int], records.ContainerState] = {}

    async def version(self) -> records.RuntimeVersion:
        answer = await call(self._cri.runtime.Version, cri.VersionRequest(version="v1"))
        return records.RuntimeVersion(
            answer.runtime_name, answer.runtime_version.removeprefix("v").partition("~")[0]
        )

    async def status(self) -> records.RuntimeStatus:
        try:
            answer = await call(self._cri.runtime.Status, cri.StatusRequest())
        except interface.RuntimeFailure as error:
            return records.RuntimeStatus(ready=False, network_ready=False, message=str(error))
        conditions = {item.type: item for item in answer.status.conditions}
        ready, network = conditions.get("RuntimeReady"), conditions.get("NetworkReady")
        wrong = next((item for item in (ready, network) if item is not None and not item.status), None)
        return records.RuntimeStatus(
            ready=ready is not None and ready.status,
            network_ready=network is not None and network.status,
            message="" if wrong is None else wrong.message,
        )

    async def remove_pod_sandbox(self, sandbox_id: str) -> None:
        for container in await self._listed_containers(cri.ContainerFilter(pod_sandbox_id=sandbox_id)):
            await self.remove_container(container.id)
        await super().remove_pod_sandbox(sandbox_id)

    # Containers

    async def create_container(
        self, sandbox_id: str, config: records.ContainerConfig, sandbox: records.SandboxConfig
    ) -> str:
        user = await self._image_user(config)
        privileged = sandbox.privileged or config.security.privileged
        whole = self._sandbox_message(sandbox, privileged=privileged)
        message = convert.container_message(config, sandbox, image_user=user)
        log_file = Path(whole.log_directory, message.log_path)
        await asyncio.to_thread(log_file.parent.mkdir, parents=True, exist_ok=True)
        request = cri.CreateContainerRequest(pod_sandbox_id=sandbox_id, config=message, sandbox_config=whole)
        try:
            return await self._create(request)
        except interface.CreateFailed:
            # As with sandboxes: the name is taken by what was asked for before.
            found = await self._find(sandbox.uid, config)
            if not found:
                raise
        if not convert.was_cut_off(await self._status(found)):
            return found
        # A runtime starts nothing a second time, not even what never ran.
        await self.remove_container(found)
        return await self._create(request)

    async def _find(self, pod_uid: records.Uid, config: records.ContainerConfig) -> str:
        for item in await self._listed_containers(_container_filter(pod_uid)):
            if (item.metadata.name, item.metadata.attempt) == (config.name, config.attempt):
                return str(item.id)
        return ""

    async def _create(self, request: cri.CreateContainerRequest) -> str:
        made = await call(self._cri.runtime.CreateContainer, request, refusal=interface.CreateFailed)
        return str(made.container_id)

    async def _image_user(self, config: records.ContainerConfig) -> str:
        security = config.security
        if security.run_as_group is None or security.run_as_user is not None:
            return ""
        request = cri.ImageStatusRequest(image=cri.ImageSpec(image=config.image_id))
        answer = await call(self._cri.images.ImageStatus, request, refusal=interface.CreateFailed)
        return convert.image_state(answer.image).user

    async def start_container(self, container_id: str) -> None:
        try:
            request = cri.StartContainerRequest(container_id=container_id)
            await call(self._cri.runtime.StartContainer, request, refusal=interface.StartFailed)
        except interface.StartFailed as error:
            # One that runs or has ended is refused: nothing is to be done for it.
            status = await self._status(container_id)
            if status.state == cri.CONTAINER_CREATED:
                # A start that was cut off is given up in the runtime's own time: containerd takes seconds.
                raise interface.RuntimeFailure(str(error)) from error
            if status.reason == "StartError":
                raise interface.StartFailed(status.message or str(error)) from error

    async def _status(self, container_id: str) -> cri.ContainerStatus:
        request = cri.ContainerStatusRequest(container_id=container_id)
        answer = await call(self._cri.runtime.ContainerStatus, request)
        return answer.status

    async def stop_container(self, container_id: str, *, grace_seconds: float) -> None:
        if grace_seconds <= 0:
            await self._stops.kill(container_id)
        else:
            await self._stops.stop(container_id, grace_seconds)

    async def remove_container(self, container_id: str) -> None:
        try:
            status = await self._status(container_id)
            if convert.was_cut_off(status):
                # containerd may have made its first process, and then refuses: "cannot delete running task".
                await self._cri.delete_task(container_id)
            request = cri.RemoveContainerRequest(container_id=container_id)
            await call(self._cri.runtime.RemoveContainer, request)
        except interface.NotFoundInRuntime:
            return
        await asyncio.to_thread(remove_logs, Path(status.log_path))

    async def _listed_containers(self, wanted: cri.ContainerFilter) -> Sequence[cri.Container]:
        answer = await call(self._cri.runtime.ListContainers, cri.ListContainersRequest(filter=wanted))
        return [item for item in answer.containers if convert.POD_UID in item.labels]

    async def list_containers(self, pod_uid: records.Uid | None = None) -> Sequence[records.ContainerState]:
        states = []
        for item in await self._listed_containers(_container_filter(pod_uid)):
            state = self._records.get((item.id, item.state)) or await self._inspect(item)
            if state is not None:
                states.append(state)
        return states

    async def _inspect(self, item: cri.Container) -> records.ContainerState | None:
        try:
            if item.state == cri.CONTAINER_UNKNOWN:
                # The runtime lost sight of it (a restart at a bad moment): a stop settles that it does not run.
                await self._stops.kill(item.id)
            status = await self._status(item.id)
        except interface.NotFoundInRuntime:
            return None
        if convert.was_cut_off(status):
            # As if it had never been made: the next start makes it anew.
            return None
        state = convert.container_state(item, status)
        if status.state in {cri.CONTAINER_RUNNING, cri.CONTAINER_EXITED}:
            if len(self._records) >= _RECORDS:
                self._records.clear()
            self._records[item.id, status.state] = state
        return state

    async def update_container_resources(self, container_id: str, resources: records.LinuxResources) -> None:
        request = cri.UpdateContainerResourcesRequest(
            container_id=container_id, linux=convert.resources_message(resources)
        )
        await call(self._cri.runtime.UpdateContainerResources, request)

    async def _stats(self, container_id: str) -> cri.ContainerStats:
        request = cri.ContainerStatsRequest(container_id=container_id)
        answer = await call(self._cri.runtime.ContainerStats, request)
        return answer.stats

    async def container_stats(self, container_id: str) -> records.ContainerStats:
        stats = await self._stats(container_id)
        if not stats.HasField("cpu"):
            raise interface.NotFoundInRuntime(f"container {container_id} is not running")
        return records.ContainerStats(
            cpu_usage_nanos=stats.cpu.usage_core_nano_seconds.value,
            memory_working_set_bytes=stats.memory.working_set_bytes.value,
        )

    async def container_disk_usage(self, container_id: str) -> records.DiskUsage:
        status = await self._status(container_id)
        stats = await self._stats(container_id)
        logs = await asyncio.to_thread(log_bytes, Path(status.log_path))
        return records.DiskUsage(stats.writable_layer.used_bytes.value, logs)

    # Streams

    async def exec_sync(
        self, container_id: str, argv: Sequence[str], *, timeout_seconds: float
    ) -> records.ExecResult:
        # The runtime counts whole seconds and ends the command; a fraction is ours to keep.
        whole = max(int(timeout_seconds + 0.999), 1)
        request = cri.ExecSyncRequest(container_id=container_id, cmd=argv, timeout=whole)
        try:
            answer = await call(self._cri.runtime.ExecSync, request, seconds=timeout_seconds)
        except interface.RuntimeUnavailable as error:
            cause = error.__cause__
            if isinstance(cause, grpc.aio.AioRpcError) and cause.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                raise TimeoutError from error
            raise
        return records.ExecResult(
            answer.exit_code, answer.stdout[:_OUTPUT_BYTES], answer.stderr[:_OUTPUT_BYTES]
        )

    async def exec(self, container_id: str, config: records.ExecConfig) -> CriSession:
        request = cri.ExecRequest(
            container_id=container_id, cmd=config.argv, tty=config.tty, stdin=config.stdin, stdout=True,
            stderr=not config.tty,
        )  # fmt: skip
        ended, session = partial(self._commands.end, container_id, config.argv), None
        self._commands.begin(container_id, config.argv)
        try:
            answer = await call(self._cri.runtime.Exec, request)
            session = await CriSession.connect(answer.url, stdin=config.stdin, tty=config.tty, ended=ended)
            if config.tty and all(config.size):
                await session.resize(*config.size)
        except BaseException as error:
            # A caller that goes away now may leave a command that is just being started.
            await (session.close() if session else ended(isinstance(error, asyncio.CancelledError)))
            raise
        return session

    async def end_command(self, container_id: str, argv: Sequence[str]) -> None:
        self._commands.begin(container_id, argv)
        await self._commands.end(container_id, argv, cut_off=True)

    async def attach(self, container_id: str, *, stdin: bool, tty: bool) -> CriSession:
        request = cri.AttachRequest(
            container_id=container_id, stdin=stdin, stdout=True, stderr=not tty, tty=tty
        )
        answer = await call(self._cri.runtime.Attach, request)
        return await CriSession.connect(
            answer.url, stdin=stdin, tty=tty, exit_code=lambda: self._exit_code(container_id)
        )

    async def _exit_code(self, container_id: str) -> int:
        """Return the code of a container whose streams have ended; the runtime hears of that a moment later."""
        for _ in range(20):
            status = await self._status(container_id)
            if status.state == cri.CONTAINER_EXITED:
                return int(status.exit_code)
            await self._clock.sleep(0.05)
        return 0

    def container_logs(self, container_id: str, options: records.LogOptions) -> AsyncIterator[bytes]:
        async def look() -> tuple[Path, float | None]:
            status = await self._status(container_id)
            running = status.state == cri.CONTAINER_RUNNING
            return Path(status.log_path), None if running else status.finished_at / 1e9

        return container_logs(look, options, self._clock)

    async def log_paths(self, known: Mapping[str, Path]) -> dict[str, Path]:
        """Return the log of every running container; the runtime is asked only for those that are not known."""
        paths: dict[str, Path] = {}
        for item in await self._listed_containers(_container_filter(None)):
            if item.state == cri.CONTAINER_RUNNING:
                path = known.get(item.id) or Path((await self._status(item.id)).log_path)
                if path.name:
                    paths[item.id] = path
        return paths

    async def reopen_log(self, container_id: str) -> None:
        """Have the runtime write a container's log to its path anew, after the file there was moved away."""
        request = cri.ReopenContainerLogRequest(container_id=container_id)
        await call(self._cri.runtime.ReopenContainerLog, request)

    async def events(self) -> AsyncIterator[records.RuntimeEvent]:
        with translated(interface.RuntimeUnavailable):
            async for event in self._cri.runtime.GetContainerEvents(cri.GetEventsRequest()):
                uid = event.pod_sandbox_status.metadata.uid
                if event.container_event_type in _EVENTS and uid:
                    yield records.RuntimeEvent(_EVENTS[event.container_event_type], records.Uid(uid))
        raise interface.RuntimeUnavailable("the runtime's stream of events has ended")

    async def close(self) -> None:
        await self._cri.close()


def _container_filter(pod_uid: records.Uid | None) -> cri.ContainerFilter:
    return cri.ContainerFilter(label_selector={convert.POD_UID: pod_uid} if pod_uid is not None else {})
