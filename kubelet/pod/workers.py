"""All workers of a node: one task a uid. Shell.

A worker that has ended is forgotten; a new wish for its uid makes another.
"""

import asyncio
from collections.abc import Callable, Iterable

import structlog

from kubelet.decide.resize import Pending, judge
from kubelet.pod.tools import PodTools
from kubelet.pod.worker import PodWorker
from kubelet.runtime.records import Uid
from vaina.api.core.v1 import pod_pb2
from vaina.backoff import Backoff

_RESTART = Backoff(1.0, 60.0)

log = structlog.stdlib.get_logger(__name__)


class PodWorkers:
    """The pool of workers. Bounded by the node's Pods: admission rejects what is too much."""

    def __init__(
        self,
        tools: PodTools,
        *,
        on_end: Callable[[Uid], None],
        is_crowded: Callable[[pod_pb2.Pod, Iterable[pod_pb2.Pod]], bool],
    ) -> None:
        """Make it empty. `on_end` is told of a worker's end; `is_crowded` says that a Pod has no room."""
        self._tools, self._on_end, self._is_crowded = tools, on_end, is_crowded
        self._workers: dict[Uid, PodWorker] = {}
        self._group: asyncio.TaskGroup | None = None
        self._waiting: list[PodWorker] = []

    def __len__(self) -> int:
        return len(self._workers)

    def __contains__(self, uid: Uid) -> bool:
        return uid in self._workers

    def get(self, uid: Uid) -> PodWorker | None:
        return self._workers.get(uid)

    def all(self) -> Iterable[PodWorker]:
        return tuple(self._workers.values())

    def start(self, pod: pod_pb2.Pod, *, adopted: bool) -> PodWorker:
        uid = Uid(pod.metadata.uid)
        worker = PodWorker(
            pod,
            self._tools,
            adopted=adopted,
            judge=lambda wish: self._judge(uid, wish),
            on_room=self._on_room,
            must_wait=lambda wish: self._must_wait(uid, wish),
        )
        self._workers[worker.uid] = worker
        if self._group is None:
            self._waiting.append(worker)
        else:
            self._group.create_task(self._run(worker), name=f"pod-{worker.uid}")
        return worker

    def _judge(self, uid: Uid, pod: pod_pb2.Pod) -> Pending | None:
        others = [
            worker.allocated_pod
            for worker in self._workers.values()
            if worker.uid != uid and worker.holds_resources
        ]
        return judge(pod, others, self._tools.node.settings.allocatable)

    def _must_wait(self, uid: Uid, pod: pod_pb2.Pod) -> bool:
        """Say whether a Pod waits for the end of Pods that no source has: the node is never overfull (I8)."""
        others = [worker for worker in self._workers.values() if worker.uid != uid and worker.holds_resources]
        if not any(worker.is_gone for worker in others):
            return False
        return self._is_crowded(pod, [worker.allocated_pod for worker in others if worker.may_start])

    def _on_room(self) -> None:
        for worker in self._workers.values():
            if worker.waits_for_room:
                worker.poke()

    def poke(self, uid: Uid) -> None:
        worker = self._workers.get(uid)
        if worker is not None:
            worker.poke()

    def retry_volumes(self, uid: Uid) -> None:
        worker = self._workers.get(uid)
        if worker is not None:
            worker.retry_volumes()

    async def run(self) -> None:
        never = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            self._group = group
            for worker in self._waiting:
                group.create_task(self._run(worker), name=f"pod-{worker.uid}")
            self._waiting.clear()
            await never.wait()

    async def _run(self, worker: PodWorker) -> None:
        failures = 0
        while True:
            try:
                await worker.run()
            except Exception:  # a bug of ours, met by one Pod: the others go on (I20)
                log.exception("pod worker failed; it begins anew", uid=worker.uid)
            else:
                break
            worker.restart()
            await self._tools.clock.sleep(_RESTART.delay(failures))
            failures += 1
        if self._workers.get(worker.uid) is worker:
            del self._workers[worker.uid]
        self._on_room()
        self._on_end(worker.uid)
