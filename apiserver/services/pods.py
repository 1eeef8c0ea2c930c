"""What the services of Pods and PodTraces have besides the verbs of every kind.

These are binding, eviction, the streams of a running Pod, and the report of steps.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial

from apiserver.admission.node_restriction import NodeRestriction
from apiserver.authorization.checks import Check, Checks
from apiserver.context import Context
from apiserver.registry.binding import Binder
from apiserver.registry.deletion import DeleteOptions
from apiserver.registry.eviction import Evictor
from apiserver.registry.pod_traces import Traces, TraceWriter
from apiserver.registry.streams import PodStreams
from apiserver.services.generic import MAX_BATCH
from apiserver.services.requests import context_of, note
from apiserver.storage.interface import Stored
from vaina.api.core.v1 import pod_service_pb2, pod_stream_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.api.trace.v1 import trace_service_pb2
from vaina.clock import Clock
from vaina.errors import ApiError, BadRequest, Forbidden, TooLarge
from vaina.kinds import POD, POD_TRACE, SERVICE
from vaina.serving.handlers import BIDI, UNARY, Method, RequestContext, decode, typed, typed_stream

EvictRequest = pod_service_pb2.EvictPodRequest

#: the scheduler's own user agent
_SCHEDULER = "vaina-scheduler"
_SUCCESS = meta_pb2.Status(status="Success")


def _answer(status: meta_pb2.Status) -> bytes:
    """Return the answer to one binding, as a part of the answer to a batch."""
    return pod_service_pb2.BindPodBatchResponse(results=[status]).SerializeToString()


_BOUND = _answer(_SUCCESS)


def _evict_with(
    evictor: Evictor, may: Check, restriction: NodeRestriction
) -> Callable[[EvictRequest, RequestContext], Awaitable[meta_pb2.Status]]:
    async def evict(request: EvictRequest, rpc: RequestContext) -> meta_pb2.Status:
        eviction = request.eviction
        given, meta = eviction.delete_options, eviction.metadata
        may(rpc, meta.namespace, meta.name)
        ctx = context_of(rpc, "create", request.options)
        if given.dry_run:
            tried = context_of(rpc, "create", dry_run=given.dry_run)
            if request.options.dry_run and list(request.options.dry_run) != list(given.dry_run):
                raise BadRequest(
                    f"Non-matching dry-run options in request and content: {[*request.options.dry_run]} and "
                    f"{[*given.dry_run]}"
                )
            ctx = replace(ctx, dry_run=tried.dry_run)
        options = DeleteOptions(
            given.grace_period_seconds if given.HasField("grace_period_seconds") else None,
            given.preconditions.uid, given.preconditions.resource_version, given.propagation_policy,
            given.ignore_store_read_error_with_cluster_breaking_potential,
        )  # fmt: skip
        await restriction.check_eviction(ctx, meta.namespace, meta.name)
        await evictor.evict(ctx, meta.namespace, meta.name, options)
        return _SUCCESS

    return evict


def _by(rpc: RequestContext) -> str:
    """Say who binds: by hand, with which program; "" for the scheduler."""
    agent = next((str(value) for key, value in rpc.metadata if key == "user-agent"), "")
    if agent.startswith(_SCHEDULER):
        return ""
    return f"hand ({agent.partition(' ')[0]})" if agent else "hand"


class _Bindings:
    """Pods that are given their nodes, with it in their traces who did that."""

    def __init__(self, binder: Binder, traces: TraceWriter, clock: Clock, may: Check) -> None:
        self._binder, self._traces, self._clock, self._may = binder, traces, clock, may

    async def bind(self, request: pod_service_pb2.BindPodRequest, rpc: RequestContext) -> meta_pb2.Status:
        started, ctx = self._clock.now(), context_of(rpc, "create", request.options)
        [bound] = await self._binder.bind_all(ctx, [request.binding], self._may.batch(rpc))
        if isinstance(bound, ApiError):
            raise bound
        self._tell([bound], rpc, ctx, started)
        return _SUCCESS

    async def bind_batch(self, data: bytes, rpc: RequestContext) -> bytes:
        request = decode(pod_service_pb2.BindPodBatchRequest, data)
        if len(request.bindings) > MAX_BATCH:
            raise TooLarge(f"Request entity too large: a batch may have at most {MAX_BATCH} items")
        started, ctx = self._clock.now(), context_of(rpc, "create", request.options)
        results = await self._binder.bind_all(ctx, request.bindings, self._may.batch(rpc))
        note(rpc, POD, results)
        self._tell(results, rpc, ctx, started)
        # Encoded messages one after the other are one message.
        return b"".join([
            _answer(item.to_status()) if isinstance(item, ApiError) else _BOUND for item in results
        ])  # fmt: skip

    def _tell(
        self, bound: Sequence[Stored | ApiError], rpc: RequestContext, ctx: Context, started: float
    ) -> None:
        # The scheduler tells of it itself.
        if ctx.dry_run or not (who := _by(rpc)):
            return
        for item in bound:
            if not isinstance(item, ApiError):
                pod = self._binder.decode(item)
                self._traces.bound(pod, started=started, node=pod.spec.node_name, by=who)


def pod_handlers(
    binder: Binder,
    evictor: Evictor,
    streams: PodStreams,
    traces: TraceWriter,
    clock: Clock,
    checks: Checks,
    restriction: NodeRestriction,
) -> dict[str, Method]:
    """Return the methods by full path."""
    names = ("Bind", "Evict", "Logs", "Exec", "Attach", "PortForward")
    may = {name: checks.of(POD.method(name)) for name in names}
    may_proxy = checks.proxy(POD.method("Proxy"))
    may_proxy_to_service = checks.proxy(SERVICE.method("Proxy"))
    bindings = _Bindings(binder, traces, clock, may["Bind"])

    def logs(
        request: pod_stream_pb2.PodLogRequest, rpc: RequestContext
    ) -> AsyncGenerator[pod_stream_pb2.PodLogResponse, None]:
        may["Logs"](rpc, request.namespace, request.name)
        return streams.logs(request, rpc.user)

    def run(requests: AsyncIterator[bytes], rpc: RequestContext) -> AsyncIterator[bytes]:
        return streams.exec(requests, rpc.user, partial(may["Exec"], rpc), rpc.checked)

    def attach(requests: AsyncIterator[bytes], rpc: RequestContext) -> AsyncIterator[bytes]:
        return streams.attach(requests, rpc.user, partial(may["Attach"], rpc), rpc.checked)

    def proxy(requests: AsyncIterator[bytes], rpc: RequestContext) -> AsyncIterator[bytes]:
        return streams.proxy(requests, rpc.user, partial(may_proxy, rpc))

    def proxy_to_service(requests: AsyncIterator[bytes], rpc: RequestContext) -> AsyncIterator[bytes]:
        return streams.proxy_to_service(requests, rpc.user, partial(may_proxy_to_service, rpc))

    def port_forward(requests: AsyncIterator[bytes], rpc: RequestContext) -> AsyncIterator[bytes]:
        return streams.port_forward(requests, rpc.user, partial(may["PortForward"], rpc), rpc.checked)

    return {
        POD.method("Bind"): typed(bindings.bind, pod_service_pb2.BindPodRequest),
        POD.method("BindBatch"): Method(UNARY, bindings.bind_batch),
        POD.method("Evict"): typed(_evict_with(evictor, may["Evict"], restriction), EvictRequest),
        POD.method("Logs"): typed_stream(logs, pod_stream_pb2.PodLogRequest),
        POD.method("Exec"): Method(BIDI, run),
        POD.method("Attach"): Method(BIDI, attach),
        POD.method("PortForward"): Method(BIDI, port_forward),
        POD.method("Proxy"): Method(BIDI, proxy),
        SERVICE.method("Proxy"): Method(BIDI, proxy_to_service),
    }


#: reports of one call that are looked at; the others are not recorded
MAX_REPORTS = 1000


def trace_handlers(traces: Traces, checks: Checks) -> dict[str, Method]:
    """Return the methods by full path."""
    check = checks.of(POD_TRACE.method("Report"))

    async def report(
        request: trace_service_pb2.ReportRequest, rpc: RequestContext
    ) -> trace_service_pb2.ReportResponse:
        may, allowed, refused = check.batch(rpc), list[trace_service_pb2.StepReport](), None
        for one in request.reports[:MAX_REPORTS]:
            try:
                may(one.namespace, one.pod_uid)
                allowed.append(one)
            except Forbidden as error:
                refused = error
        # A node may still tell of a Pod that is no longer its own: that must not cost its other reports.
        if refused is not None and not allowed:
            raise refused
        recorded = await traces.record(allowed)
        return trace_service_pb2.ReportResponse(recorded=recorded)

    return {POD_TRACE.method("Report"): typed(report, trace_service_pb2.ReportRequest)}
