"""The wrapper around each method: the server's own deadline."""

import asyncio
import gzip
from collections.abc import AsyncIterator

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from prometheus_client import CollectorRegistry

from tests.support import http2
from tests.unit.vaina.serving.conftest import Serve
from vaina.api.core.v1 import pod_service_pb2
from vaina.client.transport import GrpcTransport
from vaina.clock import SystemClock
from vaina.kinds import POD
from vaina.serving.handlers import STREAM, UNARY, Method, RequestContext
from vaina.serving.unsent import Unsent
from vaina.testing.clock import settle

assert pod_service_pb2.DESCRIPTOR  # reflection needs the descriptors


async def test_a_call_without_a_deadline_ends_with_the_servers_own_and_is_counted_as_such(serve: Serve):
    async def hang(request: bytes, ctx: RequestContext) -> bytes:
        await asyncio.Event().wait()
        return request

    registry = CollectorRegistry()
    async with serve(
        {POD.method("Get"): Method(UNARY, hang)}, listen="127.0.0.1:0", clock=SystemClock(), registry=registry,
        default_deadline_seconds=0.02,
    ) as server, grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:  # fmt: skip
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary(POD.method("Get"))(b"")
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    labels = {"grpc_type": "unary", "grpc_service": POD.service, "grpc_method": "Get"}
    handled = {
        code: registry.get_sample_value("grpc_server_handled_total", {**labels, "grpc_code": code})
        for code in ("OK", "DEADLINE_EXCEEDED")
    }
    assert handled == {"OK": None, "DEADLINE_EXCEEDED": 1}


async def echo(request: bytes, ctx: RequestContext) -> bytes:
    return request


@pytest.mark.parametrize(
    "path", ["/vaina.api.core.v1.Pod\x88Service/Get", "\xff", "/", "no-slash", "/a/b/c", "/\xc3"]
)
async def test_a_path_that_is_no_text_is_not_served_and_ends_nothing(path: str, serve: Serve) -> None:
    """One such byte ended grpc.aio's server: it was decoded in the loop that accepts calls."""

    def ask(port: int) -> list[http2.Frame]:
        with http2.Connection(port) as connection:
            block = http2.request_headers("").replace(
                http2.field(":path", ""), http2.field(":path", path.encode("latin-1"))
            )
            connection.send(http2.frame(http2.HEADERS, http2.END_HEADERS | http2.END_STREAM, 1, block))
            connection.send(http2.call(3, POD.method("Get"), b"still there"))
            found = []
            for item in connection.frames():
                found.append(item)
                if item.kind == http2.DATA:
                    break
            return found

    async with serve(
        {POD.method("Get"): Method(UNARY, echo)}, listen="127.0.0.1:0", clock=SystemClock()
    ) as server:
        frames = await asyncio.to_thread(ask, server.port)
        assert frames[-1].payload.endswith(b"still there")
        refused = b"".join(item.payload for item in frames if item.stream == 1)
        assert b"grpc-status\x0212" in refused or not refused
        # ... and whoever comes anew is served.
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            assert await channel.unary_unary(POD.method("Get"))(b"anew") == b"anew"


async def test_a_request_that_never_ends_is_ended(serve: Serve) -> None:
    def ask(port: int) -> bytes:
        with http2.Connection(port) as connection:
            block = http2.request_headers(POD.method("Get"))
            connection.send(http2.frame(http2.HEADERS, http2.END_HEADERS, 1, block))
            connection.send(http2.frame(http2.DATA, 0, 1, b"\0\0"))
            found = connection.until(http2.HEADERS, stream=1)
            return b"" if found is None else found.payload

    async with serve(
        {POD.method("Get"): Method(UNARY, echo)}, listen="127.0.0.1:0", clock=SystemClock(),
        default_deadline_seconds=0.05,
    ) as server:  # fmt: skip
        assert b"grpc-status\x014" in await asyncio.to_thread(ask, server.port)


async def test_a_call_without_a_request_is_told_so(serve: Serve) -> None:
    def ask(port: int) -> bytes:
        with http2.Connection(port) as connection:
            block = http2.request_headers(POD.method("Get"))
            connection.send(http2.frame(http2.HEADERS, http2.END_HEADERS | http2.END_STREAM, 1, block))
            found = connection.until(http2.HEADERS, stream=1)
            return b"" if found is None else found.payload

    async with serve(
        {POD.method("Get"): Method(UNARY, echo)}, listen="127.0.0.1:0", clock=SystemClock()
    ) as server:
        assert b"takes one request, and there is none" in await asyncio.to_thread(ask, server.port)


