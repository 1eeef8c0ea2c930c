"""Who is joined to a container a moment after its start, or its end, is told all that it wrote, once."""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from ipaddress import IPv4Network

import pytest

from kubelet.runtime.hollow.program import Stages
from kubelet.runtime.hollow.runtime import HollowRuntime
from kubelet.runtime.records import ContainerConfig, LogOptions, Output, OutputStream, SandboxConfig, Uid
from kubelet.server.from_start import Late, ended_log, from_start, missed
from kubelet.server.service import SERVICE, KubeletService
from vaina.api.core.v1 import pod_stream_pb2
from vaina.client.transport import InProcessTransport
from vaina.errors import BadRequest
from vaina.testing.builders import make_container, make_pod
from vaina.testing.clock import FakeClock, settle


@pytest.mark.parametrize(
    ("log", "heard", "before"),
    [
        pytest.param(b"one\ntwo\n", b"", b"one\ntwo\n", id="nothing is heard: all of the log was missed"),
        pytest.param(b"one\ntwo\n", b"one\ntwo\n", b"", id="all of it is heard"),
        pytest.param(b"one\ntwo\n", b"two\n", b"one\n", id="the end of it is heard"),
        pytest.param(b"one\ntwo\n", b"o\n", b"one\ntw", id="hearing begins within a line"),
        pytest.param(b"one\ntwo\n", b"two\nthree\n", b"one\n", id="what is heard goes on after the log"),
        pytest.param(b"one\n", b"two\n", b"one\n", id="what is heard comes after the log"),
        pytest.param(b"one\n", b"/ # ", b"one\n", id="a prompt stands in no log before its line ends"),
        pytest.param(b"", b"one\n", b"", id="the log has nothing yet"),
        pytest.param(b"y\ny\ny\n", b"y\ny\n", b"", id="what repeats itself counts as heard"),
    ],
)
def test_what_was_not_heard_of_a_log(log: bytes, heard: bytes, before: bytes) -> None:
    assert missed(log, heard) == before


@pytest.mark.parametrize(
    ("given", "late", "new"),
    [
        pytest.param(b"hi\n", [b"hi\n"], b"", id="all of it comes again"),
        pytest.param(
            b"one\ntwo\n", [b"t", b"wo\n", b"three\n"], b"three\n", id="its end comes again in pieces"
        ),
        pytest.param(b"one\ntwo\n", [b"two\nthree\n"], b"three\n", id="its end comes again with more"),
        pytest.param(
            b"one\n", [b"two\n", b"one\n"], b"two\none\n", id="what comes is new, and so is the rest"
        ),
        pytest.param(b"one\ntwo\n", [b"one\n", b"2\n"], b"2\n", id="only a part of it comes again"),
        pytest.param(b"", [b"one\n"], b"one\n", id="nothing was given"),
    ],
)
def test_what_comes_late_is_given_once(given: bytes, late: list[bytes], new: bytes) -> None:
    stream = Late(given)
    assert b"".join(stream.new_of(piece) for piece in late) == new


@dataclass
class Given:
    clock: FakeClock
    runtime: HollowRuntime
    transport: InProcessTransport

    async def attach(self, *, from_start: bool = True) -> bytes:
        """Return what comes until the container has ended."""

        async def sent() -> AsyncIterator[bytes]:
            start = pod_stream_pb2.PodAttachStart(namespace="default", name="web", from_start=from_start)
            start.options.stdout = True
            yield pod_stream_pb2.PodAttachRequest(start=start).SerializeToString()
            await asyncio.Event().wait()

        answers = self.transport.bidi(f"/{SERVICE}/Attach", sent())
        return b"".join([pod_stream_pb2.PodAttachResponse.FromString(item).stdout async for item in answers])

    async def attach_for(self, seconds: float) -> bytes:
        async with asyncio.TaskGroup() as group:
            joined = group.create_task(self.attach())
            for _ in range(int(seconds / 0.1)):
                await self.clock.advance(0.1)
            return await joined


async def kubelet(script: str) -> Given:
    """Make a kubelet with a Pod whose container has just started to run a script."""
    clock = FakeClock()
    runtime = HollowRuntime(clock, random.Random(1), stages=Stages(), cidr=IPv4Network("10.244.1.0/24"))
    pod = make_pod(containers=[make_container("app")])
    sandbox = SandboxConfig("web", "default", Uid(pod.metadata.uid), 0, "web")
    state = await runtime.run_pod_sandbox(sandbox)
    config = ContainerConfig("app", 0, "sha256:x", "x", command=("sh", "-c", script))
    await runtime.start_container(await runtime.create_container(state.id, config, sandbox))
    service = KubeletService(lambda _: runtime, clock, pods=lambda: (pod,))
    return Given(clock, runtime, InProcessTransport(service.handlers(), clock=clock))


