"""Nothing of a session lasts beyond its end: no process, pipe, socket or task, at the kubelet or the apiserver.

Client, apiserver and kubelet speak gRPC over sockets; commands are real processes of a runtime without engine.
"""

import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import Any

import pytest

from kubelet.runtime.hollow.program import Stages
from kubelet.runtime.hollow.runtime import HollowRuntime
from kubelet.runtime.records import ContainerConfig, ExecConfig, Output, OutputStream, SandboxConfig, Uid
from kubelet.server.bound import bind_sessions
from kubelet.server.service import KubeletService
from tests.support.apiserver import Harness, make_apiserver
from tests.support.proxy import Proxy, proxy_to
from vaina.api.core.v1 import pod_pb2, pod_stream_pb2
from vaina.client.clientset import Clientset
from vaina.client.transport import GrpcTransport
from vaina.clock import SystemClock
from vaina.errors import Conflict, Forbidden, NotFound, Unavailable
from vaina.serving.server import serve
from vaina.testing.builders import make_node

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]

#: as long as it is open, at most: five of the proxy that it goes through, and one of gRPC
TASKS_OF_A_CONNECTION = 6
ExecRequest = pod_stream_pb2.PodExecRequest


@dataclass(eq=False)
class Command:
    """A process with its pipes, as an engine would run it in a container."""

    process: asyncio.subprocess.Process
    open: "set[Command]" = field(repr=False)

    async def write(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        await self.process.stdin.drain()

    async def close_stdin(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    async def resize(self, width: int, height: int) -> None:
        """There is no terminal."""

    async def output(self) -> AsyncIterator[Output]:
        assert self.process.stdout is not None
        while data := await self.process.stdout.read(8192):
            yield Output(OutputStream.STDOUT, data)

    async def exit_code(self) -> int:
        return await self.process.wait()

    async def close(self) -> None:
        if self.process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        # A process counts as ended once all that it wrote was read.
        await self.process.communicate()
        self.open.discard(self)


class ProcessRuntime(HollowRuntime):
    """Containers are hollow; commands of exec and attach are processes. Pods have the machine's network."""

    def __init__(self, clock: SystemClock) -> None:
        super().__init__(clock, random.Random(1), stages=Stages(), cidr=IPv4Network("10.244.1.0/24"))
        self.open: set[Command] = set()
        self.commands: list[Command] = []

    async def exec(self, container_id: str, config: ExecConfig) -> Any:
        self._running(container_id)
        process = await asyncio.create_subprocess_exec(
            *config.argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        command = Command(process, self.open)
        self.open.add(command)
        self.commands.append(command)
        return command

    async def attach(self, container_id: str, *, stdin: bool, tty: bool) -> Any:
        return await self.exec(container_id, ExecConfig(("cat",), stdin=stdin))

    async def network_namespace(self, sandbox_id: str) -> str:
        return "/proc/self/ns/net"


@dataclass
class Plane:
    """A client, an apiserver and the kubelet of its only node; proxies stand on both ways."""

    api: Harness
    runtime: ProcessRuntime
    client: Clientset
    to_apiserver: Proxy
    to_kubelet: Proxy
    pods: list[pod_pb2.Pod]
    tasks: int = 0

    async def start_pod(self, name: str = "web") -> pod_pb2.Pod:
        """Make a Pod with a container that runs, as the kubelet has it."""
        pod = await self.api.pod(name, node="node-1")
        uid = Uid(pod.metadata.uid)
        sandbox = SandboxConfig(name, "default", uid, 0, name)
        state = await self.runtime.run_pod_sandbox(sandbox)
        config = ContainerConfig(
            "app", 0, "sha256:x", "x", command=("sh", "-c", "echo started; sleep 1000000")
        )
        await self.runtime.start_container(await self.runtime.create_container(state.id, config, sandbox))
        self.pods.append(pod)
        return pod

    async def end_pod(self, pod: pod_pb2.Pod) -> None:
        """End what runs of a Pod, and let kubelet and apiserver forget it."""
        for state in await self.runtime.list_pod_sandboxes(Uid(pod.metadata.uid)):
            await self.runtime.remove_pod_sandbox(state.id)
        self.pods.remove(pod)
        await self.api.client.pods.delete(pod.metadata.name, grace_period_seconds=0)

    def exec(self, *argv: str, uid: str = "") -> AsyncGenerator[pod_stream_pb2.PodExecResponse, None]:
        start = pod_stream_pb2.PodExecStart(namespace="default", name="web", uid=uid)
        start.options.MergeFrom(pod_pb2.PodExecOptions(command=argv, stdin=True, stdout=True))
        return self.client.pods.exec(start, silent())

    async def nothing_left(self) -> None:
        """Wait until all processes have ended, and there are no more tasks than before."""
        async with asyncio.timeout(60):
            while self.runtime.open or len(asyncio.all_tasks()) > self.tasks:
                await another_ended()
        for command in self.runtime.commands:
            assert command.process.returncode is not None
            assert command.process.stdin is not None
            assert command.process.stdin.is_closing()


async def another_ended() -> None:
    """Return when any other task has ended."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.wait(others, return_when=asyncio.FIRST_COMPLETED)


async def silent() -> AsyncIterator[Any]:
    await asyncio.Event().wait()
    yield None


@pytest.fixture
async def plane() -> AsyncIterator[Plane]:
    async with made_plane() as made:
        yield made


@asynccontextmanager
async def made_plane(api_clock: SystemClock | None = None) -> AsyncIterator[Plane]:
    clock, pods = SystemClock(), list[pod_pb2.Pod]()
    runtime = ProcessRuntime(clock)
    service = KubeletService(lambda _: runtime, clock, pods=lambda: tuple(pods))
    async with (
        serve(bind_sessions(service.handlers(), clock), listen="127.0.0.1:0", clock=clock) as kubelet,
        proxy_to(kubelet.port) as to_kubelet,
    ):
        api = make_apiserver(
            connect_kubelet=lambda _: GrpcTransport(to_kubelet.target),
            # The time of day: sessions expire by it.
            clock=api_clock or clock,  # type: ignore[arg-type]
        )
        node = make_node()
        node.status.daemon_endpoints.kubelet_endpoint.port = 10250
        await api.client.nodes.create(node)
        async with (
            serve(api.app.handlers, listen="127.0.0.1:0", clock=clock) as apiserver,
            proxy_to(apiserver.port) as to_apiserver,
        ):
            client = Clientset(GrpcTransport(to_apiserver.target))
            plane = Plane(api, runtime, client, to_apiserver, to_kubelet, pods)
            await plane.start_pod()
            # Connections stay open: one to the apiserver, one to the kubelet.
            plane.tasks = len(asyncio.all_tasks()) + 2 * TASKS_OF_A_CONNECTION
            assert [item async for item in plane.exec("true")][-1].exit_code == 0
            await plane.nothing_left()
            yield plane
            await client.close()
        await api.app.kubelets.close()


async def test_a_command_that_ends_leaves_nothing(plane: Plane) -> None:
    answers = [item async for item in plane.exec("sh", "-c", "echo hola; exit 3")]
    assert [(item.stdout, item.exit_code) for item in answers] == [(b"hola\n", 0), (b"", 3)]
    await plane.nothing_left()


async def ends_the_call(plane: Plane, answers: AsyncGenerator[Any, None]) -> None:
    await answers.aclose()


async def read_to_the_end(answers: AsyncGenerator[Any, None]) -> None:
    """Read what was on its way, and the end."""
    async for _ in answers:
        pass


async def loses_its_connection(plane: Plane, answers: AsyncGenerator[Any, None]) -> None:
    plane.to_apiserver.break_connections()
    with pytest.raises(Unavailable):
        await read_to_the_end(answers)


async def loses_the_kubelet(plane: Plane, answers: AsyncGenerator[Any, None]) -> None:
    plane.to_kubelet.break_connections()
    with pytest.raises(Unavailable):
        await read_to_the_end(answers)


END = [ends_the_call, loses_its_connection, loses_the_kubelet]


@pytest.mark.parametrize("end", END)
@pytest.mark.parametrize(
    "argv", [("sh", "-c", "echo on; sleep 480"), ("yes",), ("sh", "-c", "echo on; cat")], ids=str
)
async def test_a_command_that_is_cut_off_leaves_nothing(
    plane: Plane, argv: tuple[str, ...], end: Any
) -> None:
    answers = plane.exec(*argv)
    assert (await anext(answers)).stdout
    assert len(plane.runtime.open) == 1
    await end(plane, answers)
    await plane.nothing_left()


@pytest.mark.parametrize("end", END)
async def test_who_was_attached_leaves_nothing(plane: Plane, end: Any) -> None:
    start = pod_stream_pb2.PodAttachStart(namespace="default", name="web")
    start.options.stdin = start.options.stdout = True
    answers = plane.client.pods.attach(start, silent())
    await anext(answers)
    assert len(plane.runtime.open) == 1
    await end(plane, answers)
    await plane.nothing_left()


@pytest.mark.parametrize("end", END)
async def test_a_connection_that_is_forwarded_ends_with_its_caller(plane: Plane, end: Any) -> None:
    connected, closed = asyncio.Event(), asyncio.Event()

    async def port(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set()
        with suppress(ConnectionError):
            await reader.read()
        closed.set()
        writer.close()

    async with await asyncio.start_server(port, "127.0.0.1", 0) as server:
        start = pod_stream_pb2.PodPortForwardStart(name="web", port=server.sockets[0].getsockname()[1])
        answers = plane.client.pods.port_forward(start, silent())
        assert await anext(answers) == b""
        await connected.wait()
        await end(plane, answers)
        async with asyncio.timeout(60):
            await closed.wait()
    await plane.nothing_left()


@pytest.mark.parametrize("end", END)
async def test_a_log_that_is_followed_ends_with_its_reader(plane: Plane, end: Any) -> None:
    answers = plane.client.pods.log_stream("default", "web", pod_pb2.PodLogOptions(follow=True))
    await anext(answers)
    await end(plane, answers)
    await plane.nothing_left()


async def test_a_client_that_is_killed_leaves_nothing(plane: Plane) -> None:
    program = (
        "import asyncio, sys; from vaina.client.clientset import Clientset;"
        "from vaina.client.transport import GrpcTransport; from vaina.api.core.v1 import pod_stream_pb2 as p\n"
        "async def silent():\n    await asyncio.Event().wait()\n    yield None\n"
        "async def main():\n"
        "    start = p.PodExecStart(namespace='default', name='web')\n"
        "    start.options.command.extend(['sh', '-c', 'echo on; sleep 481'])\n"
        "    start.options.stdin = start.options.stdout = True\n"
        "    client = Clientset(GrpcTransport(sys.argv[1]))\n"
        "    async for answer in client.pods.exec(start, silent()): print(answer.stdout.decode(), flush=True)\n"
        "asyncio.run(main())\n"
    )
    client = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, plane.to_apiserver.target, stdout=asyncio.subprocess.PIPE
    )
    assert client.stdout is not None
    assert await client.stdout.readline() == b"on\n"
    assert len(plane.runtime.open) == 1
    client.kill()
    await client.wait()
    await plane.nothing_left()


async def test_a_session_stays_with_the_pod_it_was_for(plane: Plane) -> None:
    [old] = plane.pods
    answers = plane.exec("sh", "-c", "echo on; cat")
    await anext(answers)
    await plane.end_pod(old)
    new = await plane.start_pod()
    assert new.metadata.uid != old.metadata.uid
    # What is asked now is asked of the new one, and nobody reaches the old one any more.
    assert (await anext(plane.exec("echo", "new"))).stdout == b"new\n"
    with pytest.raises(Conflict):
        await anext(plane.exec("echo", "old", uid=old.metadata.uid))
    await answers.aclose()
    await plane.nothing_left()


async def test_a_kubelet_whose_pod_is_another_by_now_refuses(plane: Plane) -> None:
    [old] = plane.pods
    # The apiserver has not heard yet of the Pod that the kubelet runs under the name.
    new = pod_pb2.Pod()
    new.CopyFrom(old)
    new.metadata.uid = "of-the-new-one"
    plane.pods[:] = [new]
    calls: list[Callable[[], AsyncGenerator[Any, None]]] = [
        lambda: plane.exec("true"),
        lambda: plane.client.pods.log_stream("default", "web", pod_pb2.PodLogOptions()),
        lambda: plane.client.pods.port_forward(
            pod_stream_pb2.PodPortForwardStart(name="web", port=1), silent()
        ),
    ]
    for call in calls:
        with pytest.raises(NotFound, match='pods "web" not found'):
            await anext(call())
    await plane.nothing_left()


class LateClock(SystemClock):
    """That of an apiserver which authorized its calls a while ago."""

    late_seconds = 0.0

    def now(self) -> float:
        return super().now() - self.late_seconds


async def test_a_session_that_waits_on_its_way_for_more_than_a_minute_does_not_begin() -> None:
    clock = LateClock()
    async with made_plane(clock) as plane:
        clock.late_seconds = 61
        with pytest.raises(Forbidden, match="the session expired at"):
            await anext(plane.exec("true"))
        assert len(plane.runtime.commands) == 1
