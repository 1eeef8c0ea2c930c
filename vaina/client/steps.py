"""StepReporter: tells the apiserver which of the seven steps a component has done for a Pod (requirement A8).

Reports never delay the work: `report` returns at once, and `run` sends reports in batches. When too many wait
the reporter drops and counts the oldest. It reports nothing for a Pod whose uid says that it has no trace
(decision 171).
"""

import asyncio
from collections import deque

import structlog

from vaina.api.meta.v1 import meta_pb2
from vaina.api.trace.v1 import trace_pb2, trace_service_pb2
from vaina.client.verbs import PodTraceClient
from vaina.clock import Clock, set_micros
from vaina.errors import ApiError, MethodNotSupported
from vaina.steps import PodStep, may_have_trace

log = structlog.stdlib.get_logger(__name__)

#: reports that wait; more push out the oldest
MAX_WAITING = 5000
#: reports in one call
MAX_BATCH = 500
#: reports that come within this time share a call
GATHER_SECONDS = 0.02
#: after a call with this many reports the next one gathers for longer: a call costs as much as 50 reports
BUSY_REPORTS = 20
BUSY_GATHER_SECONDS = 0.25


class StepReporter:
    """Collects reports; `run` sends them. All users are on one event loop."""

    def __init__(self, client: PodTraceClient, component: str, instance: str, clock: Clock) -> None:
        self._client, self._clock = client, clock
        #: the fields that all records of this reporter share
        self._blank = trace_pb2.StepRecord(component=component, instance=instance)
        self._waiting: deque[trace_service_pb2.StepReport] = deque(maxlen=MAX_WAITING)
        self._wake = asyncio.Event()
        #: the apiserver has no traces: it is another's, behind its REST API
        self._is_off = False
        #: reports that were never sent: pushed out, or refused twice
        self.dropped = 0

    def report(
        self,
        pod_meta: meta_pb2.ObjectMeta,
        step: PodStep,
        start: float,
        end: float | None,
        message: str = "",
        node_name: str = "",
        *,
        wait: bool = False,
    ) -> None:
        """Report a step from `start` to `end` (seconds since the epoch), with a few words of what happened.

        With `wait` it is something that the step waits for. Report it when the wait begins (`end` None), and
        with the same `start` when it is over.
        """
        uid = pod_meta.uid
        if self._is_off or not may_have_trace(uid):
            return
        if len(self._waiting) == MAX_WAITING:
            self.dropped += 1
        # Setting fields costs half as much as passing messages to constructors.
        report = trace_service_pb2.StepReport()
        report.namespace, report.pod_name, report.pod_uid = pod_meta.namespace, pod_meta.name, uid
        report.node_name = node_name
        record = report.record
        record.CopyFrom(self._blank)
        record.step, record.message = step.value, message
        set_micros(record.start_time, start)
        if end is not None:
            set_micros(record.end_time, end)
        if wait:
            report.wait = True
        self._waiting.append(report)
        self._wake.set()

    async def run(self) -> None:
        busy = False
        while True:
            await self._wake.wait()
            await self._clock.sleep(BUSY_GATHER_SECONDS if busy else GATHER_SECONDS)
            self._wake.clear()
            busy = len(self._waiting) >= BUSY_REPORTS
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(MAX_BATCH, len(self._waiting)))]
                await self._send(batch)

    async def _send(self, batch: list[trace_service_pb2.StepReport]) -> None:
        for attempt in range(2):
            try:
                await self._client.report(batch)
            except MethodNotSupported:
                log.info("this cluster keeps no traces: steps are reported no more")
                self._is_off = True
                return
            except ApiError as error:
                log.debug("steps not reported", reports=len(batch), error=error.message)
                if attempt == 0:
                    await self._clock.sleep(1.0)
            else:
                return
        self.dropped += len(batch)
