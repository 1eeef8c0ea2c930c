"""The shell of the trace collector: looks every ten minutes, at one page of traces after the other.

It keeps no copy of them.
"""

import structlog

from controller.base import Controller, Tools
from controller.trace_collector.reconcile import reconcile
from vaina.cache.factory import InformerFactory
from vaina.errors import Conflict, NotFound
from vaina.kinds import POD

log = structlog.stdlib.get_logger(__name__)

_KEY = "traces"
PAGE = 500


class TraceCollector(Controller):
    """Removes traces that were left behind."""

    name = "trace-collector"

    def __init__(self, tools: Tools, factory: InformerFactory, *, period_seconds: float = 600.0) -> None:
        self._pods = factory.informer(POD)
        super().__init__(Tools(tools.clock, tools.metrics, workers=1), (self._pods,))
        self._traces, self._period = factory.clientset.pod_traces, period_seconds
        # Not at once: a start has better things to do.
        self.queue.add_after(_KEY, period_seconds)

    async def sync(self, key: str) -> float | None:
        token, removed = "", 0
        while True:
            page = await self._traces.list_page(limit=PAGE, continue_token=token)
            uids = {pod.metadata.uid for pod in self._pods.lister.list()}
            for trace in reconcile(page.items, uids, now=self.clock.now()):
                meta = trace.metadata
                try:
                    await self._traces.delete(
                        meta.name, meta.namespace, resource_version=meta.resource_version
                    )
                except (NotFound, Conflict):
                    continue
                removed += 1
            token = page.continue_token
            if not token:
                break
        if removed:
            log.info("traces removed", traces=removed)
        return self._period
