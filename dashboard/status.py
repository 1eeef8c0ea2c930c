"""The page's own state: which apiserver it reads, and whether that answers. The smallest view, part of all.

topic "status"      {"apiserver": "answers" | "away", "version": "v1.37.2+vaina", "message": why it is away}
GET /api/version    what the apiserver says of itself
"""

from collections.abc import Callable
from typing import Any, Final

from aiohttp import web

from dashboard.view import Context, Routes, WholeTopic
from vaina.errors import ApiError

#: between two looks at the apiserver
LOOK_SECONDS: Final = 2.0


def routes(context: Context) -> Routes:
    """Return what this view has."""

    async def version(_request: web.Request) -> Any:
        info = await context.clients.version()
        return {"gitVersion": info.git_version, "platform": info.platform}

    return Routes(handlers={"/api/version": version}, topics={"status": lambda _: StatusTopic(context)})


class StatusTopic(WholeTopic):
    """Asks the apiserver for its version, again and again."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context

    async def run(self, changed: Callable[[], None]) -> None:
        while True:
            if self.set(await self._look()):
                changed()
            await self._context.clock.sleep(LOOK_SECONDS)

    async def _look(self) -> dict[str, str]:
        try:
            info = await self._context.clients.version()
        except ApiError as error:
            return {"apiserver": "away", "message": error.message}
        return {"apiserver": "answers", "version": info.git_version}
