"""A node: a hollow runtime that outlives its kubelets, and the way of one kubelet process to it."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry

from kubelet.build import Outlets, build_kubelet
from kubelet.config import KubeletConfig
from kubelet.hollow import hollow_machine
from kubelet.kubelet import Kubelet
from kubelet.metrics import KubeletMetrics
from kubelet.pod.directory import PodFiles
from kubelet.runtime.hollow.program import FOREVER, Delay, Stages
from kubelet.runtime.hollow.runtime import HollowImages, HollowRuntime
from kubelet.runtime.interface import RuntimeUnavailable
from kubelet.runtime.records import Uid
from kubelet.runtimes import NodeRuntime
from kubelet.status.manager import StatusManager
from kubelet.volumes.interface import ApiObjects, Volumes
from kubelet.volumes.manager import VolumeManager
from kubelet.volumes.tasks import volume_tasks
from tests.simulation.checks.nodes import NodeState, Verb
from vaina.backoff import Backoff
from vaina.client.clientset import Clientset
from vaina.client.events import EventRecorder
from vaina.client.steps import StepReporter
from vaina.testing.loop import LoopClock

if TYPE_CHECKING:
    from tests.simulation.world import World

STAGES = Stages(
    run_sandbox=Delay(0.02, 0.2), create_container=Delay(0.0, 0.05), start_container=Delay(0.02, 0.2),
    stop_container=Delay(0.0, 0.5),
)  # fmt: skip
#: what a node has for Pods
CPU, MEMORY, PODS = "2", "4Gi", 8
_CHANGES = (
    "run_pod_sandbox", "stop_pod_sandbox", "remove_pod_sandbox", "create_container", "start_container",
    "stop_container", "remove_container",
)  # fmt: skip


class Engine:
    """What one kubelet process has of its node's runtime.

    A call that is given up goes on, as the interface says.
    """

    def __init__(self, node: "SimulatedNode", rng: random.Random) -> None:
        self._node, self._rng = node, rng
        self._dead = False
        for verb in _CHANGES:
            setattr(self, verb, self._changing(verb))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._node.runtime, name)

    def die(self) -> None:
        """The kubelet is gone: it asks for nothing any more."""
        self._dead = True

    def _changing(self, verb: str) -> Callable[..., Awaitable[Any]]:
        async def call(*args: Any, **kwargs: Any) -> Any:
            world = self._node.world
            if self._dead:
                raise RuntimeUnavailable("the kubelet has ended")
            if self._rng.random() < world.faults.engine_refuses:
                world.on_fault("engine-refuses", f"{self._node.name} {verb}")
                raise RuntimeUnavailable("Cannot connect to the engine")
            task = asyncio.get_running_loop().create_task(self._node.perform(verb, args, kwargs))
            task.add_done_callback(_seen)
            result = await asyncio.shield(task)
            if self._rng.random() < world.faults.engine_silent:
                world.on_fault("engine-silent", f"{self._node.name} {verb}")
                raise RuntimeUnavailable("the connection to the engine was lost")
            return result

        return call


def _seen(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()


class SimulatedNode:
    """Owned by a world."""

    def __init__(self, world: "World", index: int) -> None:
        self.world, self.name = world, f"node-{index}"
        self._index = index
        self.rng = random.Random(f"node {world.story.seed} {index}")
        #: the engine's; the kubelet's may go wrong
        self._clock = LoopClock()
        network = IPv4Network(f"10.128.{index}.0/24")
        self.runtime = HollowRuntime(self._clock, self.rng, stages=STAGES, cidr=network)
        self._images = HollowImages(self._clock, self.rng, STAGES)

    def state(self) -> NodeState:
        """Return what there is, without waiting."""
        now = self._clock.now()
        containers = [item.state(now) for item in self.runtime._containers.values()]
        return NodeState([*self.runtime._sandboxes.values()], containers)

    async def perform(self, verb: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Do what a kubelet asked for; it is judged before and after."""
        await self._judge(Verb("before", self.name, verb, _subject(args), kwargs.get("grace_seconds", 0.0)))
        try:
            result = await getattr(self.runtime, verb)(*args, **kwargs)
            if verb == "start_container" and self.rng.random() < self.world.faults.container_fails:
                self._fail(_subject(args))
        finally:
            await self._judge(Verb("after", self.name, verb, _subject(args)))
        return result

    def _fail(self, container_id: str) -> None:
        """Have a container that would end by itself end badly."""
        container = self.runtime._containers.get(container_id)
        if (
            container is not None
            and container.program.runs_seconds != FOREVER
            and container.is_running(self._clock.now())
        ):
            self.world.on_fault("container-fails", f"{self.name} {container_id}")
            container.exit_code = 1

    async def _judge(self, verb: Verb) -> None:
        await self.world.on_verb(verb)

    async def kubelet(self, client: Clientset, engine: Engine, clock: LoopClock, rng: random.Random) -> None:
        """Be the node's kubelet until cancelled."""
        metrics = KubeletMetrics(CollectorRegistry(), clock)
        events = EventRecorder(client.events, "kubelet", self.name, clock)
        steps = StepReporter(client.pod_traces, "kubelet", self.name, clock)
        status = StatusManager(
            client.pods, clock, steps=steps, node_name=self.name, metrics=metrics, backoff=Backoff(0.3, 5.0, jitter=0.5),
            rng=rng,
        )  # fmt: skip
        disks = self.world.disks
        volumes = Volumes() if disks is None else VolumeManager(disks.of(self.name), ApiObjects(client))
        parts = NodeRuntime(engine, self._images, volumes, PodFiles(), None)  # type: ignore[arg-type]  # an Engine is a Runtime
        config = KubeletConfig(
            node_name=self.name, capacity_cpu=CPU, capacity_memory=MEMORY, capacity_pods=PODS
        )
        kubelet = await build_kubelet(
            config, client, parts, clock, rng, name=self.name, address=f"192.0.2.{self._index}", port=10250,
            machine=hollow_machine(self.name), outlets=Outlets(events, steps, metrics), status=status,
        )  # fmt: skip
        async with asyncio.TaskGroup() as group:
            for run in (kubelet.run, status.run, events.run, steps.run):
                group.create_task(run())
            if disks is not None:
                for task in volume_tasks(
                    volumes, client, clock, node=self.name, root=str(disks.of(self.name)),
                    directory=str(disks.volumes), events=events, known=lambda: _looked_after(kubelet),
                    arrived=kubelet.workers.retry_volumes, rng=rng,
                ):  # fmt: skip
                    group.create_task(task())


def _looked_after(kubelet: Kubelet) -> frozenset[Uid] | None:
    """Return the Pods that have a worker, as `kubelet.build` does; None while not all are known."""
    if not kubelet.source.informer.synced or not kubelet.files.synced:
        return None
    return frozenset(worker.uid for worker in kubelet.workers.all())


def _subject(args: tuple[Any, ...]) -> str:
    first = args[0]
    return first if isinstance(first, str) else f"{first.uid}_{first.attempt}"
