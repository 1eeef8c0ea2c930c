"""The only module that opens the CRI socket: a channel, the services' stubs, and what their errors become."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import grpc
import structlog
from google.protobuf.message import Message

from kubelet.runtime.cri import cri_pb2 as cri
from kubelet.runtime.cri import cri_service_pb2_grpc
from kubelet.runtime.interface import NotFoundInRuntime, RuntimeFailure, RuntimeUnavailable

log = structlog.stdlib.get_logger(__name__)

Answer = TypeVar("Answer")

#: of one ordinary call (upstream's runtimeRequestTimeout); a sandbox gets twice as much
CALL_SECONDS = 120.0
SANDBOX_SECONDS = 2 * CALL_SECONDS
#: of one answer: ExecSync brings up to 16 MiB of each stream
MAX_ANSWER_BYTES = 34 * 1024 * 1024

_OPTIONS = [
    ("grpc.max_receive_message_length", MAX_ANSWER_BYTES),
    # A runtime that was restarted answers after a second or two; gRPC's own back-off grows to minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # What one attempt may take, by its effect: on a busy machine more than one would think.
    ("grpc.min_reconnect_backoff_ms", 10_000),
]
_GO_NAMES = {"CANCELLED": "Canceled"}


class Connection:
    """A runtime's socket. Made on the event loop that uses it; any task may use it."""

    def __init__(self, socket_path: str) -> None:
        self._channel = grpc.aio.insecure_channel(f"unix:{socket_path}", options=_OPTIONS)
        self.runtime = cri_service_pb2_grpc.RuntimeServiceStub(self._channel)
        self.images = cri_service_pb2_grpc.ImageServiceStub(self._channel)
        # containerd's own service on the same socket; its request has one field, as that to remove a container.
        self._delete_task = self._channel.unary_unary(
            "/containerd.services.tasks.v1.Tasks/Delete",
            request_serializer=cri.RemoveContainerRequest.SerializeToString,
            response_deserializer=bytes,
        )

    async def close(self) -> None:
        await self._channel.close(None)

    async def delete_task(self, container_id: str) -> None:
        """Have containerd delete the processes of a container that never began; it refuses while one runs.

        It is no error if there are none, or the runtime is another.
        """
        request = cri.RemoveContainerRequest(container_id=container_id)
        try:
            await self._delete_task(
                request, metadata=(("containerd-namespace", "k8s.io"),), timeout=CALL_SECONDS
            )
        except grpc.aio.AioRpcError as error:
            log.info("no task deleted", container=container_id, error=words(error))


def words(error: grpc.aio.AioRpcError) -> str:
    """Return an error as a kubelet in Go shows it."""
    code = error.code().name
    name = _GO_NAMES.get(code) or "".join(part.capitalize() for part in code.split("_"))
    return f"rpc error: code = {name} desc = {error.details() or ''}"


@contextmanager
def translated(refusal: type[RuntimeFailure] = RuntimeFailure) -> Iterator[None]:
    """Raise the interface's errors in place of gRPC's; an answer that refuses becomes `refusal`."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        code, details = error.code(), error.details() or ""
        if code is grpc.StatusCode.NOT_FOUND:
            raise NotFoundInRuntime(words(error)) from error
        # A containerd that has just been started answers before its CRI plugin is ready.
        if code is grpc.StatusCode.UNAVAILABLE or "server is not initialized yet" in details:
            raise RuntimeUnavailable(f"the container runtime does not answer: {details}") from error
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            raise RuntimeUnavailable(f"the container runtime takes too long: {details}") from error
        raise refusal(words(error)) from error


async def call(
    method: Callable[..., Awaitable[Answer]],
    request: Message,
    *,
    refusal: type[RuntimeFailure] = RuntimeFailure,
    seconds: float = CALL_SECONDS,
) -> Answer:
    """Call a method of a stub and return its answer. Raises as `translated`."""
    with translated(refusal):
        return await method(request, timeout=seconds)