async def test_more_metadata_than_the_limit_is_refused_before_the_client_knows_the_limit(
    serve: Serve,
) -> None:
    def ask(port: int) -> bytes:
        with http2.Connection(port) as connection:
            block = http2.request_headers(POD.method("Get"), x_large="y" * 17_000)
            connection.send(http2.frame(http2.HEADERS, 0, 1, block[:16384]))
            connection.send(http2.frame(http2.CONTINUATION, http2.END_HEADERS, 1, block[16384:]))
            connection.send(http2.frame(http2.DATA, http2.END_STREAM, 1, http2.message(b"")))
            found = connection.until(http2.HEADERS, stream=1)
            return b"" if found is None else found.payload

    async with serve(
        {POD.method("Get"): Method(UNARY, echo)}, listen="127.0.0.1:0", clock=SystemClock()
    ) as server:
        assert b"Request metadata too large: limit is 16384" in await asyncio.to_thread(ask, server.port)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_a_compressed_request_is_refused_by_its_header_and_the_connection_goes_on(
    encoding: str, serve: Serve
) -> None:
    """Nobody has to decompress what could be a bomb; the core must not stand still for the next call either."""

    def ask(port: int) -> tuple[bytes, bytes]:
        with http2.Connection(port) as connection:
            block = http2.request_headers(POD.method("Get"), grpc_encoding=encoding)
            connection.send(http2.frame(http2.HEADERS, http2.END_HEADERS, 1, block))
            refused = connection.until(http2.HEADERS, stream=1)
            body = http2.message(gzip.compress(bytes(1000)), compressed=True)
            connection.send(http2.frame(http2.DATA, http2.END_STREAM, 1, body))
            connection.send(http2.call(3, POD.method("Get"), b"plain"))
            answered = connection.until(http2.DATA, stream=3)
            return (
                b"" if refused is None else refused.payload,
                b"" if answered is None else answered.payload,
            )

    async with serve(
        {POD.method("Get"): Method(UNARY, echo)}, listen="127.0.0.1:0", clock=SystemClock()
    ) as server:
        refused, answered = await asyncio.to_thread(ask, server.port)
    assert b"grpc-status\x0212" in refused
    assert f"Compression algorithm '{encoding}' is disabled.".encode() in refused
    assert answered.endswith(b"plain")


async def test_more_than_a_hundred_calls_of_one_client_are_under_way_at_once(serve: Serve) -> None:
    """A connection takes a hundred; the library opens further ones."""
    entered, go = 0, asyncio.Event()

    async def wait(request: bytes, ctx: RequestContext) -> bytes:
        nonlocal entered
        entered += 1
        if entered == 250:
            go.set()
        await go.wait()
        return request

    async with serve(
        {POD.method("Get"): Method(UNARY, wait)}, listen="127.0.0.1:0", clock=SystemClock()
    ) as server:
        transport = GrpcTransport(f"127.0.0.1:{server.port}")
        answers = await asyncio.gather(
            *[transport.unary(POD.method("Get"), b"x", timeout=60) for _ in range(250)]
        )
        assert answers == [b"x"] * 250
        await transport.close()


async def test_reflection_is_served_beside_our_own_streams(serve: Serve) -> None:
    """It is a stream of requests and of answers too, with serializers, and does not write by a context."""
    async with (
        serve({POD.method("Get"): Method(UNARY, echo)}, listen="127.0.0.1:0", clock=SystemClock()) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        answers = [answer async for answer in stub.ServerReflectionInfo(iter([request]))]
    names = [service.name for answer in answers for service in answer.list_services_response.service]
    assert POD.service in names


async def test_an_answer_that_nobody_reads_counts_until_its_client_goes(serve: Serve) -> None:
    """It is there for so long: gRPC keeps its bytes, whatever becomes of the task that made it."""
    size, counts = 4_000_000, list[Unsent]()

    async def answer(request: bytes, ctx: RequestContext) -> bytes:
        assert ctx.unsent is not None
        counts.append(ctx.unsent)
        return bytes(size)

    async def watch(request: bytes, ctx: RequestContext) -> AsyncIterator[bytes]:
        yield await answer(request, ctx)

    async def until(count: int) -> None:
        while not counts or counts[0].bytes != count:
            await settle()

    handlers = {POD.method("Get"): Method(UNARY, answer), POD.method("Watch"): Method(STREAM, watch)}
    async with serve(handlers, listen="127.0.0.1:0", clock=SystemClock()) as server:
        connection = await asyncio.to_thread(http2.Connection, server.port)
        with connection:
            for stream, path in enumerate(handlers):
                await asyncio.to_thread(connection.send, http2.call(2 * stream + 1, path, b""))
            await until(2 * size)
        await until(0)
