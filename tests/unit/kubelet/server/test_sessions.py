"""Streams of callers, joined to processes and to ports of Pods."""

import asyncio
import os
import random
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from ipaddress import IPv4Network
from typing import Any, cast

import pytest

from kubelet.runtime.hollow.program import Stages
from kubelet.runtime.hollow.runtime import HollowRuntime
from kubelet.runtime.interface import ExecSession
from kubelet.runtime.records import Output, OutputStream, SandboxConfig, Uid
from kubelet.server.service import SERVICE, KubeletService
from kubelet.server.sessions import DialFailed, dial, join_port, outputs
from tests.support.ports import closed_port
from tests.support.tasks import running
from vaina.api.core.v1 import pod_stream_pb2
from vaina.client.transport import InProcessTransport
from vaina.errors import BadRequest, InternalError, NotFound
from vaina.testing.builders import make_pod
from vaina.testing.clock import FakeClock, settle


class Session:
    """Of a process that writes and goes on."""

    async def output(self) -> AsyncIterator[Output]:
        yield Output(OutputStream.STDOUT, b"a")
        await asyncio.Event().wait()


class Caller:
    """Sends nothing, and knows whether anybody waits for it."""

    def __init__(self) -> None:
        self.is_awaited = False

    async def inputs(self) -> AsyncIterator[Any]:
        self.is_awaited = True
        try:
            await asyncio.Event().wait()
            yield None
        finally:
            self.is_awaited = False


async def of_process(caller: Caller) -> AsyncGenerator[Any, None]:
    return outputs(cast(ExecSession, Session()), caller.inputs())


async def of_port(caller: Caller) -> AsyncGenerator[Any, None]:
    served = asyncio.Event()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"a")
        writer.close()
        served.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    await served.wait()
    server.close()
    return join_port(reader, writer, caller.inputs())


@pytest.mark.parametrize(("made", "first"), [(of_process, 1), (of_port, 2)])
async def test_a_caller_that_is_being_written_to_goes_away(made: Any, first: int) -> None:
    caller, ended = Caller(), asyncio.Event()
    answers = await made(caller)

    async def serve() -> None:
        try:
            for _ in range(first):
                await anext(answers)
            # He takes no more, and then is gone.
            await asyncio.Event().wait()
        finally:
            await answers.aclose()
            # What is still to be cleaned up may take its time: nobody cancels it again.
            await settle()
            ended.set()

    async with running(serve()):
        await settle()
        while not caller.is_awaited:
            await settle()
    assert ended.is_set()
    assert not caller.is_awaited


OWN = "/proc/self/ns/net"
Request = pod_stream_pb2.PodPortForwardRequest
Response = pod_stream_pb2.PodPortForwardResponse
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class HostRuntime(HollowRuntime):
    """Its Pods have the network of the machine."""

    async def network_namespace(self, sandbox_id: str) -> str:
        assert sandbox_id in {state.id for state in await self.list_pod_sandboxes()}
        return OWN


def runtime_of(kind: type[HollowRuntime]) -> HollowRuntime:
    return kind(FakeClock(), random.Random(1), stages=Stages(), cidr=IPv4Network("10.244.1.0/24"))


async def kubelet(runtime: HollowRuntime, *, running: bool = True) -> InProcessTransport:
    pod = make_pod()
    uid = Uid(pod.metadata.uid)
    if running:
        await runtime.run_pod_sandbox(SandboxConfig("web", "default", uid, 0, "web"))
    service = KubeletService(lambda _: runtime, FakeClock(), pods=lambda: (pod,))
    return InProcessTransport(service.handlers(), clock=FakeClock())


@asynccontextmanager
async def listening(serve: Serve) -> AsyncIterator[int]:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield int(server.sockets[0].getsockname()[1])


def forward(
    transport: InProcessTransport, port: int, inputs: AsyncIterator[bytes]
) -> AsyncGenerator[bytes, None]:
    async def requests() -> AsyncIterator[bytes]:
        start = pod_stream_pb2.PodPortForwardStart(namespace="default", name="web", port=port)
        yield Request(start=start).SerializeToString()
        async for data in inputs:
            yield Request(data=data).SerializeToString()

    return transport.bidi(f"/{SERVICE}/PortForward", requests())


