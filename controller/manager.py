"""Which controllers run, and running them: `follow` keeps the caches, `lead` works.

Of several processes the one that holds the Lease leads (`controller/build.py`). Two would do no harm (I18):
every write is a compare-and-swap, or has a name that follows from the state.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from controller.base import Controller
from vaina.api.controller.v1 import controller_service_pb2 as pb
from vaina.cache.informer import InformerFactory
from vaina.client.events import EventRecorder
from vaina.serving.handlers import Handlers, RequestContext, typed

SERVICE = pb.DESCRIPTOR.services_by_name["ControllerService"].full_name


def selected(names: Sequence[str], known: Sequence[str]) -> list[str]:
    """Return which known controllers run: "*" is all, "-name" all but that one. Raises ValueError."""
    unknown = [name for name in names if name != "*" and name.removeprefix("-") not in known]
    if unknown:
        raise ValueError(f"unknown controllers: {', '.join(unknown)} (known: {', '.join(known)})")
    off = {name.removeprefix("-") for name in names if name.startswith("-")}
    return [name for name in known if name not in off and ("*" in names or name in names)]


class Manager:
    """The controllers of one process."""

    def __init__(
        self,
        factory: InformerFactory,
        recorders: Sequence[EventRecorder],
        constructors: Mapping[str, Callable[[], Controller]],
        names: Sequence[str],
    ) -> None:
        self._factory, self._recorders = factory, recorders
        self.controllers: Sequence[Controller] = [
            constructors[name]() for name in selected(names, [*constructors])
        ]

    @property
    def synced(self) -> bool:
        return self._factory.synced

    async def wait_synced(self) -> None:
        await self._factory.wait_synced()

    async def run(self) -> None:
        """Follow and lead until cancelled: what a process without election does."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.follow(), name="follow")
            group.create_task(self.lead(), name="lead")

    async def follow(self) -> None:
        """Keep the caches true until cancelled: what a standby does as well."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._factory.run(), name="informers")
            for recorder in self._recorders:
                group.create_task(recorder.run(), name="events")

    async def lead(self) -> None:
        """Run the controllers until cancelled, beside `follow`. Once only."""
        async with asyncio.TaskGroup() as group:
            for controller in self.controllers:
                group.create_task(controller.run(), name=controller.name)


class ControllerService:
    """Reads the controllers of this process."""

    def __init__(self, controllers: Sequence[Controller]) -> None:
        self._controllers = controllers

    async def ListControllers(
        self, request: pb.ListControllersRequest, ctx: RequestContext
    ) -> pb.ListControllersResponse:
        """Return the state of each controller, in the order of their names."""
        states = sorted(
            (controller.state() for controller in self._controllers), key=lambda state: state.name
        )
        return pb.ListControllersResponse(controllers=states)

    def handlers(self) -> Handlers:
        return {f"/{SERVICE}/ListControllers": typed(self.ListControllers, pb.ListControllersRequest)}
