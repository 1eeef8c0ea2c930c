"""Shell: asks all parts of the machine how they are, while somebody looks.

topic "machinery"    dashboard.machinery.state
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import Any, Final, TypeVar

from dashboard.machinery.state import SILENT, Look, machinery_of
from dashboard.view import Context, WholeTopic
from vaina.api.controller.v1 import controller_service_pb2
from vaina.errors import ApiError

A = TypeVar("A")

#: between two looks
LOOK_SECONDS: Final = 2.0
#: for all parts to answer, before what is known is shown
PATIENCE_SECONDS: Final = 1.0
#: nodes that are looked at, for whether they are ready
MAX_NODES: Final = 200
#: for the controller to answer
_TIMEOUT_SECONDS: Final = 5.0
_LIST_CONTROLLERS: Final = "/vaina.api.controller.v1.ControllerService/ListControllers"


class MachineryTopic(WholeTopic):
    """The machine, look after look: a part that is slow is shown as it was. Owned by the event loop."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self._known = Look(context.clock.now(), SILENT, SILENT, SILENT, leases=None, nodes=None)
        #: each asks a part, and returns what is known of it: fields of a look
        self._parts: tuple[Callable[[], Coroutine[Any, Any, dict[str, Any]]], ...] = (
            self._apiserver, self._scheduler, self._controllers, self._leases, self._nodes,
        )  # fmt: skip

    async def run(self, changed: Callable[[], None]) -> None:
        asked: dict[Any, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as group:
            while True:
                for part in self._parts:
                    if part not in asked:
                        asked[part] = group.create_task(self._ask(part))
                await asyncio.wait(asked.values(), timeout=PATIENCE_SECONDS)
                asked = {part: task for part, task in asked.items() if not task.done()}
                self._known = replace(self._known, now=self._context.clock.now())
                if self.set(machinery_of(self._known)):
                    changed()
                await self._context.clock.sleep(LOOK_SECONDS)

    async def _ask(self, part: Callable[[], Coroutine[Any, Any, dict[str, Any]]]) -> None:
        found = await part()
        self._known = replace(self._known, **found)

    async def _apiserver(self) -> dict[str, Any]:
        return {"apiserver": await _or_words(self._context.clients.machinery())}

    async def _scheduler(self) -> dict[str, Any]:
        return {"scheduler": await _or_words(self._context.scheduler.overview())}

    async def _controllers(self) -> dict[str, Any]:
        request = controller_service_pb2.ListControllersRequest().SerializeToString()
        answer = await _or_words(
            self._context.controller.unary(_LIST_CONTROLLERS, request, timeout=_TIMEOUT_SECONDS)
        )
        if isinstance(answer, bytes):
            return {"controller": controller_service_pb2.ListControllersResponse.FromString(answer)}
        return {"controller": answer}

    async def _leases(self) -> dict[str, Any]:
        found = await _or_words(self._context.clients.leases.list_page("kube-system", limit=MAX_NODES))
        return {"leases": None if isinstance(found, str) else found.items}

    async def _nodes(self) -> dict[str, Any]:
        found = await _or_words(self._context.clients.nodes.list_page(limit=MAX_NODES))
        if isinstance(found, str):
            return {"nodes": None, "more_nodes": False}
        return {"nodes": found.items, "more_nodes": bool(found.continue_token)}


async def _or_words(asked: Awaitable[A]) -> A | str:
    """Return an answer, or why there is none."""
    try:
        return await asked
    except ApiError as error:
        return error.message or error.reason
