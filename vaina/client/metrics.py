"""The rest_client_* metrics (component-base, metrics/prometheus/restclient/metrics.go), and their transport.

A gRPC method counts as the HTTP method that Kubernetes has for it, and an error as its HTTP code. Streams are
counted at their first answer or failure, and have no duration.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from prometheus_client import CollectorRegistry, Counter, Histogram

from vaina.client.transport import DEFAULT_TIMEOUT_SECONDS, Metadata, Transport
from vaina.clock import Clock
from vaina.errors import ApiError

_BUCKETS = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
#: beginning of a method's name -> HTTP method; all others are a POST
_METHODS = (("Get", "GET"), ("List", "GET"), ("Watch", "GET"), ("Logs", "GET"), ("Update", "PUT"), ("Finalize", "PUT"),
            ("Patch", "PATCH"), ("Delete", "DELETE"))  # fmt: skip


class RestClientMetrics:
    """The counters of a process' clients."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "rest_client_requests", "Number of HTTP requests, partitioned by status code, method, and host.",
            ["code", "method", "host"], registry=registry,
        )  # fmt: skip
        self.durations = Histogram(
            "rest_client_request_duration_seconds", "Request latency in seconds. Broken down by verb, and host.",
            ["verb", "host"], buckets=_BUCKETS, registry=registry,
        )  # fmt: skip


def http_method(method: str) -> str:
    """Return the HTTP method that Kubernetes has for a gRPC path: GET, POST, PUT, PATCH, DELETE."""
    name = method.rpartition("/")[2]
    return next((verb for start, verb in _METHODS if name.startswith(start)), "POST")


class MeteredTransport:
    """Wraps a transport and counts its calls."""

    def __init__(self, inner: Transport, metrics: RestClientMetrics, clock: Clock, host: str) -> None:
        self._inner, self._metrics, self._clock, self._host = inner, metrics, clock, host

    async def unary(
        self,
        method: str,
        request: bytes,
        *,
        timeout: float = DEFAULT_TIMEOUT_SECONDS,
        metadata: Metadata = (),
    ) -> bytes:
        verb, start = http_method(method), self._clock.monotonic()
        try:
            answer = await self._inner.unary(method, request, timeout=timeout, metadata=metadata)
        except ApiError as error:
            self._count(error.code, verb)
            raise
        else:
            self._count(201 if method.endswith("/Create") else 200, verb)
        finally:
            self._metrics.durations.labels(verb, self._host).observe(self._clock.monotonic() - start)
        return answer

    def stream(
        self, method: str, request: bytes, *, timeout: float | None = None, metadata: Metadata = ()
    ) -> AsyncGenerator[bytes, None]:
        return self._counted(method, self._inner.stream(method, request, timeout=timeout, metadata=metadata))

    def bidi(
        self,
        method: str,
        requests: AsyncIterator[bytes],
        *,
        timeout: float | None = None,
        metadata: Metadata = (),
    ) -> AsyncGenerator[bytes, None]:
        return self._counted(method, self._inner.bidi(method, requests, timeout=timeout, metadata=metadata))

    async def close(self) -> None:
        await self._inner.close()

    async def _counted(self, method: str, stream: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        verb, counted = http_method(method), False
        async with aclosing(stream) as answers:
            try:
                async for answer in answers:
                    if not counted:
                        counted = True
                        self._count(200, verb)
                    yield answer
            except ApiError as error:
                if not counted:
                    self._count(error.code, verb)
                raise
            if not counted:
                self._count(200, verb)

    def _count(self, code: int, verb: str) -> None:
        self._metrics.requests.labels(str(code), verb, self._host).inc()
