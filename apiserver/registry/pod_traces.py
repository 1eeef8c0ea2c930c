"""Pod traces: the seven steps of a Pod, in a record that is kept for an hour after the Pod.

Components report steps in batches (PodTraceService/Report). The apiserver itself reports ADMITTED, through
the bounded queue of `TraceWriter`, so that a create never waits for it. Under load not every Pod has a trace
(`trace_choice`).
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import structlog

from apiserver.registry import metadata
from apiserver.registry.store import Store
from apiserver.registry.strategy import Strategy
from apiserver.registry.trace_choice import TraceChoice
from apiserver.storage import keys
from apiserver.storage.interface import Change, Key, KeyExists, KeyMissing, StorageError, Stored, Version
from vaina.api.core.v1 import pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.api.trace.v1 import trace_pb2, trace_service_pb2
from vaina.clock import Clock, micro_timestamp, timestamp
from vaina.errors import ApiError
from vaina.kinds import POD_TRACE
from vaina.objects.pods import is_mirror
from vaina.steps import PodStep, can_say, may_have_trace

log = structlog.stdlib.get_logger(__name__)

#: how long a trace is kept after its Pod has gone
GONE_TTL_SECONDS = 3600
#: waits that one trace keeps
MAX_WAITS = 20
#: characters of the message of a step or a wait
MAX_MESSAGE = 1024
#: reports waiting to be written; more are dropped
_QUEUE_LIMIT = 5000
#: traces written at once
_WIDTH = 64

_GATHER_SECONDS = 0.1
_ORDER = {step.value: step.number for step in PodStep}

StepReport = trace_service_pb2.StepReport


class PodTraceStrategy(Strategy[trace_pb2.PodTrace]):
    """Traces are records: the store keeps what a client writes."""

    def prepare_for_create(self, obj: trace_pb2.PodTrace, now: float) -> None:
        """The status is the record."""

    def prepare_for_update(self, new: trace_pb2.PodTrace, old: trace_pb2.PodTrace, now: float) -> None:
        """The status is the record."""


def merge_reports(trace: trace_pb2.PodTrace, reports: Iterable[StepReport]) -> None:
    """Add records to a trace, in place, in the order of the steps; of several for a step the first stays."""
    records = {record.step: record for record in trace.status.steps}
    for report in reports:
        if len(report.record.message) > MAX_MESSAGE:
            report.record.message = f"{report.record.message[: MAX_MESSAGE - 1]}…"
        if report.wait:
            _merge_wait(trace, report.record)
        elif report.record.step in _ORDER:
            records.setdefault(report.record.step, report.record)
        if report.node_name and not trace.status.node_name:
            trace.status.node_name = report.node_name
    ordered = sorted(records.values(), key=lambda record: _ORDER.get(record.step, 0))
    copies = [trace_pb2.StepRecord.FromString(record.SerializeToString()) for record in ordered]
    del trace.status.steps[:]
    trace.status.steps.extend(copies)


def _merge_wait(trace: trace_pb2.PodTrace, wait: trace_pb2.StepRecord) -> None:
    for known in trace.status.waits:
        if _same_wait(known, wait):
            known.CopyFrom(wait)
            return
    if wait.step in _ORDER and len(trace.status.waits) < MAX_WAITS:
        trace.status.waits.append(wait)


def _same_wait(one: trace_pb2.StepRecord, other: trace_pb2.StepRecord) -> bool:
    alike = (one.step, one.component, one.message) == (other.step, other.component, other.message)
    return alike and one.start_time == other.start_time


class Traces:
    """Writes reports into traces."""

    def __init__(
        self,
        traces: Store[trace_pb2.PodTrace],
        pods: Store[pod_pb2.Pod],
        clock: Clock,
        new_uid: Any,
        choice: TraceChoice,
    ) -> None:
        self._traces, self._pods, self._clock, self._new_uid = traces, pods, clock, new_uid
        self._choice = choice
        self._storage = traces.storage
        self._prefix = keys.kind_prefix(POD_TRACE)  # type: ignore[arg-type]  # a Kind[PodTrace] is a Kind

    async def record(self, reports: Sequence[StepReport]) -> int:
        """Write reports, one write for each Pod; return how many were written. A failed write is logged."""
        by_pod: dict[tuple[str, str], list[StepReport]] = {}
        for report in reports:
            if report.pod_uid and report.namespace and may_have_trace(report.pod_uid):
                by_pod.setdefault((report.namespace, report.pod_uid), []).append(report)
        # A Pod that was just admitted has no trace yet, so none is read (it would be a read of etcd for each
        # lone create). If there is one all the same, `_begin` finds it.
        old = [pod for pod, group in by_pod.items() if not _is_admitted(group)]
        found = await self._known([self._key(namespace, uid) for namespace, uid in old])
        hints = dict(zip(old, found, strict=True))
        width = asyncio.Semaphore(_WIDTH)

        async def record_one(group: list[StepReport], hint: Stored | None) -> int:
            async with width:
                try:
                    await self._record_pod(group, hint)
                except (ApiError, StorageError) as error:
                    log.warning("trace not recorded", pod=group[0].pod_name, error=str(error))
                    return 0
                return len(group)

        async with asyncio.TaskGroup() as tasks:
            done = [
                tasks.create_task(record_one(group, hints.get(pod)))
                for pod, group in by_pod.items()
                if hints.get(pod) is not None or self._may_begin(group)
            ]
        return sum(task.result() for task in done)

    def _may_begin(self, reports: Sequence[StepReport]) -> bool:
        """Say whether reports of a Pod without a trace begin one. Only chosen Pods have a report ADMITTED."""
        return _is_admitted(reports) or self._choice.take() > 0

    async def _known(self, wanted: Sequence[Key]) -> list[Stored | None]:
        """Return the stored trace of each key, with at most one read: under load most Pods have no trace."""
        peek = self._storage.peek
        found = [peek(key, Version(0)) for key in wanted]
        missing = [index for index, stored in enumerate(found) if stored is None]
        with contextlib.suppress(ApiError):  # the write that follows raises it
            if self._storage.changed(self._prefix) is None:
                # There is no cache.
                return [await self._storage.get(key) for key in wanted]
            if missing:
                # A consistent read leaves the cache as fresh as it is itself.
                found[missing[0]] = await self._storage.get(wanted[missing[0]])
                for index in missing[1:]:
                    found[index] = peek(wanted[index], Version(0))
        return found

    async def mark_gone(self, namespace: str, pod_uid: str) -> None:
        """Store the trace of a Pod that has gone, if there is one, with an hour to live."""
        key = self._key(namespace, pod_uid)
        when = timestamp(self._clock.now())

        def change(current: Stored) -> Change:
            trace = self._decode(current)
            if not trace.status.HasField("pod_deleted_time"):
                trace.status.pod_deleted_time.CopyFrom(when)
            return Change(trace.SerializeToString(deterministic=True), GONE_TTL_SECONDS)

        try:
            await self._storage.guaranteed_update(key, change)
        except KeyMissing:
            return

    async def _record_pod(self, reports: list[StepReport], hint: Stored | None) -> None:
        first = reports[0]
        key = self._key(first.namespace, first.pod_uid)

        def change(current: Stored) -> Change:
            trace = self._decode(current)
            merge_reports(trace, reports)
            return Change(trace.SerializeToString(deterministic=True), current.ttl_seconds)

        if hint is not None:
            with contextlib.suppress(KeyMissing):
                await self._storage.guaranteed_update(key, change, hint=hint)
                return
        await self._begin(key, reports, change)

    async def _begin(self, key: Key, reports: list[StepReport], change: Any) -> None:
        first = reports[0]
        trace = trace_pb2.PodTrace()
        trace.metadata.name, trace.metadata.namespace = first.pod_uid, first.namespace
        trace.spec.pod_name, trace.spec.pod_uid = first.pod_name, first.pod_uid
        now = self._clock.now()
        metadata.prepare_for_create(trace.metadata, self._new_uid(), now)
        merge_reports(trace, reports)
        # A report that comes after the Pod has gone must not make a trace that stays for ever.
        pod = await self._pods.find(first.namespace, first.pod_name)
        gone = pod is None or pod.metadata.uid != first.pod_uid
        if gone:
            trace.status.pod_deleted_time.CopyFrom(timestamp(now))
        try:
            await self._storage.create(
                key,
                trace.SerializeToString(deterministic=True),
                (POD_TRACE.api_version, POD_TRACE.kind),
                ttl_seconds=GONE_TTL_SECONDS if gone else 0,
            )
        except KeyExists:
            await self._storage.guaranteed_update(key, change)

    def _decode(self, stored: Stored) -> trace_pb2.PodTrace:
        trace = self._traces.decode(stored)
        trace.metadata.ClearField("resource_version")
        return trace

    def _key(self, namespace: str, uid: str) -> Key:
        return keys.object_key(self._traces.kind, namespace, uid)


def _is_admitted(reports: Sequence[StepReport]) -> bool:
    return any(report.record.step == PodStep.ADMITTED for report in reports)


class TraceWriter:
    """Records Pods that were created and removed, and writes traces later. Owned by one event loop.

    It drops records when the queue is full, or when more Pods come than are sampled: traces are best effort.
    """

    def __init__(self, clock: Clock, instance: str, choice: TraceChoice) -> None:
        self._clock, self._instance, self._choice = clock, instance, choice
        self._admitted: deque[StepReport] = deque(maxlen=_QUEUE_LIMIT)
        #: namespace and uid: whole Pods might be gigabytes
        self._gone: deque[tuple[str, str]] = deque(maxlen=_QUEUE_LIMIT)
        self._wake = asyncio.Event()

    def uids(self, uids: Sequence[str], meta: meta_pb2.ObjectMeta, warn: Callable[[str], None]) -> list[str]:
        """Choose which of some Pods have a trace; return the uids that say it."""
        return self._choice.uids(uids, meta, warn)

    def wants(self, uid: str) -> bool:
        """Say whether a Pod may have a trace."""
        return may_have_trace(uid)

    def created(self, obj: pod_pb2.Pod, *, started: float) -> None:
        """A Pod was admitted and stored."""
        uid = obj.metadata.uid
        if not may_have_trace(uid) or not (can_say(uid) or self._choice.take()):
            return
        key = f"{obj.metadata.namespace}/{obj.metadata.name}"
        log.info("pod admitted", pod=key, uid=obj.metadata.uid, step=PodStep.ADMITTED)
        report = StepReport(
            namespace=obj.metadata.namespace, pod_name=obj.metadata.name, pod_uid=obj.metadata.uid
        )
        record = report.record
        record.step, record.component, record.instance = PodStep.ADMITTED, "apiserver", self._instance
        record.start_time.CopyFrom(micro_timestamp(started))
        record.end_time.CopyFrom(micro_timestamp(self._clock.now()))
        record.message = "validated and stored"
        self._admitted.append(report)
        self._wake.set()
        if obj.spec.node_name:
            who = "the kubelet, from a manifest of its own" if is_mirror(obj) else "whoever made the pod"
            self.bound(obj, started=self._clock.now(), node=obj.spec.node_name, by=who)

    def bound(self, obj: pod_pb2.Pod, *, started: float, node: str, by: str) -> None:
        """A Pod was bound by a client that reports no steps: a person, another scheduler, its maker."""
        meta = obj.metadata
        if not may_have_trace(meta.uid):
            return
        report = StepReport(namespace=meta.namespace, pod_name=meta.name, pod_uid=meta.uid, node_name=node)
        record = report.record
        record.step, record.component, record.instance = PodStep.SCHEDULED, "apiserver", self._instance
        record.start_time.CopyFrom(micro_timestamp(started))
        record.end_time.CopyFrom(micro_timestamp(self._clock.now()))
        record.message = f"{node}, by {by}"
        self._admitted.append(report)
        self._wake.set()

    def removed(self, obj: pod_pb2.Pod) -> None:
        """A Pod has gone."""
        if may_have_trace(obj.metadata.uid):
            self._gone.append((obj.metadata.namespace, obj.metadata.uid))
            self._wake.set()

    async def run(self, traces: Traces) -> None:
        """Write until cancelled. It gathers records first, because each write costs a read of storage."""
        written = float("-inf")
        while True:
            await self._wake.wait()
            soon = written + _GATHER_SECONDS - self._clock.monotonic()
            if soon > 0:
                await self._clock.sleep(soon)
            self._wake.clear()
            await self.flush(traces)
            written = self._clock.monotonic()

    async def flush(self, traces: Traces) -> None:
        """Write all records that wait."""
        while self._admitted or self._gone:
            batch = [self._admitted.popleft() for _ in range(min(len(self._admitted), _WIDTH))]
            await traces.record(batch)
            for _ in range(min(len(self._gone), _WIDTH)):
                try:
                    await traces.mark_gone(*self._gone.popleft())
                except (ApiError, StorageError) as error:
                    log.warning("trace of a gone pod not kept", error=str(error))
