"""Half of a Prometheus: what the page asks it, answered over HTTP with values of the test's."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web


class FakePrometheus:
    """Counts who asks what. `answer` may be replaced: it makes the whole response of a query."""

    def __init__(self) -> None:
        self.url = ""
        self.queries: list[dict[str, str]] = []
        #: line -> its value at each time that is asked for
        self.lines: dict[str, str] = {}
        #: holds answers back
        self.released = asyncio.Event()
        self.released.set()

    async def query_range(self, request: web.Request) -> web.StreamResponse:
        self.queries.append(dict(request.query))
        await self.released.wait()
        return await self.answer(request)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        start, end, step = (int(request.query[key]) for key in ("start", "end", "step"))
        result = [
            {"metric": {"line": name}, "values": [[at, value] for at in range(start, end + 1, step)]}
            for name, value in self.lines.items()
        ]
        return web.json_response(matrix(result))


def matrix(result: Any) -> dict[str, Any]:
    """Return an answer of Prometheus'."""
    return {"status": "success", "data": {"resultType": "matrix", "result": result}}


@asynccontextmanager
async def fake_prometheus(port: int = 0) -> AsyncIterator[FakePrometheus]:
    """Serve one on loopback; port 0 takes a free one."""
    made = FakePrometheus()
    app = web.Application()
    app.router.add_get("/api/v1/query_range", made.query_range)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield made
    finally:
        made.released.set()
        await runner.cleanup()
