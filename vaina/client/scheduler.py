"""The client of the service that a scheduler itself serves (`SchedulerService`)."""

from typing import Final, TypeVar

from google.protobuf.message import Message

from vaina.api.core.v1 import pod_pb2
from vaina.api.scheduler.v1 import scheduler_service_pb2 as pb
from vaina.client.transport import Transport

A = TypeVar("A", bound=Message)

SERVICE: Final = pb.DESCRIPTOR.services_by_name["SchedulerService"].full_name
#: the deadline of a call: simulations on large clusters take seconds
TIMEOUT_SECONDS: Final = 60.0


class SchedulerClient:
    """Asks one scheduler. All methods raise ApiErrors only."""

    def __init__(self, transport: Transport, *, timeout: float = TIMEOUT_SECONDS) -> None:
        self._transport, self._timeout = transport, timeout

    async def explain(
        self,
        namespace: str = "",
        name: str = "",
        *,
        uid: str = "",
        pod: pod_pb2.Pod | None = None,
        limit: int = 0,
    ) -> pb.ExplainResponse:
        """Explain a Pod, by name or uid, or `pod`, which need not exist. Raises NotFound, BadRequest."""
        request = pb.ExplainRequest(namespace=namespace, name=name, uid=uid, pod=pod, limit=limit)
        return await self._call("Explain", request, pb.ExplainResponse)

    async def fit(self, pod: pod_pb2.Pod, *, max_copies: int = 0) -> pb.FitResponse:
        """Return how many copies of a Pod would fit now. Raises BadRequest."""
        request = pb.FitRequest(pod=pod, max_copies=max_copies)
        return await self._call("Fit", request, pb.FitResponse)

    async def verify(self, *, against_apiserver: bool = False, max_differences: int = 0) -> pb.VerifyResponse:
        request = pb.VerifyRequest(against_apiserver=against_apiserver, max_differences=max_differences)
        return await self._call("Verify", request, pb.VerifyResponse)

    async def list_decisions(
        self, namespace: str = "", name: str = "", *, uid: str = "", limit: int = 0
    ) -> pb.ListDecisionsResponse:
        """Return past decisions, newest first, of all Pods or of the one that is named."""
        request = pb.ListDecisionsRequest(namespace=namespace, name=name, uid=uid, limit=limit)
        return await self._call("ListDecisions", request, pb.ListDecisionsResponse)

    async def overview(self) -> pb.OverviewResponse:
        """Return how many Pods wait, and how much there is. Raises Unavailable before the first list."""
        return await self._call("Overview", pb.OverviewRequest(), pb.OverviewResponse)

    async def close(self) -> None:
        await self._transport.close()

    async def _call(self, method: str, request: Message, answer: type[A]) -> A:
        data = request.SerializeToString()
        return answer.FromString(
            await self._transport.unary(f"/{SERVICE}/{method}", data, timeout=self._timeout)
        )
