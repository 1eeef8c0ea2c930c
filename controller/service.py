"""ControllerService: what each controller is doing."""

from collections.abc import Sequence

from controller.base import Controller
from vaina.api.controller.v1 import controller_service_pb2 as pb
from vaina.serving.handlers import Handlers, RequestContext, typed

SERVICE = pb.DESCRIPTOR.services_by_name["ControllerService"].full_name


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
