"""Logs at the browser's end of the page: as text, as they come, and what is refused."""

import asyncio
import json

from dashboard.config import DashboardConfig
from tests.support.apiserver import cached_apiserver
from tests.support.node_streams import FakeNode
from tests.support.page import page
from vaina.client.clientset import Clientset
from vaina.client.transport import InProcessTransport
from vaina.errors import NotFound
from vaina.testing.clock import EPOCH, FakeClock

PATH = "/api/pods/default/web/log"


async def test_a_log_is_text_whatever_it_says() -> None:
    node = FakeNode()
    async with cached_apiserver() as server:
        clients = Clientset(InProcessTransport(node.over(server.app.handlers)))
        async with page(clients) as browser:
            await browser.login()
            async with browser.session.get(f"{browser.url}{PATH}?container=app&uid=u") as response:
                assert (response.status, await response.read()) == (200, b"app one\napp two \xff\n")
            assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            async with browser.session.get(f"{browser.url}{PATH}?container=app&previous=true") as response:
                await response.read()
    live, before = node.log_options
    assert (live.container, live.follow, live.previous) == ("app", True, False)
    assert (before.follow, before.previous) == (False, True)


async def test_a_log_that_cannot_be_had_is_an_error_with_the_nodes_words() -> None:
    node = FakeNode()
    node.log_refusal = NotFound("container gone is not known")
    async with cached_apiserver() as server:
        clients = Clientset(InProcessTransport(node.over(server.app.handlers)))
        async with page(clients) as browser:
            await browser.login()
            for _ in range(40):  # More than are followed at once: each gives its place back.
                status, text, _ = await browser.get(f"{PATH}?container=gone")
                assert (status, json.loads(text)["message"]) == (404, "container gone is not known")


async def test_a_log_that_is_followed_ends_with_the_session() -> None:
    node = FakeNode()
    node.log_lasts.clear()
    # Of the session's second a tenth is left.
    clock, config = FakeClock(EPOCH + 0.9), DashboardConfig(session_seconds=1.0)
    async with cached_apiserver() as server:
        clients = Clientset(InProcessTransport(node.over(server.app.handlers)))
        async with page(clients, clock=clock, config=config) as browser, asyncio.timeout(60):
            await browser.login()
            status, told = 401, b""
            # On a busy machine the session may be over before the log begins.
            while status == 401:
                async with browser.session.get(f"{browser.url}{PATH}?container=app") as response:
                    status, told = response.status, await response.read()
            assert status == 200
            assert told.endswith(b"\n[the session of this page has ended]\n")
