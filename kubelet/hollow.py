"""Many hollow kubelets in one process, for load and simulation: all real but the runtime, which runs nothing."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import structlog

from kubelet.kubelet import Kubelet
from kubelet.machine.capacity import Resources
from kubelet.machine.machine import Machine
from kubelet.runtime.interface import Runtime
from kubelet.server.service import KubeletService
from kubelet.tasks import Job
from vaina.api.core.v1 import pod_pb2
from vaina.clock import Clock
from vaina.errors import NotFound

log = structlog.stdlib.get_logger(__name__)

#: nodes that register at once
_AT_ONCE = 50


def hollow_machine(name: str) -> Machine:
    """Return the machine that a hollow node says it is: that of upstream's scheduler benchmarks."""
    resources = Resources(cpu_millis=32_000, memory_bytes=256 * 1024**3, pods=110)
    return Machine(name, name, name, "0.0.0", "hollow", "amd64", resources)


class Silent:
    """Takes events and steps, and drops them."""

    def event(self, obj: Any, type: str, reason: str, message: str, *, field_path: str = "") -> None:
        return

    def report(self, *_: Any, **__: Any) -> None:
        return


@dataclass(frozen=True, slots=True)
class HollowNode:
    """One hollow node of the process."""

    name: str
    kubelet: Kubelet
    runtime: Runtime
    #: what runs beside its kubelet, for it alone
    jobs: tuple[Job, ...] = ()


class HollowNodes:
    """The hollow nodes of a process. Owned by its build."""

    def __init__(self, count: int, make: Callable[[int], Awaitable[HollowNode]]) -> None:
        self._count, self._make = count, make
        self.nodes: dict[str, HollowNode] = {}

    async def run(self) -> None:
        slots = asyncio.Semaphore(_AT_ONCE)
        async with asyncio.TaskGroup() as group:
            for index in range(self._count):
                await slots.acquire()
                node = await self._make(index)
                self.nodes[node.name] = node
                group.create_task(node.kubelet.run(), name=node.name)
                for job in node.jobs:
                    group.create_task(job())
                group.create_task(self._release(node, slots))
            log.info("hollow nodes made", nodes=self._count)

    async def _release(self, node: HollowNode, slots: asyncio.Semaphore) -> None:
        await node.kubelet.wait_registered()
        slots.release()

    def service(self, clock: Clock) -> KubeletService:
        """Return the one KubeletService of all nodes: it finds the node of a Pod, and asks its runtime."""
        return KubeletService(self._runtime_of, clock, pods=self._pods)

    def _pods(self) -> tuple[pod_pb2.Pod, ...]:
        return tuple(worker.pod for node in self.nodes.values() for worker in node.kubelet.workers.all())

    def _runtime_of(self, pod: pod_pb2.Pod) -> Runtime:
        node = self.nodes.get(pod.spec.node_name)
        if node is None:
            raise NotFound(f'nodes "{pod.spec.node_name}" not found', kind="nodes", name=pod.spec.node_name)
        return node.runtime
