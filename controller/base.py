"""The library's Controller with the state that ListControllers shows.

The loop itself is in `vaina/controller.py`.
"""

from vaina import controller
from vaina.api.controller.v1 import controller_service_pb2
from vaina.clock import timestamp
from vaina.controller import SYNC_TIMEOUT_SECONDS, SyncRecord, Tools

__all__ = ["SYNC_TIMEOUT_SECONDS", "Controller", "SyncRecord", "Tools"]


class Controller(controller.Controller):
    """One of the cluster's own controllers."""

    def state(self) -> controller_service_pb2.ControllerState:
        """Return what the controller is doing."""
        record = self.record
        state = controller_service_pb2.ControllerState(
            name=self.name, queue_depth=len(self.queue), in_flight=self.queue.in_flight, syncs=record.syncs,
            errors=record.errors, last_sync_key=record.last_key, last_sync_seconds=record.last_seconds,
            last_error=record.last_error, synced=self.synced,
        )  # fmt: skip
        if record.last_time:
            state.last_sync_time.CopyFrom(timestamp(record.last_time))
        if record.last_error_time:
            state.last_error_time.CopyFrom(timestamp(record.last_error_time))
        return state
