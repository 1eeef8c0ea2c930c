"""Who is let in, what a browser is told with each answer, and where paths lead."""

import asyncio
import socket
from contextlib import suppress

import aiohttp
import pytest

from dashboard import server
from tests.support.apiserver import make_apiserver
from tests.support.page import SECRET, Browser, page

PATHS = [
    "/",
    "/pod/default/web",
    "/static/page.js",
    "/api/version",
    "/live",
    "/nowhere",
    "/static/../session.py",
]


@pytest.fixture
async def browser():
    async with page(make_apiserver().client) as made:
        yield made


@pytest.mark.parametrize("path", PATHS)
async def test_without_a_session_nothing_is_shown(browser: Browser, path: str) -> None:
    status, text, _ = await browser.get(path)
    assert status == 401
    assert "vaina dashboard" in text


@pytest.mark.parametrize("token", ["", "wrong", SECRET[:-1], SECRET + "x"])
async def test_a_wrong_link_gives_no_session(browser: Browser, token: str) -> None:
    status, _, headers = await browser.get(f"/login?token={token}")
    assert status == 401
    assert "Set-Cookie" not in headers


async def test_the_link_gives_a_session_and_leads_on_without_the_token(browser: Browser) -> None:
    status, _, headers = await browser.get(f"/login?token={SECRET}&to=%2Fpod%2Fdefault%2Fweb%3Ftab%3Dlog")
    assert (status, headers["Location"]) == (303, "/pod/default/web?tab=log")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(headers["Set-Cookie"].split("; "))
    status, text, _ = await browser.get("/pod/default/web")
    assert status == 200
    assert "/static/page.js" in text


@pytest.mark.parametrize("path", ["/", "/login?token=x", "/api/version", "/nowhere", "/static/page.js"])
async def test_every_answer_says_what_the_page_may_do(browser: Browser, path: str) -> None:
    for _ in range(2):
        _, _, headers = await browser.get(path)
        policy = headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        await browser.login()


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8090", "127.0.0.1.evil.example", "10.0.0.7:8090"]
)
async def test_a_name_of_somebody_else_that_leads_here_is_refused(browser: Browser, host: str) -> None:
    await browser.login()
    status, _, _ = await browser.get("/api/version", Host=host)
    assert status == 403


async def test_requests_of_other_pages_are_refused(browser: Browser) -> None:
    await browser.login()
    status, _, _ = await browser.get("/api/version", Origin="http://127.0.0.1:1")
    assert status == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1"])
async def test_a_websocket_of_another_page_is_refused(browser: Browser, origin: str) -> None:
    await browser.login()
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        async with browser.live(origin=origin):
            pass
    assert refused.value.status == 403


async def test_a_websocket_without_an_origin_is_no_browsers(browser: Browser) -> None:
    await browser.login()
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await browser.session.ws_connect(f"{browser.url}/live")
    assert refused.value.status == 400


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
async def test_the_page_only_reads(browser: Browser, method: str) -> None:
    await browser.login()
    for path in ("/", "/api/version", "/live", "/login"):
        async with browser.session.request(method, browser.url + path) as response:
            assert response.status == 405


async def test_errors_of_the_api_are_json_with_kubernetes_fields(browser: Browser) -> None:
    await browser.login()
    async with browser.session.get(f"{browser.url}/api/nowhere") as response:
        assert response.status == 404
        assert (await response.json())["reason"] == "NotFound"


@pytest.mark.parametrize(
    "path", ["/static/..%2fsession.py", "/static/%2e%2e/session.py", "/static//etc/passwd"]
)
async def test_files_elsewhere_are_not_there(browser: Browser, path: str) -> None:
    await browser.login()
    status, text, _ = await browser.get(path)
    assert status != 200 or "/static/page.js" in text


async def test_a_file_that_a_browser_has_is_not_sent_again(browser: Browser) -> None:
    await browser.login()
    _, _, headers = await browser.get("/static/page.js")
    assert headers["Content-Type"] == "text/javascript; charset=utf-8"
    status, text, _ = await browser.get("/static/page.js", **{"If-None-Match": headers["ETag"]})
    assert (status, text) == (304, "")


async def test_a_head_of_any_size_is_refused(browser: Browser) -> None:
    status, _, _ = await browser.get("/", Cookie="x" * 20_000)
    assert status == 400


async def stranger(browser: Browser, *words: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a connection and say something on it that is no request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(browser.url.rpartition(":")[2]))
    writer.writelines(words)
    return reader, writer


async def ended(reader: asyncio.StreamReader) -> bool:
    """Wait until the page has ended a connection; say that without an answer."""
    with suppress(ConnectionError):
        async with asyncio.timeout(30):
            return await reader.read() == b""
    return True


@pytest.mark.parametrize("words", [b"", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "])
async def test_a_connection_without_a_whole_request_ends(
    words: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "IDLE_SECONDS", 0.2)
    async with page(make_apiserver().client) as browser:
        reader, writer = await stranger(browser, words)
        assert await ended(reader)
        writer.close()


async def test_who_has_no_session_keeps_nobody_out_who_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 6)
    async with page(make_apiserver().client) as browser:
        await browser.login()
        async with browser.live("status") as socket:
            await socket.until("status", "snapshot")
            strangers = [await stranger(browser, b"GET / HTTP/1.1\r\n") for _ in range(20)]
            async with (
                aiohttp.ClientSession() as other,
                other.get(f"{browser.url}/login?token={SECRET}", allow_redirects=False) as answer,
            ):
                assert answer.status == 303
            assert (await browser.get("/"))[0] == 200
            # Of those who came, and of nobody else, the first have gone.
            assert await ended(strangers[0][0])
            await socket.socket.send_json({"subscribe": "nothing"})
            assert (await socket.until("nothing", "error"))["code"] == 404
        for _, writer in strangers:
            writer.close()


async def test_where_all_places_are_taken_by_sessions_one_more_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 1)
    async with page(make_apiserver().client) as browser:
        await browser.login()
        async with browser.live("status") as socket:
            # The connection of the login goes for it: nothing is known of whoever has asked for a link.
            await socket.until("status", "snapshot")
            reader, writer = await stranger(browser)
            assert await ended(reader)
            writer.close()


def is_open(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1) != b""
    except BlockingIOError:
        return True
    except ConnectionError:
        return False


async def test_connections_that_come_at_once_are_no_more_than_there_are_places(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 6)
    async with page(make_apiserver().client) as browser:
        address = ("127.0.0.1", int(browser.url.rpartition(":")[2]))
        # The loop stands still meanwhile: they are accepted in one turn.
        strangers = [socket.create_connection(address) for _ in range(20)]
        assert (await browser.get("/"))[0] == 401
        # The browser's has come after them, and is the sixth.
        assert [is_open(one) for one in strangers] == [False] * 15 + [True] * 5
        for one in strangers:
            one.close()
