"""What the cluster's own controllers share: the library's loop (`vaina/controller.py`) with its state shown."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

from google.protobuf.message import Message

from vaina import controller
from vaina.api.controller.v1 import controller_service_pb2
from vaina.api.core.v1 import namespace_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.client.resource import ResourceClient
from vaina.clock import timestamp
from vaina.controller import SYNC_TIMEOUT_SECONDS, SyncRecord, Tools
from vaina.errors import AlreadyExists, ApiError, Conflict, Forbidden, NotFound

__all__ = [
    "SYNC_TIMEOUT_SECONDS", "Controller", "SyncRecord", "Tools", "create_in", "delete", "find", "for_each", "is_active",
]  # fmt: skip

T = TypeVar("T")
M = TypeVar("M", bound=Message)

#: calls under way at once, of those that a sync makes side by side
PARALLEL = 32


class Controller(controller.Controller):
    """One of the cluster's own controllers."""

    def state(self) -> controller_service_pb2.ControllerState:
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


async def for_each(
    items: Iterable[T], act: Callable[[T], Awaitable[None]], *, parallel: int = PARALLEL
) -> ApiError | None:
    """Act on every item, so many at once; return the first failure."""
    gate = asyncio.Semaphore(parallel)
    errors: list[ApiError] = []

    async def one(item: T) -> None:
        async with gate:
            try:
                await act(item)
            except ApiError as error:
                errors.append(error)

    async with asyncio.TaskGroup() as group:
        for item in items:
            group.create_task(one(item))
    return errors[0] if errors else None


async def find(client: ResourceClient[M], name: str, namespace: str = "") -> M | None:
    """Return an object as the apiserver has it; None: there is none. Raises ApiError."""
    try:
        return await client.get(name, namespace)
    except NotFound:
        return None


def is_active(namespace: namespace_pb2.Namespace | None) -> bool:
    """Say whether anything is to be made in a namespace."""
    return namespace is not None and namespace.status.phase == "Active"


async def create_in(client: ResourceClient[M], obj: M) -> None:
    """Create an object, unless it is there, or its namespace is not or ends. Raises ApiError."""
    try:
        await client.create(obj)
    except (AlreadyExists, NotFound):
        return
    except Forbidden as error:
        if all(cause.type != "NamespaceTerminating" for cause in error.causes):
            raise


async def delete(client: ResourceClient[M], meta: meta_pb2.ObjectMeta, **how: Any) -> bool:
    """Delete an object by name and uid, if it is there; say whether it was. `how`: more for the client."""
    try:
        await client.delete(meta.name, meta.namespace, uid=meta.uid, **how)
    except (NotFound, Conflict):
        return False
    return True
