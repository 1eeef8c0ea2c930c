"""How the REST server ends: no request is lost, watches end in good order, clients are told to go elsewhere."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from apiserver.authorization.authorizer import AlwaysAllow
from apiserver.rest.server import RestOptions, RestServing, serve_rest
from tests.support.apiserver import Harness, cached_apiserver, make_apiserver
from vaina.clock import Clock, SystemClock
from vaina.kinds import CONFIG_MAP
from vaina.serving.draining import Drain
from vaina.serving.handlers import UNARY, Method, RequestContext
from vaina.testing.clock import FakeClock

MAPS = "/api/v1/namespaces/default/configmaps"


class Running:
    """A server that ends when it is told to."""

    def __init__(
        self,
        api: Harness,
        handlers: Mapping[str, Method] | None = None,
        clock: Clock | None = None,
        **drain: float,
    ) -> None:
        self.handlers = handlers or api.app.handlers
        plan = Drain(**{"calls_seconds": 60.0, **drain})
        self.options = RestOptions("127.0.0.1:0", clock or SystemClock(), AlwaysAllow(), drain=plan)
        self._stop, self._ready = asyncio.Event(), asyncio.Event()
        self.serving: RestServing
        self._task: asyncio.Task[None]

    async def _serve(self) -> None:
        async with serve_rest(self.handlers, self.options) as self.serving:
            self._ready.set()
            await self._stop.wait()

    def end(self) -> "asyncio.Task[None]":
        self._stop.set()
        return self._task

    async def __aenter__(self) -> "Running":
        self._task = asyncio.get_running_loop().create_task(self._serve())
        await self._ready.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        async with asyncio.timeout(60):
            await self.end()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.serving.port}"


@asynccontextmanager
async def slow(api: Harness) -> AsyncIterator[tuple[dict[str, Method], asyncio.Event, asyncio.Event]]:
    """Handlers of which one waits: yields them, what says that it was called, and what lets it go on."""
    path, called, may_go = CONFIG_MAP.method("Create"), asyncio.Event(), asyncio.Event()

    async def create(data: bytes, rpc: RequestContext) -> Any:
        called.set()
        await may_go.wait()
        return await api.app.handlers[path].fn(data, rpc)

    yield {**api.app.handlers, path: Method(UNARY, create)}, called, may_go


async def test_a_request_under_way_is_answered() -> None:
    api = make_apiserver()
    async with (
        slow(api) as (handlers, called, may_go),
        aiohttp.ClientSession() as session,
        Running(api, handlers) as running,
    ):
        body = json.dumps({"metadata": {"name": "a"}})
        asked = asyncio.get_running_loop().create_task(
            session.post(f"{running.url}{MAPS}", data=body, headers={"Content-Type": "application/json"})
        )
        await called.wait()
        ended = running.end()
        may_go.set()
        async with asyncio.timeout(60):
            answer = await asked
            assert answer.status == 201
            await ended


async def test_a_request_that_takes_too_long_is_cut_off() -> None:
    api = make_apiserver()
    async with (
        slow(api) as (handlers, called, _),
        aiohttp.ClientSession() as session,
        Running(api, handlers, calls_seconds=0.2) as running,
    ):
        asked = asyncio.get_running_loop().create_task(
            session.post(f"{running.url}{MAPS}", data="{}", headers={"Content-Type": "application/json"})
        )
        await called.wait()
        async with asyncio.timeout(60):
            await running.end()
            try:
                await asked
                raise AssertionError("it was answered")
            except aiohttp.ClientError:
                pass


async def test_watches_end_in_good_order() -> None:
    async with (
        cached_apiserver() as api,
        aiohttp.ClientSession() as session,
        Running(api, streams_seconds=0.1) as running,
    ):
        watches = [await session.get(f"{running.url}{MAPS}?watch=1&resourceVersion=0") for _ in range(5)]
        ended = running.end()
        async with asyncio.timeout(60):
            # A body that breaks off raises.
            assert [await watch.read() for watch in watches] == [b""] * 5
            await ended


async def test_connections_without_a_request_are_closed_at_once() -> None:
    async with Running(make_apiserver()) as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.serving.port)
        writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        async with asyncio.timeout(60):
            ended = running.end()
            assert await reader.read(-1) == b"ok"
            await ended
        writer.close()


async def test_clients_are_sent_away_before_the_end() -> None:
    clock = FakeClock()
    async with (
        aiohttp.ClientSession() as session,
        Running(make_apiserver(), clock=clock, delay_seconds=10.0, refuse_seconds=10.0) as running,
    ):

        async def ask() -> list[aiohttp.ClientResponse]:
            paths = ("/livez", "/readyz", f"{MAPS}/a")
            return [await session.get(f"{running.url}{path}") for path in paths]

        assert (await session.get(f"{running.url}/readyz")).status == 200
        running.end()
        # First it is not ready and serves; then it refuses, with nothing done, and says when to come back.
        await clock.advance(9)
        assert [answer.status for answer in await ask()] == [200, 500, 404]
        await clock.advance(9)
        lives, _, refused = await ask()
        assert (lives.status, refused.status) == (200, 503)
        assert (await refused.json())["message"] == "The server is shutting down, please try again later."
        assert (refused.headers["Retry-After"], refused.headers["Connection"]) == ("1", "close")
        await clock.advance(9)
