"""The apiserver_* metrics of requests, around every method (metrics.md, "kube-apiserver").

The verb is the REST door's (create is POST, update is PUT), as dashboards expect. Labels are bound when the handlers are made, so that a
call costs two increments and one observation. `dry_run` is not told apart: the label is always empty.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

from vaina.clock import Clock
from vaina.errors import ApiError
from vaina.kinds import KINDS, Kind
from vaina.metrics import REQUEST_BUCKETS, exponential_buckets
from vaina.serving.handlers import UNARY, Method, RequestContext

#: method -> verb, sub-resource, scope
_VERBS: Final[Mapping[str, tuple[str, str, str]]] = {
    "Get": ("GET", "", "resource"),
    "List": ("LIST", "", "cluster"),
    "Watch": ("WATCH", "", "cluster"),
    "Create": ("POST", "", "resource"),
    "CreateBatch": ("POST", "", "cluster"),
    "Update": ("PUT", "", "resource"),
    "UpdateStatus": ("PUT", "status", "resource"),
    "UpdateStatusBatch": ("PUT", "status", "cluster"),
    "Patch": ("PATCH", "", "resource"),
    "Delete": ("DELETE", "", "resource"),
    "DeleteCollection": ("DELETECOLLECTION", "", "cluster"),
    "Bind": ("POST", "binding", "resource"),
    "BindBatch": ("POST", "binding", "cluster"),
    "GetScale": ("GET", "scale", "resource"),
    "UpdateScale": ("PUT", "scale", "resource"),
    "Logs": ("CONNECT", "log", "resource"),
    "Exec": ("CONNECT", "exec", "resource"),
    "Report": ("POST", "report", "cluster"),
}
_MUTATING: Final = frozenset(("POST", "PUT", "PATCH", "DELETE", "DELETECOLLECTION", "APPLY"))
_LABELS: Final = ("verb", "group", "version", "resource", "subresource", "scope", "component")
_GVR: Final = ("group", "version", "resource")


class RequestMetrics:
    """Registers the metrics, and wraps handlers in them."""

    def __init__(self, registry: CollectorRegistry, clock: Clock) -> None:
        self._clock = clock
        self.total = Counter(
            "apiserver_request", "Requests, by what was asked and how it was answered.",
            ("verb", "dry_run", *_LABELS[1:], "code"), registry=registry,
        )  # fmt: skip
        self.duration = Histogram(
            "apiserver_request_duration_seconds", "Time to answer a request in seconds.",
            ("verb", "dry_run", *_LABELS[1:]), buckets=REQUEST_BUCKETS, registry=registry,
        )  # fmt: skip
        self.sli_duration = Histogram(
            "apiserver_request_sli_duration_seconds", "Time to answer a request in seconds, without waiting for others.",
            _LABELS, buckets=REQUEST_BUCKETS[2:], registry=registry,
        )  # fmt: skip
        self.sizes = Histogram(
            "apiserver_response_sizes", "Size of answers in bytes.",
            _LABELS, buckets=exponential_buckets(1000, 10, 7), registry=registry,
        )  # fmt: skip
        self.longrunning = Gauge(
            "apiserver_longrunning_requests", "Watches, logs and the like that are under way.", _LABELS, registry=registry,
        )  # fmt: skip
        self.inflight = Gauge(
            "apiserver_current_inflight_requests", "Requests that are being answered.", ("request_kind",), registry=registry,
        )  # fmt: skip
        self.watch_events = Counter(
            "apiserver_watch_events", "Events sent to watchers.", _GVR, registry=registry
        )
        self.watch_sizes = Histogram(
            "apiserver_watch_events_sizes", "Size of the batches of events sent to watchers, in bytes.",
            _GVR, buckets=exponential_buckets(1024, 2, 8), registry=registry,
        )  # fmt: skip

    def wrap(self, handlers: Mapping[str, Method]) -> dict[str, Method]:
        """Return the handlers, counted."""
        kinds = {kind.service: kind for kind in KINDS}
        wrapped: dict[str, Method] = {}
        for path, method in handlers.items():
            _, service, name = path.split("/")
            labels = _labels(kinds.get(service), name)
            if method.kind is UNARY:
                wrapped[path] = Method(UNARY, self._unary(method, labels))
            else:
                wrapped[path] = Method(method.kind, self._stream(method, labels))
        return wrapped

    def watch_observer(self, kind: Kind[Any]) -> "WatchObserver":
        """Return what a kind's watches tell of the batches they send."""
        gvr = (kind.group, kind.version, kind.plural)
        return WatchObserver(self.watch_events.labels(*gvr), self.watch_sizes.labels(*gvr))

    def _unary(self, method: Method, labels: tuple[str, ...]) -> Any:
        counted = (labels[0], "", *labels[1:])
        codes: dict[int, MetricWrapperBase] = {}
        duration, sli = self.duration.labels(*counted), self.sli_duration.labels(*labels)
        sizes, clock, fn = self.sizes.labels(*labels), self._clock, method.fn
        inflight = self.inflight.labels("mutating" if labels[0] in _MUTATING else "readOnly")
        good = 201 if labels[0] == "POST" else 200

        def count(code: int) -> None:
            found: Any = codes.get(code)
            if found is None:
                found = codes[code] = self.total.labels(*counted, str(code))
            found.inc()

        async def unary(request: bytes, rpc: RequestContext) -> bytes:
            start, code = clock.monotonic(), 500
            inflight.inc()
            try:
                answer: bytes = await fn(request, rpc)
                code = good
                sizes.observe(len(answer))
            except ApiError as error:
                code = error.code
                raise
            finally:
                seconds = clock.monotonic() - start
                inflight.dec()
                count(code)
                duration.observe(seconds)
                sli.observe(seconds)
            return answer

        return unary

    def _stream(self, method: Method, labels: tuple[str, ...]) -> Any:
        counted = (labels[0], "", *labels[1:])
        running, fn = self.longrunning.labels(*labels), method.fn

        async def stream(request: Any, rpc: RequestContext) -> AsyncIterator[bytes]:
            code = 200
            running.inc()
            try:
                async with aclosing(fn(request, rpc)) as answers:
                    async for answer in answers:
                        yield answer
            except ApiError as error:
                code = error.code
                raise
            finally:
                running.dec()
                self.total.labels(*counted, str(code)).inc()

        return stream


class WatchObserver:
    """Counts what the watches of a kind send."""

    __slots__ = ("_events", "_sizes")

    def __init__(self, events: Counter, sizes: Histogram) -> None:
        self._events, self._sizes = events, sizes

    def __call__(self, events: int, size: int) -> None:
        """A batch was sent."""
        self._events.inc(events)
        self._sizes.observe(size)


def _labels(kind: Kind[Any] | None, name: str) -> tuple[str, ...]:
    if kind is None:  # ManifestService
        verb = "APPLY" if name == "Apply" else "GET"
        return (verb, "", "v1", "manifests", "", "resource", "apiserver")
    verb, subresource, scope = _VERBS[name]
    return (verb, kind.group, kind.version, kind.plural, subresource, scope, "apiserver")
