"""PURE: which traces were left behind, as when the apiserver was killed between a Pod's end and the trace's."""

from collections.abc import Collection, Sequence

from vaina.api.trace.v1 import trace_pb2
from vaina.clock import seconds_of

#: how long a trace outlives its Pod
KEEP_SECONDS = 3600.0


def reconcile(
    traces: Sequence[trace_pb2.PodTrace], pod_uids: Collection[str], *, now: float
) -> tuple[trace_pb2.PodTrace, ...]:
    """Return the traces to delete: of no Pod, not marked, and with the last step an hour ago."""
    return tuple(
        trace
        for trace in traces
        if trace.metadata.name not in pod_uids
        and not trace.status.HasField("pod_deleted_time")
        and now - _last(trace) > KEEP_SECONDS
    )


def _last(trace: trace_pb2.PodTrace) -> float:
    ends = [seconds_of(step.end_time) for step in trace.status.steps]
    return max([*ends, seconds_of(trace.metadata.creation_timestamp)])