async def sent(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def endless() -> AsyncIterator[bytes]:
    await asyncio.Event().wait()
    yield b""


async def test_bytes_go_both_ways_and_each_side_ends_alone() -> None:
    async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Answers only when the other side has ended: half of the connection is still open then.
        writer.write((await reader.read()).upper())
        writer.close()

    transport = await kubelet(runtime_of(HostRuntime))
    async with listening(shout) as port:
        answers = [
            Response.FromString(item) async for item in forward(transport, port, sent(b"one ", b"two"))
        ]

    assert answers[0].connected
    assert b"".join(answer.data for answer in answers) == b"ONE TWO"


async def test_much_arrives_whole_in_small_pieces() -> None:
    data = random.Random(7).randbytes(1_000_000)

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        writer.close()

    transport = await kubelet(runtime_of(HostRuntime))
    async with listening(serve) as port:
        answers = [item async for item in forward(transport, port, endless())]

    assert b"".join(Response.FromString(item).data for item in answers) == data
    assert max(map(len, answers)) <= 8 * 1024


async def test_a_caller_that_reads_nothing_holds_the_pod_back() -> None:
    written = 0
    stopped = asyncio.Event()

    async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        connection = socket.socket(fileno=os.dup(writer.get_extra_info("socket").fileno()))
        full = 0
        while full < 100:
            try:
                written += connection.send(bytes(64 * 1024))
                full = 0
            except BlockingIOError:
                full += 1
            await asyncio.sleep(0)  # noqa: TID251 - the kubelet's turn: what it would take, it takes now
        connection.close()
        stopped.set()

    transport = await kubelet(runtime_of(HostRuntime))
    async with listening(flood) as port, aclosing(forward(transport, port, endless())) as answers:
        assert Response.FromString(await anext(answers)).connected
        await stopped.wait()

    # What the kernel's two sockets hold, and the kubelet's 64 KiB: not what the Pod has to say.
    assert written < 32 * 1024 * 1024


async def test_a_caller_that_leaves_ends_the_pods_side() -> None:
    ended = asyncio.Event()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
        ended.set()
        writer.close()

    transport = await kubelet(runtime_of(HostRuntime))
    async with listening(wait) as port:
        async with aclosing(forward(transport, port, endless())) as answers:
            await anext(answers)
        await ended.wait()


async def test_a_port_where_nothing_listens_is_told() -> None:
    transport = await kubelet(runtime_of(HostRuntime))
    with closed_port() as port, pytest.raises(InternalError, match=refused_words(port)):
        await anext(forward(transport, port, endless()))


def refused_words(port: int) -> str:
    return (
        rf'^error forwarding port {port} to pod web, uid \S*: failed to connect to localhost:{port} inside namespace "{OWN}", '
        rf"IPv4: dial tcp 127.0.0.1:{port}: connection refused, IPv6: dial tcp \[::1\]:{port}: "
    )


async def test_a_namespace_that_is_gone_is_told() -> None:
    with pytest.raises(DialFailed, match="no such file or directory"):
        await dial("/proc/0/ns/net", 80)


async def test_hollow_pods_have_no_ports() -> None:
    transport = await kubelet(runtime_of(HollowRuntime))
    with pytest.raises(
        InternalError, match="the Pods of a hollow node have no network: nothing runs in them"
    ):
        await anext(forward(transport, 80, endless()))


async def test_a_pod_without_a_sandbox_has_none_either() -> None:
    transport = await kubelet(runtime_of(HostRuntime), running=False)
    with pytest.raises(NotFound, match="failed to find sandbox of pod web: it is not running"):
        await anext(forward(transport, 80, endless()))


async def test_the_first_message_says_where() -> None:
    transport = await kubelet(runtime_of(HostRuntime))

    async def requests() -> AsyncIterator[bytes]:
        yield Request(data=b"x").SerializeToString()

    with pytest.raises(BadRequest, match="the first message must be start"):
        await anext(transport.bidi(f"/{SERVICE}/PortForward", requests()))
