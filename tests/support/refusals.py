"""A transport on which some bindings are refused, as an admission of the apiserver's could.

They never arrive, and the answer says why.
"""

import random
from collections.abc import AsyncGenerator, AsyncIterator

from vaina.api.core.v1 import pod_service_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.client.transport import Metadata, Transport

#: what refusals say: reason, code
REASONS = (("Conflict", 409), ("Forbidden", 403), ("TooManyRequests", 429))


class RefusingTransport:
    """Wraps a transport; of the bindings in its batches a share is refused."""

    def __init__(self, inner: Transport, rng: random.Random, *, share: float) -> None:
        self._inner, self._rng = inner, rng
        #: of 1; may be changed at any time
        self.share = share
        self.refused = 0

    async def unary(
        self, method: str, request: bytes, *, timeout: float = 10.0, metadata: Metadata = ()
    ) -> bytes:
        if not method.endswith("/BindBatch"):
            return await self._inner.unary(method, request, timeout=timeout, metadata=metadata)
        asked = pod_service_pb2.BindPodBatchRequest.FromString(request)
        statuses = [self._refusal() for _ in asked.bindings]
        passed = [one for one, status in zip(asked.bindings, statuses, strict=True) if status is None]
        answers = iter(())
        if passed:
            answer = await self._inner.unary(
                method, pod_service_pb2.BindPodBatchRequest(bindings=passed).SerializeToString(),
                timeout=timeout, metadata=metadata,
            )  # fmt: skip
            answers = iter(pod_service_pb2.BindPodBatchResponse.FromString(answer).results)
        return pod_service_pb2.BindPodBatchResponse(
            results=[next(answers) if status is None else status for status in statuses]
        ).SerializeToString()

    def _refusal(self) -> meta_pb2.Status | None:
        if self._rng.random() >= self.share:
            return None
        self.refused += 1
        reason, code = self._rng.choice(REASONS)
        return meta_pb2.Status(status="Failure", reason=reason, code=code, message="refused by the test")

    def stream(
        self, method: str, request: bytes, *, timeout: float | None = None, metadata: Metadata = ()
    ) -> AsyncGenerator[bytes, None]:
        return self._inner.stream(method, request, timeout=timeout, metadata=metadata)

    def bidi(
        self,
        method: str,
        requests: AsyncIterator[bytes],
        *,
        timeout: float | None = None,
        metadata: Metadata = (),
    ) -> AsyncGenerator[bytes, None]:
        return self._inner.bidi(method, requests, timeout=timeout, metadata=metadata)

    async def close(self) -> None:
        await self._inner.close()
