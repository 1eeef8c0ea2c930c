"""What a real containerd does at bad moments only.

Names that are taken, starts that are refused or cut off, calls that hang, a server that is not ready.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from kubelet.runtime.cri import convert, cri_service_pb2_grpc
from kubelet.runtime.cri import cri_pb2 as cri
from kubelet.runtime.cri.connection import Connection
from kubelet.runtime.cri.runtime import CriRuntime
from kubelet.runtime.interface import RuntimeFailure, RuntimeUnavailable, SandboxFailed, StartFailed
from kubelet.runtime.records import ContainerConfig, ContainerPhase, DnsConfig, SandboxConfig, Uid
from vaina.testing.clock import FakeClock

CONFIG = SandboxConfig("web", "default", Uid("u1"), 1, "web")
APP = ContainerConfig("app", 0, "i", "busybox")


class Containerd(cri_service_pb2_grpc.RuntimeServiceServicer):
    """A server that is at a bad moment."""

    def __init__(self) -> None:
        self.sandbox = cri.SANDBOX_READY
        self.status = cri.ContainerStatus(id="c1", state=cri.CONTAINER_RUNNING)
        #: containers that CreateContainer has made; the name of a second is taken while `status` is listed
        self.made = 1
        self.listed = True
        self.stops: list[int] = []
        self.cancelled = 0

    async def Version(self, request: Any, context: Any) -> Any:
        await context.abort(grpc.StatusCode.UNKNOWN, "server is not initialized yet")

    async def RunPodSandbox(self, request: Any, context: Any) -> Any:
        await context.abort(
            grpc.StatusCode.UNKNOWN, 'failed to reserve sandbox name: name "x" is reserved for "s1"'
        )

    async def ListPodSandbox(self, request: Any, context: Any) -> Any:
        told = convert.sandbox_message(CONFIG, node_dns=DnsConfig(), log_root="/logs")
        found = cri.PodSandbox(id="s1", metadata=told.metadata, state=self.sandbox, labels=told.labels)
        return cri.ListPodSandboxResponse(items=[found])

    async def PodSandboxStatus(self, request: Any, context: Any) -> Any:
        network = cri.PodSandboxNetworkStatus(ip="10.244.1.2")
        return cri.PodSandboxStatusResponse(
            status=cri.PodSandboxStatus(id="s1", state=self.sandbox, network=network)
        )

    async def CreateContainer(self, request: Any, context: Any) -> Any:
        if self.listed:
            await context.abort(grpc.StatusCode.UNKNOWN, 'name "x" is reserved for "c1"')
        self.made += 1
        return cri.CreateContainerResponse(container_id=f"c{self.made}")

    async def ListContainers(self, request: Any, context: Any) -> Any:
        told = convert.container_message(APP, CONFIG)
        item = cri.Container(
            id="c1", pod_sandbox_id="s1", metadata=told.metadata, state=self.status.state, labels=told.labels
        )
        return cri.ListContainersResponse(containers=[item] if self.listed else [])

    async def RemoveContainer(self, request: Any, context: Any) -> Any:
        self.listed = False
        return cri.RemoveContainerResponse()

    async def StartContainer(self, request: Any, context: Any) -> Any:
        await context.abort(grpc.StatusCode.UNKNOWN, "failed to set starting state for container")

    async def ContainerStatus(self, request: Any, context: Any) -> Any:
        told = convert.container_message(APP, CONFIG)
        status = cri.ContainerStatus(labels=told.labels, metadata=told.metadata)
        status.MergeFrom(self.status)
        return cri.ContainerStatusResponse(status=status)

    async def StopContainer(self, request: Any, context: Any) -> Any:
        self.stops.append(request.timeout)
        if request.timeout:
            try:
                await asyncio.Event().wait()
            finally:
                self.cancelled += 1
        return cri.StopContainerResponse()

    async def ExecSync(self, request: Any, context: Any) -> Any:
        await asyncio.Event().wait()


@pytest.fixture
def containerd() -> Containerd:
    return Containerd()


@pytest.fixture
async def runtime(containerd: Containerd, tmp_path: Path) -> AsyncIterator[CriRuntime]:
    # A socket's path is short.
    with tempfile.TemporaryDirectory() as folder:
        server = grpc.aio.server()
        cri_service_pb2_grpc.add_RuntimeServiceServicer_to_server(containerd, server)  # type: ignore[no-untyped-call]
        server.add_insecure_port(f"unix:{folder}/s")
        await server.start()
        made = CriRuntime(Connection(f"{folder}/s"), FakeClock(), node_dns=DnsConfig(), log_root=tmp_path)
        yield made
        await made.close()
        await server.stop(None)


async def until(true: Any) -> None:
    """Let the server's turn come."""
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0)  # noqa: TID251 - both sides are on this loop


