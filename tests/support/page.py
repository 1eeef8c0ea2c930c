"""The page in this process, over any clients: served on loopback, with a browser's half of HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from dashboard.build import Page
from dashboard.config import DashboardConfig
from dashboard.session import Sessions
from dashboard.view import Context
from tests.support.tasks import running
from vaina.client.clientset import Clientset
from vaina.client.scheduler import SchedulerClient
from vaina.client.transport import InProcessTransport, Transport
from vaina.clock import Clock, SystemClock

SECRET = "the-secret-of-the-login-link-of-a-test"


class Browser:
    """What a browser does with the page, without a screen."""

    def __init__(self, session: aiohttp.ClientSession, port: int) -> None:
        self.session, self.url = session, f"http://127.0.0.1:{port}"

    async def login(self) -> None:
        async with self.session.get(f"{self.url}/login", params={"token": SECRET}) as response:
            assert response.status == 200

    async def get(self, path: str, **headers: str) -> tuple[int, str, aiohttp.typedefs.LooseHeaders]:
        async with self.session.get(
            self.url + path, headers=headers or None, allow_redirects=False
        ) as response:
            return response.status, await response.text(), response.headers

    @asynccontextmanager
    async def live(self, *topics: str, origin: str | None = None) -> AsyncIterator["Socket"]:
        headers = {"Origin": origin if origin is not None else self.url}
        async with self.session.ws_connect(f"{self.url}/live", headers=headers, max_msg_size=0) as socket:
            for name in topics:
                await socket.send_json({"subscribe": name})
            yield Socket(socket)


class Socket:
    """The page's WebSocket, at the browser's end."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def frame(self) -> dict[str, Any]:
        """Return the next frame."""
        async with asyncio.timeout(60):
            found: dict[str, Any] = json.loads((await self.socket.receive()).data)
        return found

    async def until(self, topic: str, what: str) -> Any:
        """Return the next snapshot, changes or error of a topic."""
        while True:
            frame = await self.frame()
            if frame["topic"] == topic and what in frame:
                return frame[what]


@asynccontextmanager
async def page(
    clients: Clientset,
    *,
    clock: Clock | None = None,
    scheduler: Transport | None = None,
    controller: Transport | None = None,
    config: DashboardConfig | None = None,
) -> AsyncIterator[Browser]:
    """Serve the page over some clients; yields a browser that has not logged in."""
    nobody = InProcessTransport({})
    config = config or DashboardConfig()
    context = Context(
        clients, SchedulerClient(scheduler or nobody), controller or nobody, clock or SystemClock(), config
    )
    sessions = Sessions(SECRET, config.session_seconds)
    made, stop, ports = Page(context, sessions), asyncio.Event(), asyncio.Queue[int]()
    async with (
        running(made.run(stop, "127.0.0.1:0", ports.put_nowait)),
        aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session,
    ):
        yield Browser(session, await ports.get())
        stop.set()
