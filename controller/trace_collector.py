"""Removes traces that were left behind, as when the apiserver was killed between a Pod's end and the trace's.

Usually the apiserver lets them expire an hour after their Pod. The collector reads all of them every ten
minutes, page by page, and keeps none.
"""

from collections.abc import Collection, Sequence

import structlog

from controller.base import Controller, Tools, delete
from vaina.api.trace.v1 import trace_pb2
from vaina.cache.informer import InformerFactory
from vaina.clock import seconds_of
from vaina.kinds import POD

log = structlog.stdlib.get_logger(__name__)

_KEY = "traces"
PAGE = 500
PERIOD_SECONDS = 600.0
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


class TraceCollector(Controller):
    """Removes traces that were left behind."""

    name = "trace-collector"

    def __init__(self, tools: Tools, factory: InformerFactory) -> None:
        self._pods = factory.informer(POD)
        super().__init__(Tools(tools.clock, tools.metrics, workers=1), (self._pods,))
        self._traces = factory.clientset.pod_traces
        # Not at once: a start has more urgent work.
        self.queue.add_after(_KEY, PERIOD_SECONDS)

    async def sync(self, key: str) -> float | None:
        token, removed = "", 0
        while True:
            page = await self._traces.list_page(limit=PAGE, continue_token=token)
            uids = {pod.metadata.uid for pod in self._pods.lister.list()}
            for trace in reconcile(page.items, uids, now=self.clock.now()):
                meta = trace.metadata
                removed += await delete(self._traces, meta, resource_version=meta.resource_version)
            token = page.continue_token
            if not token:
                break
        if removed:
            log.info("traces removed", traces=removed)
        return PERIOD_SECONDS
