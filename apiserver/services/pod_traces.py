"""What the PodTrace service has besides the verbs of every kind: the report of steps."""

from apiserver.registry.pod_traces import Traces
from vaina.api.trace.v1 import trace_service_pb2
from vaina.kinds import POD_TRACE
from vaina.serving.handlers import Method, RequestContext, typed

#: reports of one call that are looked at; the others are not recorded
MAX_REPORTS = 1000


def trace_handlers(traces: Traces) -> dict[str, Method]:
    """Return the methods by full path."""

    async def report(
        request: trace_service_pb2.ReportRequest, rpc: RequestContext
    ) -> trace_service_pb2.ReportResponse:
        recorded = await traces.record(list(request.reports[:MAX_REPORTS]))
        return trace_service_pb2.ReportResponse(recorded=recorded)

    return {POD_TRACE.method("Report"): typed(report, trace_service_pb2.ReportRequest)}
