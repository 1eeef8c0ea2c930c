"""The WebSocket: what browsers say, what they get, and what follows from an end."""

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from dashboard import hub as hubs
from dashboard.live import Live
from dashboard.view import Topic, WholeTopic
from tests.support.apiserver import make_apiserver
from tests.support.page import Browser, page
from vaina.client.clientset import Clientset
from vaina.client.transport import InProcessTransport
from vaina.clock import SystemClock
from vaina.errors import NotFound, TooLarge
from vaina.testing.clock import settle


@pytest.fixture
async def browser():
    async with page(make_apiserver().client) as made:
        await made.login()
        yield made


async def test_the_state_of_the_apiserver_comes_by_itself(browser: Browser) -> None:
    async with browser.live("status") as socket:
        status = await socket.until("status", "snapshot")
        assert status["apiserver"] == "answers"
        assert status["version"].startswith("v1.")


async def test_an_apiserver_that_is_away_is_told() -> None:
    async with page(Clientset(InProcessTransport({}))) as browser:
        await browser.login()
        async with browser.live("status") as socket:
            assert (await socket.until("status", "snapshot"))["apiserver"] == "away"


async def test_a_topic_that_is_not_there_is_told_and_the_connection_stays(browser: Browser) -> None:
    async with browser.live("nothing/<script>", "status") as socket:
        error = await socket.until("nothing/<script>", "error")
        assert (error["code"], error["reason"]) == (404, "NotFound")
        await socket.until("status", "snapshot")


@pytest.mark.parametrize(
    "words",
    ["no json", "[]", '{"subscribe": 1}', '{"write": "status"}', '{"subscribe": "' + "x" * 5000 + '"}'],
)
async def test_anything_else_closes_the_connection(browser: Browser, words: str) -> None:
    async with browser.live() as socket:
        await socket.socket.send_str(words)
        async with asyncio.timeout(60):
            message = await socket.socket.receive()
        assert message.type is aiohttp.WSMsgType.CLOSE


class Counter(Topic):
    """A topic under a test's hand, which knows whether it runs."""

    def __init__(self) -> None:
        self.running = asyncio.Event()
        self.ended = asyncio.Event()

    def snapshot(self) -> Any:
        return "all"

    def changes(self) -> Any:
        return None

    async def run(self, changed: Callable[[], None]) -> None:
        changed()
        self.running.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.ended.set()


class Failing(WholeTopic):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    async def run(self, changed: Callable[[], None]) -> None:
        raise self._error


class Unsayable(Counter):
    """One that has nothing to show."""

    def snapshot(self) -> Any:
        raise ValueError("secret")


async def live_with(make: Callable[[str], Topic], use: Callable[[Any], Any]) -> None:
    """Serve a WebSocket over one topic, and use a browser's end of it."""
    async with Live({"it": make}, SystemClock()) as live:
        app = aiohttp.web.Application()

        async def serve(request: aiohttp.web.Request) -> aiohttp.web.StreamResponse:
            return await live.serve(request, 3600.0)

        app.router.add_get("/live", serve)
        runner = aiohttp.web.AppRunner(app)
        await runner.setup()
        site = aiohttp.web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            async with aiohttp.ClientSession() as session, asyncio.timeout(60):
                await use(lambda: session.ws_connect(f"{site.name}/live"))
        finally:
            await live.close()
            await runner.cleanup()


async def test_a_topic_runs_as_long_as_somebody_listens_and_only_once() -> None:
    made: list[Counter] = []

    def make(_name: str) -> Counter:
        made.append(Counter())
        return made[-1]

    async def use(connect: Any) -> None:
        async with connect() as first:
            await first.send_json({"subscribe": "it?a=b"})
            assert await first.receive_json() == {"topic": "it?a=b", "snapshot": "all"}
            async with connect() as second:
                await second.send_json({"subscribe": "it?a=b"})
                assert (await second.receive_json())["snapshot"] == "all"
                await first.send_json({"unsubscribe": "it?a=b"})
            await made[0].ended.wait()
            await first.send_json({"subscribe": "it?a=b"})
            await first.receive_json()
        await made[1].ended.wait()
        assert len(made) == 2

    await live_with(make, use)


@pytest.mark.parametrize(
    ("error", "code"), [(NotFound("gone"), 404), (ValueError("secret"), 500)], ids=["api", "bug"]
)
async def test_a_topic_that_fails_is_told_and_can_be_asked_for_again(error: Exception, code: int) -> None:
    async def use(connect: Any) -> None:
        async with connect() as socket:
            for _ in range(2):
                await socket.send_json({"subscribe": "it"})
                frame = await socket.receive_json()
                assert frame["error"]["code"] == code
                assert "secret" not in frame["error"]["message"]

    await live_with(lambda _: Failing(error), use)


async def test_a_topic_that_cannot_be_shown_is_told_and_the_others_go_on() -> None:
    async def use(connect: Any) -> None:
        async with connect() as socket:
            await socket.send_json({"subscribe": "it/wrong"})
            assert (await socket.receive_json())["error"]["code"] == 500
            await socket.send_json({"subscribe": "it/right"})
            assert await socket.receive_json() == {"topic": "it/right", "snapshot": "all"}

    await live_with(lambda name: Unsayable() if name == "it/wrong" else Counter(), use)


async def test_a_topic_that_has_become_too_large_is_told_and_followed_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hubs, "MAX_FRAME_BYTES", 10)
    made: list[Counter] = []

    def make(_name: str) -> Counter:
        made.append(Counter())
        return made[-1]

    async def use(connect: Any) -> None:
        async with connect() as socket:
            await socket.send_json({"subscribe": "it"})
            assert (await socket.receive_json())["error"]["code"] == TooLarge.code
            await made[0].ended.wait()

    await live_with(make, use)


class Large(Counter):
    """More than the buffers of two ends of a connection take."""

    def snapshot(self) -> Any:
        return "x" * 16 * 1024 * 1024


async def test_the_end_does_not_wait_for_a_browser_that_reads_nothing() -> None:
    async with Live({"it": lambda _: Large()}, SystemClock()) as live:
        app = aiohttp.web.Application()

        async def serve(request: aiohttp.web.Request) -> aiohttp.web.StreamResponse:
            return await live.serve(request, 3600.0)

        app.router.add_get("/live", serve)
        runner = aiohttp.web.AppRunner(app)
        await runner.setup()
        site = aiohttp.web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        async with aiohttp.ClientSession(read_bufsize=1024) as session, asyncio.timeout(60):
            socket = await session.ws_connect(f"{site.name}/live", max_msg_size=0, autoclose=False)
            await socket.send_json({"subscribe": "it"})
            transport = socket._response.connection.transport
            transport.pause_reading()
            [listener] = live.hub.listeners
            while not listener.topics.get("it") or listener.queue:
                await settle(10)
            # That the page waits no longer than it wants to, and not that aiohttp gives up.
            [served] = live._sockets
            served._timeout = 3600.0
            await live.close()
        await runner.cleanup()
        assert live.hub.listeners == set()


async def test_a_session_that_ends_closes_the_connection() -> None:
    async with Live({}, SystemClock()) as live:
        app = aiohttp.web.Application()

        async def serve(request: aiohttp.web.Request) -> aiohttp.web.StreamResponse:
            return await live.serve(request, 0.01)

        app.router.add_get("/live", serve)
        runner = aiohttp.web.AppRunner(app)
        await runner.setup()
        site = aiohttp.web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        async with aiohttp.ClientSession() as session, asyncio.timeout(60):
            socket = await session.ws_connect(f"{site.name}/live")
            assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
        await runner.cleanup()
        assert live.hub.listeners == set()