async def test_a_name_that_is_taken_is_what_was_asked_for_before(
    runtime: CriRuntime, containerd: Containerd
) -> None:
    found = await runtime.run_pod_sandbox(CONFIG)
    assert (found.id, found.ip, found.attempt) == ("s1", "10.244.1.2", 1)
    containerd.sandbox = cri.SANDBOX_NOTREADY
    with pytest.raises(SandboxFailed, match="is reserved"):
        await runtime.run_pod_sandbox(CONFIG)


async def test_a_start_that_is_refused_is_judged_by_the_containers_state(
    runtime: CriRuntime, containerd: Containerd
) -> None:
    await runtime.start_container("c1")
    containerd.status = cri.ContainerStatus(id="c1", state=cri.CONTAINER_EXITED, reason="Completed")
    await runtime.start_container("c1")
    containerd.status = cri.ContainerStatus(
        id="c1", state=cri.CONTAINER_EXITED, reason="StartError", message="no such program"
    )
    with pytest.raises(StartFailed, match="no such program"):
        await runtime.start_container("c1")
    # Another's start of it is still under way: it has not failed.
    containerd.status = cri.ContainerStatus(id="c1", state=cri.CONTAINER_CREATED)
    with pytest.raises(RuntimeFailure) as refused:
        await runtime.start_container("c1")
    assert not isinstance(refused.value, StartFailed)


def start_error(message: str) -> cri.ContainerStatus:
    return cri.ContainerStatus(
        id="c1", state=cri.CONTAINER_EXITED, reason="StartError", exit_code=128, message=message
    )


@pytest.mark.parametrize(
    "message",
    [
        "failed to create containerd task: failed to create shim task: context canceled: unknown",
        "failed to create containerd task: failed to start shim: start failed: : signal: killed: unknown",
    ],
)
async def test_a_start_that_was_cut_off_before_anything_ran_has_not_been(
    runtime: CriRuntime, containerd: Containerd, message: str
) -> None:
    containerd.status = start_error(message)
    assert await runtime.list_containers() == []
    assert await runtime.create_container("s1", APP, CONFIG) == "c2"


@pytest.mark.parametrize(
    "message",
    [
        'failed to start containerd task "c1": context canceled: unknown',
        "failed to create containerd task: failed to create shim task: OCI runtime create failed: no such program: unknown",
    ],
)
async def test_what_may_have_run_and_what_cannot_run_have_ended(
    runtime: CriRuntime, containerd: Containerd, message: str
) -> None:
    containerd.status = start_error(message)
    [state] = await runtime.list_containers()
    assert (state.phase, state.reason, state.exit_code) == (ContainerPhase.EXITED, "StartError", 128)
    assert await runtime.create_container("s1", APP, CONFIG) == "c1"


async def test_a_shorter_grace_takes_the_place_of_a_longer_one_and_a_kill_waits_for_neither(
    runtime: CriRuntime, containerd: Containerd
) -> None:
    await runtime.stop_container("c1", grace_seconds=300)
    await until(lambda: containerd.stops == [300])
    await runtime.stop_container("c1", grace_seconds=0.5)
    await until(lambda: containerd.stops == [300, 1] and containerd.cancelled == 1)
    await runtime.stop_container("c1", grace_seconds=0)
    assert containerd.stops == [300, 1, 0]


async def test_a_server_that_is_not_ready_yet_is_asked_again(runtime: CriRuntime) -> None:
    with pytest.raises(RuntimeUnavailable):
        await runtime.version()


async def test_a_command_that_hangs_is_given_up_with_a_hanging_runtime(runtime: CriRuntime) -> None:
    with pytest.raises(TimeoutError):
        await runtime.exec_sync("c1", ["sleep", "60"], timeout_seconds=0.05)
