"""Attach: a caller joined to a container's own process."""

import random
from collections.abc import AsyncIterator
from ipaddress import IPv4Network

import pytest

from kubelet.runtime.hollow.program import Stages
from kubelet.runtime.hollow.runtime import HollowRuntime
from kubelet.runtime.records import ContainerConfig, SandboxConfig, Uid
from kubelet.server.service import SERVICE, KubeletService
from vaina.api.core.v1 import pod_stream_pb2
from vaina.client.transport import InProcessTransport
from vaina.errors import BadRequest
from vaina.testing.builders import make_container, make_pod
from vaina.testing.clock import FakeClock

Request = pod_stream_pb2.PodAttachRequest


async def kubelet(*command: str) -> InProcessTransport:
    """Make a kubelet with a Pod whose container runs a command; none: it does not run."""
    clock = FakeClock()
    runtime = HollowRuntime(clock, random.Random(1), stages=Stages(), cidr=IPv4Network("10.244.1.0/24"))
    pod = make_pod(containers=[make_container("app")])
    sandbox = SandboxConfig("web", "default", Uid(pod.metadata.uid), 0, "web")
    if command:
        state = await runtime.run_pod_sandbox(sandbox)
        config = ContainerConfig("app", 0, "sha256:x", "x", command=command, stdin=True)
        await runtime.start_container(await runtime.create_container(state.id, config, sandbox))
    service = KubeletService(lambda _: runtime, clock, pods=lambda: (pod,))
    return InProcessTransport(service.handlers(), clock=clock)


async def attach(
    transport: InProcessTransport, *requests: Request, stdout: bool = True
) -> list[pod_stream_pb2.PodAttachResponse]:
    async def sent() -> AsyncIterator[bytes]:
        start = pod_stream_pb2.PodAttachStart(namespace="default", name="web")
        start.options.stdin = start.options.stderr = True
        start.options.stdout = stdout
        for request in (Request(start=start), *requests):
            yield request.SerializeToString()

    stream = transport.bidi(f"/{SERVICE}/Attach", sent())
    return [pod_stream_pb2.PodAttachResponse.FromString(item) async for item in stream]


async def test_what_goes_in_comes_out_until_it_ends() -> None:
    transport = await kubelet("cat")
    answers = await attach(transport, Request(stdin=b"one"), Request(stdin=b"two"), Request(close_stdin=True))
    assert b"".join(answer.stdout for answer in answers) == b"onetwo"


async def test_what_is_not_asked_for_does_not_come() -> None:
    transport = await kubelet("cat")
    answers = await attach(transport, Request(stdin=b"one"), Request(close_stdin=True), stdout=False)
    # Only that it was joined, and that it has ended.
    assert answers == [pod_stream_pb2.PodAttachResponse(), pod_stream_pb2.PodAttachResponse(ended=True)]


async def test_large_output_comes_in_small_pieces() -> None:
    transport = await kubelet("cat")
    answers = await attach(transport, Request(stdin=bytes(100_000)), Request(close_stdin=True))
    assert sum(len(answer.stdout) for answer in answers) == 100_000
    assert max(answer.ByteSize() for answer in answers) <= 8 * 1024


async def test_what_does_not_run_is_not_joined() -> None:
    with pytest.raises(BadRequest, match=r"^container app not found in pod web_default$"):
        await attach(await kubelet())


async def test_the_first_message_says_where() -> None:
    transport = await kubelet("cat")

    async def sent() -> AsyncIterator[bytes]:
        yield Request(stdin=b"x").SerializeToString()

    with pytest.raises(BadRequest, match="the first message must be start"):
        await anext(transport.bidi(f"/{SERVICE}/Attach", sent()))
