"""Pods' statuses on their way to the apiserver: without repeats, in order, in batches, again when lost. Shell.

Only the newest status of a Pod waits, so the queue is bounded by the node's Pods. A Pod that has ended is
deleted after its last status was written, with grace 0 and its uid as precondition. Follows
`pkg/kubelet/status/status_manager.go`.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from kubelet.decide.status import STATUS_MASK
from kubelet.metrics import KubeletMetrics
from kubelet.runtime.records import Uid
from kubelet.sources.static_files import is_static
from kubelet.status.sinks import StepSink
from vaina.api.core.v1 import pod_pb2
from vaina.backoff import Backoff
from vaina.client.verbs import PodClient
from vaina.clock import Clock
from vaina.errors import ApiError, Conflict, NotFound
from vaina.objects.meta import key_of
from vaina.steps import SHORT_SECONDS, PodStep

log = structlog.stdlib.get_logger(__name__)

MAX_BATCH = 64
PARALLEL = 4


@dataclass(slots=True)
class _Entry:
    """What is reported of one Pod, and what the apiserver has of it."""

    pod: pod_pb2.Pod
    status: pod_pb2.PodStatus
    #: when it was put in; of the newest
    since: float
    #: what the apiserver has of ours, as far as is known
    written: pod_pb2.PodStatus | None = None
    #: it ended: the object is to go
    finished: bool = False
    #: uid of the object of which the first Running was reported as a step: a mirror Pod may be made anew
    told_of: str = ""
    #: why the last write failed; "": it did not
    refused: str = ""
    #: what the apiserver showed while a write was under way: looked at when that has ended
    shown: pod_pb2.Pod | None = None


class StatusManager:
    """Owned by the kubelet; one event loop. Several hollow kubelets may share one."""

    def __init__(
        self,
        client: PodClient,
        clock: Clock,
        *,
        steps: StepSink,
        node_name: str,
        metrics: KubeletMetrics,
        backoff: Backoff,
        rng: random.Random | None = None,
    ) -> None:
        self._client, self._clock, self._steps = client, clock, steps
        self._node_name, self._metrics, self._backoff, self._rng = node_name, metrics, backoff, rng
        self._failures = 0
        self._entries: dict[Uid, _Entry] = {}
        #: what shows a static Pod in the API, by the static Pod's uid: its status is written there
        self._mirrors: dict[Uid, pod_pb2.Pod] = {}
        #: uids whose newest is not written, in the order in which they came
        self._pending: dict[Uid, None] = {}
        #: uids in a call that is under way: theirs wait, so that each Pod's statuses stay in order
        self._busy: set[Uid] = set()
        self._wake = asyncio.Event()

    def set(self, pod: pod_pb2.Pod, status: pod_pb2.PodStatus) -> None:
        """Report the Pod's status, soon, unless it is what was reported last."""
        uid = Uid(pod.metadata.uid)
        entry = self._entries.get(uid)
        if entry is None:
            entry = self._entries[uid] = _Entry(pod, status, self._clock.now())
            entry.told_of = uid if pod.status.phase not in {"", "Pending"} else ""
            if _same(status, self._mirrors.get(uid, pod).status):
                entry.written = status
                return
        else:
            entry.pod = pod
            if entry.status == status:
                return
            entry.status, entry.since = status, self._clock.now()
        self._queue(uid)

    def shown(self, pod: pod_pb2.Pod) -> pod_pb2.PodStatus:
        """Return what the API says of a Pod; of a static Pod, what its mirror says, once that is known."""
        return self._mirrors.get(Uid(pod.metadata.uid), pod).status

    def finish(self, pod: pod_pb2.Pod) -> None:
        """Delete the object once its last status is written: nothing of the Pod runs any more."""
        entry = self._entries.get(Uid(pod.metadata.uid))
        if entry is not None and not entry.finished:
            entry.finished = True
            self._queue(Uid(pod.metadata.uid))

    def reconcile(self, pod: pod_pb2.Pod) -> None:
        """Write again when the apiserver's status is not what was written: others may change it."""
        uid = Uid(pod.metadata.uid)
        entry = self._entries.get(uid)
        if entry is not None:
            self._compare(uid, entry, pod)

    def _compare(self, uid: Uid, entry: _Entry, shown: pod_pb2.Pod) -> None:
        if uid in self._busy:
            # Only the answer will show whether it is older or newer than what is being written.
            entry.shown = shown
        elif not _same(entry.status, shown.status):
            entry.written = None
            self._queue(uid)

    def mirrored(self, uid: Uid, mirror: pod_pb2.Pod | None) -> None:
        """Write a static Pod's status to its mirror Pod from now on; None: there is none, so it waits."""
        if mirror is None:
            self._mirrors.pop(uid, None)
            return
        self._mirrors[uid] = mirror
        entry = self._entries.get(uid)
        if entry is not None:
            self._compare(uid, entry, mirror)

    def _target(self, uid: Uid, entry: _Entry) -> pod_pb2.Pod | None:
        return self._mirrors.get(uid) if is_static(entry.pod.metadata) else entry.pod

    def forget(self, uid: Uid) -> None:
        self._entries.pop(uid, None)
        self._mirrors.pop(uid, None)
        self._pending.pop(uid, None)

    def _queue(self, uid: Uid) -> None:
        self._pending[uid] = None
        self._wake.set()

    async def run(self) -> None:
        slots = asyncio.Semaphore(PARALLEL)
        async with asyncio.TaskGroup() as group:
            while True:
                await self._wake.wait()
                await slots.acquire()
                batch = [uid for uid in self._pending if uid not in self._busy][:MAX_BATCH]
                if not batch:
                    slots.release()
                    self._wake.clear()
                    continue
                for uid in batch:
                    del self._pending[uid]
                self._busy.update(batch)
                group.create_task(self._send(batch, slots))

    async def _send(self, batch: Sequence[Uid], slots: asyncio.Semaphore) -> None:
        try:
            await self._write(batch)
        finally:
            self._busy.difference_update(batch)
            for uid in batch:
                entry = self._entries.get(uid)
                if entry is not None and entry.shown is not None:
                    shown, entry.shown = entry.shown, None
                    self._compare(uid, entry, shown)
            slots.release()
            self._wake.set()

    def _changes(self, batch: Sequence[Uid]) -> list[tuple[Uid, _Entry, pod_pb2.PodStatus, pod_pb2.Pod]]:
        return [
            (uid, entry, entry.status, target)
            for uid in batch
            if (entry := self._entries.get(uid)) is not None
            and entry.written != entry.status
            and (target := self._target(uid, entry)) is not None
        ]

    async def _write(self, batch: Sequence[Uid]) -> None:
        changes = self._changes(batch)
        failed: list[ApiError] = []
        if changes:
            begun, sent = self._clock.monotonic(), self._clock.now()
            results = await self._call([(target, status) for _, _, status, target in changes])
            for change, result in zip(changes, results, strict=True):
                if not self._settle(*change, sent, result) and isinstance(result, ApiError):
                    failed.append(result)
            self._metrics.status_sync.observe(self._clock.monotonic() - begun)
            if failed:
                log.warning("statuses not written", pods=len(failed), error=failed[0].message)
        ended = [
            (uid, entry)
            for uid in batch
            if (entry := self._entries.get(uid)) is not None
            and entry.finished
            and entry.written == entry.status
        ]
        if ended:
            failed.extend(await self._delete(ended))
        self._failures = self._failures + 1 if failed else 0
        if failed:
            await self._clock.sleep(self._backoff.delay(self._failures - 1, self._rng))

    def _settle(
        self,
        uid: Uid,
        entry: _Entry,
        status: pod_pb2.PodStatus,
        target: pod_pb2.Pod,
        sent: float,
        result: pod_pb2.Pod | ApiError,
    ) -> bool:
        """Note how a write ended that began at `sent`; False: it failed, and is due again."""
        now_target = self._target(uid, entry)
        if now_target is not None and now_target.metadata.uid != target.metadata.uid:
            # Meanwhile another mirror Pod shows it, and has heard nothing.
            self._pending[uid] = None
        elif not isinstance(result, ApiError):
            if entry.shown is not None and _version(entry.shown) <= _version(result):
                entry.shown = None
            self._written(entry, status, sent)
        elif isinstance(result, NotFound | Conflict):
            # The object is gone, or another Pod has its name: this status is not needed.
            entry.written = status
        else:
            self._pending[uid] = None
            entry.refused = result.message
            return False
        return True

    async def _call(
        self, changes: Sequence[tuple[pod_pb2.Pod, pod_pb2.PodStatus]]
    ) -> Sequence[pod_pb2.Pod | ApiError]:
        objects = [_with_status(pod, status) for pod, status in changes]
        try:
            if len(objects) == 1:
                return [await self._client.update_status(objects[0], mask=STATUS_MASK)]
            return await self._client.update_status_batch([(item, STATUS_MASK) for item in objects])
        except ApiError as error:
            return [error] * len(objects)

    def _written(self, entry: _Entry, status: pod_pb2.PodStatus, sent: float) -> None:
        entry.written, refused, entry.refused = status, entry.refused, ""
        meta, now = self._mirrors.get(Uid(entry.pod.metadata.uid), entry.pod).metadata, self._clock.now()
        if entry.told_of == meta.uid or status.phase in {"", "Pending"}:
            return
        entry.told_of = meta.uid
        node = entry.pod.spec.node_name or self._node_name
        if sent - entry.since > SHORT_SECONDS:
            words = f"another try: {refused}" if refused else "its turn among the node's writes of statuses"
            self._steps.report(meta, PodStep.REPORTED, entry.since, sent, words, node, wait=True)
        self._steps.report(meta, PodStep.REPORTED, entry.since, now, status.phase, node)

    async def _delete(self, ended: Sequence[tuple[Uid, _Entry]]) -> list[ApiError]:
        """Delete Pods that have ended; return why some were not, which are due again."""
        metas = [entry.pod.metadata for _, entry in ended]
        results: Sequence[pod_pb2.Pod | ApiError]
        try:
            if len(metas) == 1:
                one = metas[0]
                results = [
                    await self._client.delete(one.name, one.namespace, grace_period_seconds=0, uid=one.uid)
                ]
            else:
                results = await self._client.delete_batch(
                    [(meta.namespace, meta.name, meta.uid) for meta in metas], grace_period_seconds=0
                )
        except ApiError as error:
            results = [error] * len(metas)
        failed: list[ApiError] = []
        for (uid, _), meta, result in zip(ended, metas, results, strict=True):
            if isinstance(result, NotFound | Conflict):
                continue
            if isinstance(result, ApiError):
                log.warning("ended pod not deleted", pod=meta.name, uid=uid, error=result.message)
                self._pending[uid] = None
                failed.append(result)
                continue
            # Gone; or kept by a finalizer, in which case nothing of ours is left to say.
            log.info("pod deleted", pod=key_of(meta), uid=uid)
        return failed


def _version(pod: pod_pb2.Pod) -> int:
    """Return a Pod's version as a number (apimachinery, `pkg/util/resourceversion`)."""
    return int(pod.metadata.resource_version or 0)


def _with_status(pod: pod_pb2.Pod, status: pod_pb2.PodStatus) -> pod_pb2.Pod:
    out = pod_pb2.Pod(status=status)
    meta = pod.metadata
    out.metadata.name, out.metadata.namespace, out.metadata.uid = meta.name, meta.namespace, meta.uid
    return out


def _same(ours: pod_pb2.PodStatus, theirs: pod_pb2.PodStatus) -> bool:
    """Say whether the apiserver's status says what ours does, in the kubelet's fields and conditions."""
    conditions = {item.type: item for item in theirs.conditions}
    # One without a status is to be taken away.
    if any(conditions.get(item.type) != (item if item.status else None) for item in ours.conditions):
        return False
    return all(getattr(ours, name) == getattr(theirs, name) for name in STATUS_MASK if name != "conditions")
