"""The hollow runtime: everything in memory, every stage with a delay from a table, nothing runs.

For tests, and for hollow nodes under load: thousands of kubelets that are real but for their runtime.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from kubelet.network.plan import AddressesExhausted, next_address
from kubelet.runtime import interface, records
from kubelet.runtime.hollow.program import FOREVER, HollowContainer, Program, Stages, read_program
from kubelet.tasks import wait_at_most
from vaina.clock import Clock, rfc3339
from vaina.quoting import go_quote

#: pieces of standard input that wait for being copied; a writer beyond that waits
_INPUTS = 64


class HollowExec:
    """An `ExecSession` of a program."""

    def __init__(self, program: Program, config: records.ExecConfig, clock: Clock) -> None:
        self._program, self._config, self._clock = program, config, clock
        self._input: asyncio.Queue[bytes | None] = asyncio.Queue(_INPUTS)
        self._closed = asyncio.Event()

    async def write(self, data: bytes) -> None:
        if self._config.stdin:
            await self._input.put(data)

    async def close_stdin(self) -> None:
        await self._input.put(None)

    async def resize(self, width: int, height: int) -> None:
        return

    async def output(self) -> AsyncIterator[records.Output]:
        at = 0.0
        for due, data in self._program.writes:
            await self._clock.sleep(due - at)
            at = due
            yield records.Output(records.OutputStream.STDOUT, data)
        if self._program.copies_input:
            while self._config.stdin and (piece := await self._input.get()) is not None:
                yield records.Output(records.OutputStream.STDOUT, piece)
        elif self._program.runs_seconds == FOREVER:
            await self._closed.wait()
        else:
            await self._clock.sleep(self._program.runs_seconds - at)

    async def exit_code(self) -> int:
        return self._program.exit_code

    async def close(self) -> None:
        self._closed.set()


#: events that wait for their reader; the oldest are dropped, which a relist makes good
_EVENTS = 1024


class HollowRuntime:
    """Owned by one kubelet; one event loop."""

    def __init__(self, clock: Clock, rng: random.Random, *, stages: Stages, cidr: IPv4Network) -> None:
        self._clock, self._rng, self._stages, self._cidr = clock, rng, stages, cidr
        self._last: IPv4Address | None = None
        self._sandboxes: dict[str, records.SandboxState] = {}
        self._containers: dict[str, HollowContainer] = {}
        self._events: list[records.RuntimeEvent] = []
        #: in the order of their coming: a seed makes the whole run
        self._waiters: dict[asyncio.Event, None] = {}
        #: every sandbox and container that was ever made, in order: (verb, name); for tests
        self.history: list[tuple[str, str]] = []

    async def version(self) -> records.RuntimeVersion:
        return records.RuntimeVersion("hollow", "1.0")

    async def status(self) -> records.RuntimeStatus:
        return records.RuntimeStatus(ready=True, network_ready=True)

    async def _pass(self, stage: str) -> None:
        delay = getattr(self._stages, stage).draw(self._rng)
        if delay:
            await self._clock.sleep(delay)

    async def run_pod_sandbox(self, config: records.SandboxConfig) -> records.SandboxState:
        await self._pass("run_sandbox")
        sandbox_id = f"{config.uid}_{config.attempt}"
        known = self._sandboxes.get(sandbox_id)
        if known is not None and known.ready:
            return known
        address = "" if config.host_network else self._address()
        state = records.SandboxState(
            id=sandbox_id, name=config.name, namespace=config.namespace, uid=config.uid,
            attempt=config.attempt, ready=True, ip=address, created_at=self._clock.now(),
            labels=dict(config.labels), annotations=dict(config.annotations),
        )  # fmt: skip
        self._sandboxes[sandbox_id] = state
        self.history.append(("run_pod_sandbox", sandbox_id))
        return state

    def _address(self) -> str:
        taken = {IPv4Address(state.ip) for state in self._sandboxes.values() if state.ip}
        try:
            self._last = next_address(self._cidr, taken, self._last)
        except AddressesExhausted as error:
            raise interface.SandboxFailed(str(error)) from error
        return str(self._last)

    async def stop_pod_sandbox(self, sandbox_id: str) -> None:
        now = self._clock.now()
        for container in self._containers.values():
            if container.sandbox_id == sandbox_id:
                container.kill(now)
        state = self._sandboxes.get(sandbox_id)
        if state is not None and (state.ready or state.ip):
            self._sandboxes[sandbox_id] = replace(state, ready=False, ip="")
            self._tell(records.RuntimeEventType.STOPPED, state.uid)

    async def remove_pod_sandbox(self, sandbox_id: str) -> None:
        await self.stop_pod_sandbox(sandbox_id)
        for container in [item for item in self._containers.values() if item.sandbox_id == sandbox_id]:
            del self._containers[container.id]
        state = self._sandboxes.pop(sandbox_id, None)
        if state is not None:
            self._tell(records.RuntimeEventType.REMOVED, state.uid)

    async def list_pod_sandboxes(self, pod_uid: records.Uid | None = None) -> Sequence[records.SandboxState]:
        return [state for state in self._sandboxes.values() if pod_uid in {None, state.uid}]

    async def create_container(
        self, sandbox_id: str, config: records.ContainerConfig, sandbox: records.SandboxConfig
    ) -> str:
        await self._pass("create_container")
        container_id = f"{sandbox.uid}_{config.name}_{config.attempt}"
        if container_id in self._containers:
            return container_id
        if sandbox_id not in self._sandboxes:
            raise interface.NotFoundInRuntime(f"no sandbox {sandbox_id}")
        if not config.image_id:
            raise interface.CreateFailed("no image")
        program = read_program((*config.command, *config.args))
        self._containers[container_id] = HollowContainer(
            container_id, sandbox_id, sandbox.uid, config, program, self._clock.now()
        )
        self.history.append(("create_container", container_id))
        return container_id

    async def start_container(self, container_id: str) -> None:
        await self._pass("start_container")
        container = self._find(container_id)
        if container.ends_at is not None:
            return
        container.start(self._clock.now())
        self.history.append(("start_container", container_id))
        self._tell(records.RuntimeEventType.STARTED, container.pod_uid)
        if container.reason == "StartError":
            container.told = True
            raise interface.StartFailed(
                f"exec: {go_quote(' '.join(container.config.command))}: executable file not found in $PATH"
            )

    def _find(self, container_id: str) -> HollowContainer:
        container = self._containers.get(container_id)
        if container is None:
            raise interface.NotFoundInRuntime(f"No such container: {container_id}")
        return container

    def _running(self, container_id: str) -> HollowContainer:
        container = self._find(container_id)
        if not container.is_running(self._clock.now()):
            raise interface.NotFoundInRuntime(f"container {container_id} is not running")
        return container

    async def stop_container(self, container_id: str, *, grace_seconds: float) -> None:
        container = self._containers.get(container_id)
        if container is None:
            return
        now = self._clock.now()
        self.history.append(("stop_container" if grace_seconds > 0 else "kill_container", container_id))
        if grace_seconds > 0:
            container.term(now, self._stages.stop_container.draw(self._rng))
        else:
            container.kill(now)
        self._ring()

    async def remove_container(self, container_id: str) -> None:
        container = self._containers.pop(container_id, None)
        if container is not None:
            self._tell(records.RuntimeEventType.REMOVED, container.pod_uid)

    async def list_containers(self, pod_uid: records.Uid | None = None) -> Sequence[records.ContainerState]:
        now = self._clock.now()
        return [item.state(now) for item in self._containers.values() if pod_uid in {None, item.pod_uid}]

    async def update_container_resources(self, container_id: str, resources: records.LinuxResources) -> None:
        self._running(container_id)

    async def container_stats(self, container_id: str) -> records.ContainerStats:
        self._running(container_id)
        return records.ContainerStats(0, 0)

    async def container_disk_usage(self, container_id: str) -> records.DiskUsage:
        self._find(container_id)
        return records.DiskUsage()

    async def exec_sync(
        self, container_id: str, argv: Sequence[str], *, timeout_seconds: float
    ) -> records.ExecResult:
        self._running(container_id)
        program = read_program(argv)
        if program.missing:
            raise interface.RuntimeFailure(f"exec: {go_quote(argv[0])}: executable file not found in $PATH")
        await self._clock.sleep(min(program.runs_seconds, timeout_seconds))
        if program.runs_seconds > timeout_seconds:
            raise TimeoutError
        return records.ExecResult(program.exit_code, b"".join(data for _, data in program.writes), b"")

    async def exec(self, container_id: str, config: records.ExecConfig) -> HollowExec:
        self._running(container_id)
        program = read_program(config.argv)
        if program.missing:
            raise interface.RuntimeFailure(
                f"exec: {go_quote(config.argv[0])}: executable file not found in $PATH"
            )
        return HollowExec(program, config, self._clock)

    async def end_command(self, container_id: str, argv: Sequence[str]) -> None:
        """Hollow commands end with their kubelet."""

    async def attach(self, container_id: str, *, stdin: bool, tty: bool) -> HollowExec:
        container = self._running(container_id)
        return HollowExec(container.program, records.ExecConfig((), stdin=stdin, tty=tty), self._clock)

    async def network_namespace(self, sandbox_id: str) -> str:
        if sandbox_id not in self._sandboxes:
            raise interface.NotFoundInRuntime(f"no sandbox {sandbox_id}")
        raise interface.RuntimeFailure("the Pods of a hollow node have no network: nothing runs in them")

    async def container_logs(self, container_id: str, options: records.LogOptions) -> AsyncIterator[bytes]:
        container = self._find(container_id)
        if options.stream is records.OutputStream.STDERR:
            return
        entries = container.log(self._clock.now())
        told = len(entries)
        if options.since is not None:
            entries = [entry for entry in entries if entry[0] >= options.since]
        if options.tail_lines is not None:
            entries = entries[len(entries) - min(options.tail_lines, len(entries)) :]
        for entry in entries:
            yield _line(entry, timestamps=options.timestamps)
        while options.follow and container.is_running(self._clock.now()):
            upcoming = [at for at, _ in container.program.writes[told:]]
            due = container.started_at + upcoming[0] if upcoming else container.ends_at
            await self._wait_until(due if due is not None else FOREVER)
            entries = container.log(self._clock.now())
            for entry in entries[told:]:
                yield _line(entry, timestamps=options.timestamps)
            told = len(entries)

    async def _wait_until(self, at: float) -> None:
        wake = asyncio.Event()
        self._waiters[wake] = None
        try:
            if at == FOREVER:
                await wake.wait()
            else:
                await wait_at_most(wake, self._clock, at - self._clock.now())
        finally:
            self._waiters.pop(wake, None)

    def _ring(self) -> None:
        for wake in self._waiters:
            wake.set()

    def _tell(self, kind: records.RuntimeEventType, uid: records.Uid) -> None:
        self._events.append(records.RuntimeEvent(kind, uid))
        del self._events[:-_EVENTS]
        self._ring()

    async def events(self) -> AsyncIterator[records.RuntimeEvent]:
        while True:
            now = self._clock.now()
            for container in self._containers.values():
                if container.ends_at is not None and container.ends_at <= now and not container.told:
                    container.told = True
                    self._events.append(
                        records.RuntimeEvent(records.RuntimeEventType.STOPPED, container.pod_uid)
                    )
            waiting, self._events = self._events, []
            for event in waiting:
                yield event
            if self._events:
                continue
            ends = [
                item.ends_at
                for item in self._containers.values()
                if item.ends_at is not None and not item.told
            ]
            await self._wait_until(min(ends, default=FOREVER))

    async def close(self) -> None:
        return


def _line(entry: tuple[float, bytes], *, timestamps: bool) -> bytes:
    at, data = entry
    return rfc3339(at).encode() + b" " + data if timestamps else data


class HollowImages:
    """Images of a hollow node."""

    def __init__(self, clock: Clock, rng: random.Random, stages: Stages) -> None:
        self._clock, self._rng, self._stages = clock, rng, stages
        self._present = {_full(name) for name in stages.images if name != "*"}
        #: pulls, in order: for tests
        self.pulls: list[str] = []

    def _missing(self, reference: str) -> bool:
        return _full(reference) in {_full(name) for name in self._stages.missing_images}

    async def image_status(self, reference: str) -> records.ImageState | None:
        name = reference.removeprefix("sha256:")
        if name in self._present or ("*" in self._stages.images and not self._missing(name)):
            return records.ImageState(id=f"sha256:{name}", tags=(name,), size_bytes=1)
        return None

    async def pull_image(
        self, reference: str, *, auth: records.RegistryAuth | None = None
    ) -> records.ImageState:
        self.pulls.append(reference)
        delay = self._stages.pull_image.draw(self._rng)
        if delay:
            await self._clock.sleep(delay)
        if self._missing(reference):
            raise interface.ImagePullError(f"manifest for {reference} not found: manifest unknown")
        self._present.add(_full(reference))
        return records.ImageState(id=f"sha256:{_full(reference)}", tags=(_full(reference),), size_bytes=1)

    async def unpack_image(self, image_id: str, directory: Path) -> bool:
        if delay := self._stages.unpack_image.draw(self._rng):
            await self._clock.sleep(delay)
        return False

    async def list_images(self) -> Sequence[records.ImageState]:
        return [
            records.ImageState(id=f"sha256:{name}", tags=(name,), size_bytes=1)
            for name in sorted(self._present)
        ]

    async def remove_image(self, image_id: str) -> None:
        self._present.discard(image_id.removeprefix("sha256:"))

    async def image_filesystem(self) -> str:
        return ""


def _full(reference: str) -> str:
    last = reference.rpartition("/")[2]
    return reference if ":" in last or "@" in last else f"{reference}:latest"
