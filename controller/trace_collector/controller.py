"""The shell of the trace collector: every ten minutes it reads all traces page by page, and keeps none."""

import structlog

from controller.base import Controller, Tools, delete
from controller.trace_collector.reconcile import reconcile
from vaina.cache.informer import InformerFactory
from vaina.kinds import POD

log = structlog.stdlib.get_logger(__name__)

_KEY = "traces"
PAGE = 500
PERIOD_SECONDS = 600.0


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
