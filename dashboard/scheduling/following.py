"""Shell: looks at the scheduler once a second while somebody looks at it.

topic "scheduler"                            {overview, points, decisions}; changes {overview, point, decisions}
                                             or {away: why it does not answer}
GET /api/explain/{namespace}/{name}?uid=U    why a Pod is where it is (dashboard.scheduling.state.explained)
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from aiohttp import web

from dashboard.scheduling.state import SchedulerState, explained
from dashboard.view import Context, Handler, Topic
from vaina.api.scheduler.v1 import scheduler_service_pb2 as pb
from vaina.errors import ApiError, TooManyRequests, Unavailable

#: between two looks
LOOK_SECONDS: Final = 1.0
#: for the scheduler to answer a look
LOOK_WITHIN_SECONDS: Final = 5.0
#: for an answer about a Pod, with the wait for its turn
EXPLAIN_WITHIN_SECONDS: Final = 30.0
#: nodes and groups of nodes in the answer about a Pod
EXPLAINED_NODES: Final = 50
#: answers about Pods that are under way or wait for their turn
MAX_WAITING: Final = 16


class SchedulerTopic(Topic):
    """The scheduler, look after look. Owned by the event loop."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._state = SchedulerState()
        self._away = ""
        self._new: list[dict[str, Any]] = []

    def snapshot(self) -> Any:
        return {**self._state.all(), **({"away": self._away} if self._away else {})}

    def changes(self) -> Any:
        new, self._new = self._new, []
        return new or None

    async def run(self, changed: Callable[[], None]) -> None:
        while True:
            self._new.append(await self._look())
            changed()
            await self._context.clock.sleep(LOOK_SECONDS)

    async def _look(self) -> dict[str, Any]:
        scheduler, state = self._context.scheduler, self._state
        try:
            async with _within(LOOK_WITHIN_SECONDS):
                overview = await scheduler.overview()
                listed = await self._decisions(state.missing(overview))
        except ApiError as error:
            self._away = error.message
            return {"away": error.message}
        self._away = ""
        return state.take(overview, listed)

    async def _decisions(self, missing: int) -> Sequence[pb.Decision]:
        """Return the newest decisions, all not yet taken, with those that fall while they are asked for."""
        found: Sequence[pb.Decision] = ()
        asked = 0
        # More each time, and never more than are shown.
        while missing > asked:
            answer = await self._context.scheduler.list_decisions(limit=missing)
            found, asked, missing = answer.decisions, missing, self._state.missing(answer)
        return found


@asynccontextmanager
async def _within(seconds: float) -> AsyncIterator[None]:
    """Give the scheduler so long; one that stands still would hold readers for a minute. Raises Unavailable."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise Unavailable(f"no answer within {seconds:g} s") from error


def explain_handler(context: Context) -> Handler:
    """Return what answers why a Pod is where it is, one after the other: the scheduler has more to do."""
    turn, waiting = asyncio.Lock(), 0

    async def explain(request: web.Request) -> Any:
        nonlocal waiting
        if waiting >= MAX_WAITING:
            raise TooManyRequests("many ask the scheduler already; try again later", retry_seconds=1)
        place = request.match_info
        waiting += 1
        try:
            async with _within(EXPLAIN_WITHIN_SECONDS), turn:
                answer = await context.scheduler.explain(
                    place["namespace"], place["name"], uid=request.query.get("uid", ""), limit=EXPLAINED_NODES
                )
        finally:
            waiting -= 1
        return explained(answer)

    return explain
