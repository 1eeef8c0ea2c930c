"""The same spec's edges, over gRPC and in process: sizes, deadlines, cancellation, metadata, wrappers.

And what only gRPC could get wrong.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager

import pytest
from prometheus_client import CollectorRegistry

from bench.etcd import free_port
from tests.support.tasks import running
from vaina.api.core.v1 import pod_pb2, pod_service_pb2
from vaina.client.channels import MAX_ANSWER_BYTES
from vaina.client.clientset import Clientset
from vaina.client.metrics import MeteredTransport, RestClientMetrics
from vaina.client.transport import GrpcTransport, InProcessTransport, Transport
from vaina.clock import SystemClock
from vaina.errors import MethodNotSupported, Timeout, TooLarge, Unavailable
from vaina.kinds import POD
from vaina.leaderelection.service import LeaderTransport
from vaina.serving.handlers import BIDI, STREAM, UNARY, Method, RequestContext
from vaina.serving.server import serve

assert pod_service_pb2.DESCRIPTOR  # reflection needs the descriptors

pytestmark = pytest.mark.usefixtures("patient_channels")


class Handlers:
    def __init__(self) -> None:
        self.calls = 0
        self.started, self.ended = asyncio.Event(), asyncio.Event()
        self.contexts: list[RequestContext] = []

    async def get(self, data: bytes, ctx: RequestContext) -> bytes:
        """Answer with as many bytes as the request says; "wait" waits."""
        self.calls += 1
        self.contexts.append(ctx)
        self.started.set()
        try:
            if data == b"wait":
                await asyncio.Event().wait()
            return b"x" * int(data or 0)
        finally:
            self.ended.set()

    async def watch(self, data: bytes, ctx: RequestContext) -> AsyncIterator[bytes]:
        try:
            yield b"first"
            await asyncio.Event().wait()
        finally:
            self.ended.set()

    async def echo(self, requests: AsyncIterator[bytes], ctx: RequestContext) -> AsyncIterator[bytes]:
        try:
            async for item in requests:
                yield item
        finally:
            self.ended.set()

    def table(self) -> dict[str, Method]:
        return {
            POD.method("Get"): Method(UNARY, self.get),
            POD.method("Create"): Method(UNARY, self.get),
            POD.method("Watch"): Method(STREAM, self.watch),
            POD.method("Exec"): Method(BIDI, self.echo),
        }


@asynccontextmanager
async def over_grpc(handlers: Handlers) -> AsyncIterator[Transport]:
    async with serve(
        handlers.table(), listen="127.0.0.1:0", clock=SystemClock(), drain_seconds=0.5
    ) as server:
        transport = GrpcTransport(f"127.0.0.1:{server.port}")
        try:
            yield transport
        finally:
            await transport.close()


@asynccontextmanager
async def in_process(handlers: Handlers) -> AsyncIterator[Transport]:
    yield InProcessTransport(handlers.table())


@asynccontextmanager
async def wrapped(handlers: Handlers) -> AsyncIterator[Transport]:
    metered = MeteredTransport(
        InProcessTransport(handlers.table()), RestClientMetrics(CollectorRegistry()), SystemClock(), "host"
    )
    yield LeaderTransport(metered, lambda: True)


@pytest.fixture(params=[over_grpc, in_process, wrapped], ids=["grpc", "in-process", "wrapped"])
def opener(request):
    return request.param


async def test_an_answer_at_the_limit_arrives_and_one_beyond_is_refused(opener):
    async with opener(Handlers()) as transport:
        size = MAX_ANSWER_BYTES - 1
        assert len(await transport.unary(POD.method("Get"), str(size).encode())) == size
        with pytest.raises(TooLarge):
            await transport.unary(POD.method("Get"), str(MAX_ANSWER_BYTES + 1).encode())


async def test_a_client_has_as_many_streams_as_it_opens(opener):
    # A process of hundreds of hollow nodes has two watches for each: none may wait in silence.
    async with opener(Handlers()) as transport, asyncio.timeout(60), AsyncExitStack() as open_streams:
        for _ in range(1_100):
            answers = await open_streams.enter_async_context(
                aclosing(transport.stream(POD.method("Watch"), b""))
            )
            assert await anext(answers) == b"first"


async def test_the_deadline_of_a_stream_holds_and_ends_the_handler(opener):
    # Where the machine stands still for longer than that, the first does not come either: then with more time.
    for seconds in (0.2, 1.0, 5.0, 25.0):
        handlers, came = Handlers(), list[bytes]()
        async with opener(handlers) as transport:
            async with aclosing(transport.stream(POD.method("Watch"), b"", timeout=seconds)) as answers:
                with pytest.raises(Timeout):
                    await read_into(came, answers)
            if came:
                assert came == [b"first"]
                async with asyncio.timeout(60):
                    await handlers.ended.wait()
                return
    raise AssertionError("nothing came")


async def read_into(found: list[bytes], answers: AsyncIterator[bytes]) -> None:
    async for answer in answers:
        found.append(answer)  # noqa: PERF401 (what came before an error counts)


async def test_cancelling_a_caller_ends_the_handler(opener):
    handlers = Handlers()
    async with opener(handlers) as transport:
        async with running(transport.unary(POD.method("Get"), b"wait")), asyncio.timeout(60):
            await handlers.started.wait()
        async with asyncio.timeout(60):
            await handlers.ended.wait()
    assert handlers.calls == 1


async def test_metadata_arrives_binary_or_not(opener):
    handlers = Handlers()
    async with opener(handlers) as transport:
        await transport.unary(
            POD.method("Get"), b"1", metadata=(("x-name", "a"), ("x-data-bin", b"\x00\xff"))
        )
    (ctx,) = handlers.contexts
    assert (ctx.get("x-name"), ctx.get("x-data-bin"), ctx.get("x-other")) == ("a", b"\x00\xff", None)


@pytest.mark.parametrize("verb", ["Evict", "Watch2"])
async def test_a_stream_that_is_not_served_is_named(opener, verb: str):
    async with opener(Handlers()) as transport, aclosing(transport.stream(POD.method(verb), b"")) as answers:
        with pytest.raises(MethodNotSupported):
            await anext(answers)


async def test_many_calls_at_once_are_answered_each_with_its_own(opener):
    async with opener(Handlers()) as transport, asyncio.TaskGroup() as group:
        calls = [
            group.create_task(transport.unary(POD.method("Get"), str(size).encode())) for size in range(200)
        ]
    assert [len(call.result()) for call in calls] == [*range(200)]


async def test_closing_both_directions_ends_the_handler(opener):
    handlers = Handlers()

    async def requests() -> AsyncIterator[bytes]:
        yield b"a"
        await asyncio.Event().wait()

    async with opener(handlers) as transport:
        async with aclosing(transport.bidi(POD.method("Exec"), requests())) as answers:
            assert await anext(answers) == b"a"
        async with asyncio.timeout(60):
            await handlers.ended.wait()


async def test_a_create_whose_connection_breaks_is_carried_out_once_and_never_again():
    """gRPC must not repeat what may have happened: a generated name would be made twice."""
    handlers = Handlers()
    calls: list[Exception] = []
    # Nobody else is given it between the two servers.
    port = free_port()

    async def create(transport: Transport) -> None:
        template = pod_pb2.Pod()
        template.metadata.generate_name = "web-"
        try:
            await transport.unary(POD.method("Create"), b"wait")
        except Unavailable as error:
            calls.append(error)

    async with asyncio.TaskGroup() as group:
        async with serve(
            handlers.table(), listen=f"127.0.0.1:{port}", clock=SystemClock(), drain_seconds=0.0
        ):
            transport = GrpcTransport(f"127.0.0.1:{port}")
            group.create_task(create(transport))
            await handlers.started.wait()
        # The server that comes back under the same address must not see the call.
        async with serve(handlers.table(), listen=f"127.0.0.1:{port}", clock=SystemClock()):
            await transport.unary(POD.method("Get"), b"1", timeout=60)
            await transport.close()
    assert len(calls) == 1
    assert handlers.calls == 2


async def test_a_process_that_does_not_lead_reads_and_writes_nothing():
    handlers, leads = Handlers(), False
    transport = LeaderTransport(InProcessTransport(handlers.table()), lambda: leads)
    await transport.unary(POD.method("Get"), b"1")
    with pytest.raises(Unavailable, match="does not lead"):
        await Clientset(transport).pods.create(pod_pb2.Pod())
    async with aclosing(transport.stream(POD.method("Watch"), b"")) as answers:
        assert await anext(answers) == b"first"
    leads = True
    await transport.unary(POD.method("Create"), b"1")
    assert handlers.calls == 2
