"""What Prometheus holds, at the browser's end of the page; Prometheus itself is half a one, over HTTP."""

import asyncio
from typing import Any

import pytest
from aiohttp import web

from bench.etcd import free_port
from dashboard.config import DashboardConfig
from dashboard.history.prometheus import MAX_ANSWER_BYTES, check_url
from tests.support.apiserver import make_apiserver
from tests.support.page import Browser, page
from tests.support.prometheus import fake_prometheus
from vaina.config import ConfigError

SCHEDULER = "history/scheduler?range=15m"


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give answers on a busy machine the time that they take, and let one stand for as long as a test lasts."""
    monkeypatch.setattr("dashboard.history.prometheus.TIMEOUT_SECONDS", 60.0)
    monkeypatch.setattr("dashboard.history.prometheus.LOOK_SECONDS", 3600.0)


async def look(browser: Browser, topic: str = SCHEDULER) -> Any:
    """Return the first frame of a topic."""
    async with browser.live(topic) as socket:
        return await socket.until(topic, "snapshot")


async def seen(url: str, topic: str = SCHEDULER) -> Any:
    """Return what a page shows that asks a Prometheus at a URL."""
    async with page(make_apiserver().client, config=DashboardConfig(prometheus=url)) as browser:
        await browser.login()
        return await look(browser, topic)


async def test_the_plots_of_a_view_are_what_prometheus_holds() -> None:
    async with fake_prometheus() as prometheus:
        prometheus.lines = {"active": "7", "p99": "0.25"}
        found = await seen(prometheus.url)
    assert (found["range"], found["step"], list(found["plots"])) == (
        "15m",
        5,
        ["queue", "pace", "latency"],
    )
    assert found["plots"]["queue"] == {"active": [7.0] * 181}
    assert found["plots"]["latency"] == {"p99": [0.25] * 181}
    asked = prometheus.queries
    assert "scheduler_pending_pods" in asked[0]["query"]
    assert {(one["start"], one["step"]) for one in asked} == {(str(found["start"]), "5")}


async def test_who_looks_at_the_same_shares_an_answer_however_often_they_come() -> None:
    async with (
        fake_prometheus() as prometheus,
        page(make_apiserver().client, config=DashboardConfig(prometheus=prometheus.url)) as browser,
    ):
        await browser.login()
        prometheus.released.clear()
        # Topics that differ in name alone are the same plots.
        names = [SCHEDULER, f"{SCHEDULER}&again=1", "history/scheduler?range=15m&range=15m"]
        async with asyncio.TaskGroup() as group:
            looks = [group.create_task(look(browser, name)) for name in names * 2]
            prometheus.released.set()
        first = looks[0].result()
        assert all(one.result() == first for one in looks)
        assert await look(browser) == first
    assert len(prometheus.queries) == 3


async def test_where_nobody_is_named_or_there_that_is_said() -> None:
    assert await seen("") == {"absent": True}
    assert await seen(f"http://127.0.0.1:{free_port()}") == {"absent": True}
    assert await seen("http://prometheus.invalid:9090") == {"absent": True}


async def refuse(_: web.Request) -> web.StreamResponse:
    return web.Response(status=503, text="<b>starting</b>")


async def lead_away(_: web.Request) -> web.StreamResponse:
    raise web.HTTPFound("http://127.0.0.1:1/")


async def talk(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b" " * MAX_ANSWER_BYTES)


async def say_something_else(_: web.Request) -> web.StreamResponse:
    return web.Response(text="<script>alert(1)</script>", content_type="text/html")


@pytest.mark.parametrize(
    ("answer", "words"),
    [(refuse, "HTTP 503"), (lead_away, "HTTP 302"), (talk, "more than 1 MiB"), (say_something_else, "JSON")],
)
async def test_one_that_does_not_answer_as_it_should_is_told(answer: Any, words: str) -> None:
    async with fake_prometheus() as prometheus:
        prometheus.answer = answer  # type: ignore[method-assign]  # as the test wants it
        found = await seen(prometheus.url)
    assert words in found["away"]


@pytest.mark.parametrize(
    "url",
    ["127.0.0.1:9090", "prometheus", "ftp://a:1", "http://", "http://a:0", "http://a:99999", "file:///x"],
)
def test_what_is_no_url_is_refused_at_the_start(url: str) -> None:
    with pytest.raises(ConfigError, match="is no URL"):
        check_url(url)


@pytest.mark.parametrize("url", ["", "http://127.0.0.1:9090", "https://prometheus.example/prefix/"])
def test_a_url_is_taken(url: str) -> None:
    check_url(url)
