"""Calls over HTTP to a server in the process: what becomes of answers that are slow, refused or do not come."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from tests.support.ports import closed_port
from tests.unit.vaina.client.rest.wire import create, frame, pod, status, wrap
from vaina.api.meta.v1 import raw_pb2, request_pb2
from vaina.client.rest.kubeconfig import Connection
from vaina.client.rest.transport import RestTransport
from vaina.errors import AlreadyExists, Expired, Forbidden, Timeout, Unavailable
from vaina.kinds import POD

PROTOBUF = "application/vnd.kubernetes.protobuf"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
GET = request_pb2.GetRequest(namespace="ns", name="a").SerializeToString()
WATCH = request_pb2.WatchRequest(namespace="ns").SerializeToString()


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    """Have a server that answers everything so; its URL."""
    runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0]
    yield f"http://{host}:{port}"
    await runner.cleanup()


@asynccontextmanager
async def speaking(url: str) -> AsyncIterator[RestTransport]:
    transport = RestTransport(Connection(url))
    yield transport
    await transport.close()


@asynccontextmanager
async def talking_to(handler: Handler) -> AsyncIterator[RestTransport]:
    async with serving(handler) as url, speaking(url) as transport:
        yield transport


def answer(body: bytes, code: int = 200) -> web.Response:
    return web.Response(status=code, body=body, content_type=PROTOBUF)


async def test_a_call_says_who_asks_and_for_what() -> None:
    asked = []

    async def handler(request: web.Request) -> web.StreamResponse:
        asked.append((request.method, request.path, request.headers["Accept"]))
        return answer(wrap(POD, pod().SerializeToString()))

    async with talking_to(handler) as transport:
        assert await transport.unary(POD.method("Get"), GET) == pod().SerializeToString()
    assert asked == [("GET", "/api/v1/namespaces/ns/pods/a", f"{PROTOBUF}, application/json;q=0.9")]


async def test_an_answer_that_does_not_come_in_time_is_a_timeout() -> None:
    never = asyncio.Event()

    async def handler(_: web.Request) -> web.StreamResponse:
        await never.wait()
        return answer(b"")

    async with talking_to(handler) as transport:
        with pytest.raises(Timeout, match="GET /api/v1/namespaces/ns/pods/a: no answer within"):
            await transport.unary(POD.method("Get"), GET, timeout=0.05)
        with pytest.raises(Timeout, match="Deadline Exceeded"):
            await anext(transport.stream(POD.method("Watch"), WATCH, timeout=0.05))
        never.set()


async def test_a_connection_that_is_refused_is_unavailable() -> None:
    with closed_port() as port:
        async with speaking(f"http://127.0.0.1:{port}") as transport:
            with pytest.raises(Unavailable):
                await transport.unary(POD.method("Get"), GET)
            with pytest.raises(Unavailable):
                await anext(transport.stream(POD.method("Watch"), WATCH))


async def test_of_a_batch_one_may_be_refused() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if b"taken" in body:
            return answer(status("AlreadyExists", 409, "there is one"), 409)
        return answer(body)

    batch = raw_pb2.RawCreateBatchRequest(requests=[create(pod(name)) for name in ("a", "taken", "b")])
    async with talking_to(handler) as transport:
        told = await transport.unary(POD.method("CreateBatch"), batch.SerializeToString())
        with pytest.raises(AlreadyExists, match="there is one"):
            await transport.unary(POD.method("Create"), create(pod("taken")).SerializeToString())
    first, second, third = raw_pb2.RawBatchResponse.FromString(told).results
    assert [one.object for one in (first, third)] == [pod(name).SerializeToString() for name in "ab"]
    assert (second.object, second.error.reason) == (b"", "AlreadyExists")


async def test_a_watch_that_is_refused_says_why() -> None:
    async def handler(_: web.Request) -> web.StreamResponse:
        return answer(status("Forbidden", 403, "not yours"), 403)

    async with talking_to(handler) as transport:
        with pytest.raises(Forbidden, match="not yours"):
            await anext(transport.stream(POD.method("Watch"), WATCH))


async def test_a_watch_that_ends_with_an_error_tells_what_came_before_it() -> None:
    go_on = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse()
        await stream.prepare(request)
        await stream.write(frame("ADDED", wrap(POD, pod("a", "7").SerializeToString())))
        await go_on.wait()
        await stream.write(frame("ERROR", status("Expired", 410)))
        return stream

    async with talking_to(handler) as transport:
        watch = transport.stream(POD.method("Watch"), WATCH)
        message = raw_pb2.RawWatchResponse.FromString(await anext(watch))
        assert ([one.type for one in message.events], message.resource_version) == (["ADDED"], "7")
        go_on.set()
        with pytest.raises(Expired):
            await anext(watch)


async def test_a_watch_whose_connection_breaks_is_unavailable() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse()
        await stream.prepare(request)
        assert request.transport is not None
        request.transport.abort()
        return stream

    async with talking_to(handler) as transport:
        with pytest.raises(Unavailable):
            await anext(transport.stream(POD.method("Watch"), WATCH))
