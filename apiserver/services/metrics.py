"""The apiserver_* metrics of requests, around every method.

The verb is the REST API's (create is POST, update is PUT), as dashboards expect. Labels are bound when the
handlers are made, so that a call costs two increments and one observation.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from apiserver.authorization.methods import action_of
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
    "UpdateEphemeralContainers": ("PUT", "ephemeralcontainers", "resource"),
    "UpdateResize": ("PUT", "resize", "resource"),
    "Finalize": ("PUT", "finalize", "resource"),
    "UpdateApproval": ("PUT", "approval", "resource"),
    "Patch": ("PATCH", "", "resource"),
    "Delete": ("DELETE", "", "resource"),
    "DeleteBatch": ("DELETE", "", "cluster"),
    "DeleteCollection": ("DELETECOLLECTION", "", "namespace"),
    "Bind": ("POST", "binding", "resource"),
    "BindBatch": ("POST", "binding", "cluster"),
    "Evict": ("POST", "eviction", "resource"),
    "GetScale": ("GET", "scale", "resource"),
    "UpdateScale": ("PUT", "scale", "resource"),
    "PatchScale": ("PATCH", "scale", "resource"),
    "CreateToken": ("POST", "token", "resource"),
    "Logs": ("CONNECT", "log", "resource"),
    "Exec": ("CONNECT", "exec", "resource"),
    "Attach": ("CONNECT", "attach", "resource"),
    "PortForward": ("CONNECT", "portforward", "resource"),
    "Proxy": ("CONNECT", "proxy", "resource"),
    "Report": ("POST", "report", "cluster"),
}
#: verbs whose requests may name a namespace
_OF_NAMESPACES: Final = frozenset(("LIST", "WATCH"))
_LABELS: Final = ("verb", "group", "version", "resource", "subresource", "scope", "component")
_GVR: Final = ("group", "version", "resource")


@dataclass(frozen=True, slots=True)
class Labels:
    """What is known of a method's calls before they come."""

    verb: str
    #: group, version, resource
    gvr: tuple[str, str, str]
    subresource: str
    #: resource, or cluster: then a call that names a namespace is of that
    scope: str

    def of(self, scope: str) -> tuple[str, ...]:
        return (self.verb, *self.gvr, self.subresource, scope, "apiserver")

    def scope_of(self, request: object) -> str:
        """Return the scope of a call by its request.

        Field 1 of requests for several objects is the namespace; encoders write fields in the order of their
        numbers, and leave out what is empty: so its tag stands first, or there is none.
        """
        if self.scope != "cluster" or self.verb not in _OF_NAMESPACES:
            return self.scope
        return "namespace" if isinstance(request, bytes) and request[:1] == b"\x0a" else "cluster"


class RequestMetrics:
    """Registers the metrics, and wraps handlers in them."""

    def __init__(self, registry: CollectorRegistry, clock: Clock) -> None:
        self._clock, self.registry = clock, registry
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
        self.watch_events = Counter(
            "apiserver_watch_events", "Events sent to watchers.", _GVR, registry=registry
        )
        self.watch_sizes = Histogram(
            "apiserver_watch_events_sizes", "Size of the batches of events sent to watchers, in bytes.",
            _GVR, buckets=exponential_buckets(1024, 2, 8), registry=registry,
        )  # fmt: skip

    def wrap(self, handlers: Mapping[str, Method]) -> dict[str, Method]:
        kinds = {kind.service: kind for kind in KINDS}
        wrapped: dict[str, Method] = {}
        for path, method in handlers.items():
            _, service, name = path.split("/")
            labels = _labels(kinds.get(service), path, name)
            if method.kind is UNARY:
                wrapped[path] = Method(UNARY, self._unary(method, labels))
            else:
                wrapped[path] = Method(method.kind, self._stream(method, labels))
        return wrapped

    def watch_observer(self, kind: Kind[Any]) -> "WatchObserver":
        gvr = (kind.group, kind.version, kind.plural)
        return WatchObserver(self.watch_events.labels(*gvr), self.watch_sizes.labels(*gvr))

    def _unary(self, method: Method, labels: Labels) -> Any:
        bound: dict[tuple[str, bool], _Bound] = {}
        clock, fn = self._clock, method.fn
        good = 201 if labels.verb == "POST" else 200

        def find(scope: str, dry_run: bool) -> _Bound:
            found = bound.get((scope, dry_run))
            if found is None:
                found = bound[(scope, dry_run)] = _Bound(self, labels.of(scope), "All" if dry_run else "")
            return found

        async def unary(request: bytes, rpc: RequestContext) -> bytes:
            start, code, size = clock.monotonic(), 500, None
            try:
                answer: bytes = await fn(request, rpc)
                code, size = good, len(answer)
            except ApiError as error:
                code = error.code
                raise
            finally:
                find(labels.scope_of(request), rpc.dry_run).count(code, clock.monotonic() - start, size)
            return answer

        return unary

    def _stream(self, method: Method, labels: Labels) -> Any:
        fn = method.fn

        async def stream(request: Any, rpc: RequestContext) -> AsyncIterator[bytes]:
            bound = labels.of(labels.scope_of(request))
            running, code = self.longrunning.labels(*bound), 200
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
                self.total.labels(bound[0], "", *bound[1:], str(code)).inc()

        return stream


class _Bound:
    """The metrics of one set of labels, so that nothing is looked up for a call."""

    __slots__ = ("_codes", "_duration", "_labels", "_sizes", "_sli", "_total")

    def __init__(self, metrics: RequestMetrics, labels: tuple[str, ...], dry_run: str) -> None:
        self._labels = (labels[0], dry_run, *labels[1:])
        self._total, self._codes = metrics.total, dict[int, Any]()
        self._duration = metrics.duration.labels(*self._labels)
        self._sli, self._sizes = metrics.sli_duration.labels(*labels), metrics.sizes.labels(*labels)

    def count(self, code: int, seconds: float, size: int | None) -> None:
        """A call was answered; `size` is None for a refusal."""
        found = self._codes.get(code)
        if found is None:
            found = self._codes[code] = self._total.labels(*self._labels, str(code))
        found.inc()
        self._duration.observe(seconds)
        self._sli.observe(seconds)
        if size is not None:
            self._sizes.observe(size)


class WatchObserver:
    """Counts what the watches of a kind send."""

    __slots__ = ("_events", "_sizes")

    def __init__(self, events: Counter, sizes: Histogram) -> None:
        self._events, self._sizes = events, sizes

    def __call__(self, events: int, size: int) -> None:
        """A batch was sent."""
        self._events.inc(events)
        self._sizes.observe(size)


def _labels(kind: Kind[Any] | None, path: str, name: str) -> Labels:
    if kind is None and name == "Create":  # of a review
        action = action_of(path)
        return Labels("POST", (action.group, "v1", action.resource), "", "resource")
    if kind is None:  # ManifestService
        return Labels("APPLY" if name == "Apply" else "GET", ("", "v1", "manifests"), "", "resource")
    verb, subresource, scope = _VERBS[name]
    return Labels(verb, (kind.group, kind.version, kind.plural), subresource, scope)