async def test_what_a_container_wrote_before_it_was_joined_comes_first_and_once() -> None:
    given = await kubelet("echo one; sleep 1; echo two; sleep 1")
    assert await given.attach_for(4) == b"one\ntwo\n"


async def test_a_container_that_has_ended_tells_all_that_it_wrote() -> None:
    given = await kubelet("echo hi")
    await given.clock.advance(5)
    assert await given.attach() == b"hi\n"


async def test_who_did_not_ask_for_the_start_is_not_joined_to_what_has_ended() -> None:
    given = await kubelet("echo hi")
    await given.clock.advance(5)
    with pytest.raises(BadRequest, match="container app not found in pod web_default"):
        await given.attach(from_start=False)


@pytest.mark.parametrize(
    ("tty", "end"),
    [
        pytest.param(False, "\n", id="without a terminal"),
        pytest.param(True, "\r\n", id="with one, whose carriage returns stand in no log of containerd"),
    ],
)
async def test_what_a_busy_runtime_hands_on_after_the_log_was_read_is_given_once(tty: bool, end: str) -> None:
    given = await kubelet("echo hi; sleep 1; echo there; sleep 1")
    [container] = await given.runtime.list_containers()

    async def live() -> AsyncGenerator[Output, None]:
        await given.clock.sleep(0.5)
        yield Output(OutputStream.STDOUT, f"hi{end}".encode())
        await given.clock.sleep(1)
        yield Output(OutputStream.STDOUT, f"there{end}".encode())

    async def heard() -> bytes:
        outputs = from_start(
            given.runtime, container.id, given.clock, live(), since=given.clock.now(), tty=tty
        )
        return b"".join([output.data async for output in outputs])

    async with asyncio.TaskGroup() as group:
        joined = group.create_task(heard())
        for _ in range(30):
            await given.clock.advance(0.1)
        assert await joined == f"hi{end}there{end}".encode()


@pytest.mark.parametrize(
    ("logged", "shown"),
    [
        pytest.param([b"one\ntwo\n"], b"one\r\ntwo\r\n", id="containerd leaves carriage returns out"),
        pytest.param([b"one\r\ntwo\r\n"], b"one\r\ntwo\r\n", id="Docker has them"),
    ],
)
async def test_the_log_of_a_terminal_that_has_ended_goes_to_a_terminal(
    logged: list[bytes], shown: bytes
) -> None:
    outputs = ended_log(Logged(logged), "c", since=None, tty=True)
    assert b"".join([output.data async for output in outputs]) == shown


class Logged(HollowRuntime):
    """Has a log, and nothing else."""

    def __init__(self, chunks: list[bytes]) -> None:
        super().__init__(FakeClock(), random.Random(1), stages=Stages(), cidr=IPv4Network("10.244.1.0/24"))
        self._chunks = chunks

    async def container_logs(self, container_id: str, options: LogOptions) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            yield chunk


class Endless(HollowRuntime):
    """Has a log of one line that does not end."""

    read = 0

    async def container_logs(self, container_id: str, options: LogOptions) -> AsyncIterator[bytes]:
        yield b"1960-01-01T00:00:00.000000000Z "
        for _ in range(1000):
            self.read += 1
            yield b"x" * 16 * 1024


async def test_a_line_that_does_not_end_is_handed_on_while_it_is_read() -> None:
    clock = FakeClock()
    runtime = Endless(clock, random.Random(1), stages=Stages(), cidr=IPv4Network("10.244.1.0/24"))

    async def live() -> AsyncGenerator[Output, None]:
        await clock.sleep(10)
        yield Output(OutputStream.STDOUT, b"y")

    outputs = from_start(runtime, "c", clock, live(), since=clock.now(), tty=True)
    async with asyncio.TaskGroup() as group:
        first = group.create_task(anext(outputs))
        await settle()
        await clock.advance(1)
    assert first.result().data.strip(b"x") == b""
    assert runtime.read < 10
    await outputs.aclose()


async def test_who_does_not_read_can_leave_a_container_that_goes_on_writing() -> None:
    clock = FakeClock()
    left: list[bool] = []

    async def live() -> AsyncGenerator[Output, None]:
        try:
            while True:
                yield Output(OutputStream.STDOUT, b"y")
        finally:
            left.append(True)

    outputs = from_start(Logged([]), "c", clock, live(), since=clock.now(), tty=True)
    async with asyncio.TaskGroup() as group:
        group.create_task(anext(outputs))
        await settle()
        await clock.advance(1)
    async with asyncio.timeout(60):
        await outputs.aclose()
    assert left == [True]
