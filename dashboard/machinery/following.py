"""Shell: asks all parts of the machine how they are, while somebody looks.

topic "machinery"    dashboard.machinery.state
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from dashboard.machinery.state import Look, machinery_of
from dashboard.view import Context, WholeTopic
from vaina.api.controller.v1 import controller_service_pb2
from vaina.errors import ApiError

A = TypeVar("A")

#: between two looks
LOOK_SECONDS: Final = 2.0
#: nodes that are looked at, for whether they are ready
MAX_NODES: Final = 200
#: for the controller to answer
_TIMEOUT_SECONDS: Final = 5.0
_LIST_CONTROLLERS: Final = "/vaina.api.controller.v1.ControllerService/ListControllers"


class MachineryTopic(WholeTopic):
    """The machine, look after look. Owned by the event loop."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context

    async def run(self, changed: Callable[[], None]) -> None:
        while True:
            if self.set(machinery_of(await self._look())):
                changed()
            await self._context.clock.sleep(LOOK_SECONDS)

    async def _look(self) -> Look:
        clients, clock = self._context.clients, self._context.clock
        apiserver, scheduler, controller, leases, nodes = await asyncio.gather(
            _or_words(clients.machinery()),
            _or_words(self._context.scheduler.overview()),
            _or_words(self._controllers()),
            _or_words(clients.leases.list_page("kube-system", limit=MAX_NODES)),
            _or_words(clients.nodes.list_page(limit=MAX_NODES)),
        )
        return Look(
            clock.now(), apiserver, scheduler, controller,
            () if isinstance(leases, str) else leases.items, () if isinstance(nodes, str) else nodes.items,
            not isinstance(nodes, str) and bool(nodes.continue_token),
        )  # fmt: skip

    async def _controllers(self) -> controller_service_pb2.ListControllersResponse:
        request = controller_service_pb2.ListControllersRequest().SerializeToString()
        answer = await self._context.controller.unary(_LIST_CONTROLLERS, request, timeout=_TIMEOUT_SECONDS)
        return controller_service_pb2.ListControllersResponse.FromString(answer)


async def _or_words(asked: Awaitable[A]) -> A | str:
    """Return an answer, or why there is none."""
    try:
        return await asked
    except ApiError as error:
        return error.message or error.reason
