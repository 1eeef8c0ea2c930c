"""Nodes and Pods are watched while somebody looks, and for a while after."""

import asyncio
from typing import Any

from dashboard.cluster.following import LINGER_SECONDS, Following
from tests.support.apiserver import cached_apiserver
from tests.support.page import page
from tests.support.tasks import running
from vaina.testing.clock import FakeClock


async def test_who_comes_finds_all_there_is_and_who_comes_back_soon_the_same() -> None:
    async with cached_apiserver() as harness:
        await harness.pod("web")
        clock = FakeClock()
        following = Following(harness.client, clock)
        async with running(following.run()):
            async with following.use() as state:
                assert {*state.pods} == {"default/web"}
            async with following.use() as again:
                assert again is state
            await clock.advance(LINGER_SECONDS)
            async with asyncio.timeout(60), following.use() as later:
                assert later is not state
                assert {*later.pods} == {"default/web"}


async def test_a_browser_sees_a_pod_come_and_go() -> None:
    async with cached_apiserver() as harness, page(harness.client) as browser:
        await browser.login()
        async with browser.live("cluster") as socket:
            snapshot: Any = await socket.until("cluster", "snapshot")
            assert snapshot["pods"] == []
            await harness.pod("web")
            changes = await socket.until("cluster", "changes")
            assert [row[1] for row in changes["pods"]] == ["web"]
            await harness.client.pods.delete("web", "default")
            changes = await socket.until("cluster", "changes")
            assert changes["gone_pods"] == [1]


async def test_a_selector_that_cannot_be_read_is_told() -> None:
    async with cached_apiserver() as harness, page(harness.client) as browser:
        await browser.login()
        async with browser.live("cluster?selector=a===b") as socket:
            error = await socket.until("cluster?selector=a===b", "error")
            assert (error["code"], "unable to parse requirement" in error["message"]) == (400, True)
