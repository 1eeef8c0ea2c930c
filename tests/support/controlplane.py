"""The control plane in one process, under a fake clock.

Apiserver over memory, controllers, and stand-ins for what runs Pods.

`plane.until(...)` moves time on until something holds, so no test waits or sleeps. Every object of every
cache is checked for writes in place at the end.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry

from controller.build import Manager, build
from controller.config import ControllerConfig
from controller.podautoscaler.controller import MetricsSource
from tests.support.apiserver import Harness, make_apiserver
from vaina.api.coordination.v1 import lease_pb2
from vaina.api.core.v1 import event_pb2, pod_pb2
from vaina.cache.informer import MutationDetector
from vaina.client.clientset import Clientset
from vaina.clock import micro_timestamp, timestamp
from vaina.errors import NotFound
from vaina.objects.conditions import set_condition
from vaina.testing.builders import make_node
from vaina.testing.clock import FakeClock, settle


@dataclass(slots=True)
class ControlPlane:
    """What a test acts on."""

    server: Harness
    manager: Manager
    client: Clientset
    clock: FakeClock
    #: where the controllers' metrics are
    registry: CollectorRegistry

    async def settle(self) -> None:
        """Let everything happen that needs no time."""
        await settle(400)

    async def until(self, holds: Callable[[], Awaitable[Any]], *, seconds: float = 60.0) -> Any:
        """Move time on until `holds` returns something true, and return that.

        AssertionError after so many seconds.
        """
        end = self.clock.now() + seconds
        while True:
            await self.settle()
            found = await holds()
            if found:
                return found
            assert self.clock.now() < end, f"not within {seconds:g} s"
            await self.clock.advance(0.25)

    async def pods(self, namespace: str = "default", selector: str = "") -> list[pod_pb2.Pod]:
        """Return the Pods there are, by name."""
        return (await self.client.pods.list(namespace, label_selector=selector)).items

    async def events(self, namespace: str = "default") -> list[event_pb2.Event]:
        """Return the Events there are."""
        return (await self.client.events.list(namespace)).items

    async def add_node(self, name: str, **kwargs: Any) -> None:
        """Register a node that is ready, with its Lease."""
        await self.client.nodes.create(make_node(name, heartbeat=self.clock.now(), **kwargs))
        await self.beat(name)

    async def beat(self, name: str) -> None:
        """Renew a node's Lease, as its kubelet does."""
        leases = self.client.leases
        try:
            lease = await leases.get(name, "kube-node-lease")
        except NotFound:
            lease = _new_lease(name)
            lease.spec.renew_time.CopyFrom(micro_timestamp(self.clock.now()))
            await leases.create(lease)
            return
        lease.spec.renew_time.CopyFrom(micro_timestamp(self.clock.now()))
        await leases.update(lease)

    async def report(self, name: str, *, ready: bool = True) -> None:
        """Report a node's status, as its kubelet does."""
        node = await self.client.nodes.get(name)
        now = self.clock.now()
        condition = type(node.status.conditions[0])(
            type="Ready", status="True" if ready else "False", reason="KubeletReady"
        )
        condition.last_heartbeat_time.CopyFrom(timestamp(now))
        set_condition(node.status, condition, now)
        await self.client.nodes.update_status(node, mask=("conditions",))

    async def start(self, pod: pod_pb2.Pod, node: str, *, ready: bool = True) -> None:
        """Bind a Pod and report it Running."""
        meta = pod.metadata
        if not pod.spec.node_name:
            await self.client.pods.bind(meta.name, namespace=meta.namespace, uid=meta.uid, node=node)
        running = pod_pb2.Pod()
        running.metadata.name, running.metadata.namespace, running.metadata.uid = (
            meta.name,
            meta.namespace,
            meta.uid,
        )
        running.status.phase = "Running"
        running.status.conditions.add(
            type="Ready",
            status="True" if ready else "False",
            last_transition_time=timestamp(self.clock.now()),
        )
        await self.client.pods.update_status(running, mask=("phase", "reason", "message", "conditions"))

    async def start_all(self, *nodes: str) -> None:
        """Bind and start every Pod that waits and is still there, in turn on these nodes."""
        waiting = [
            pod
            for pod in await self.pods("")
            if not pod.spec.node_name and not pod.metadata.HasField("deletion_timestamp")
        ]
        for number, pod in enumerate(waiting):
            # Controllers go on meanwhile, and may delete what was listed.
            with suppress(NotFound):
                await self.start(pod, nodes[number % len(nodes)])

    async def end(self, pod: pod_pb2.Pod) -> None:
        """Let a Pod that is ending go, as its kubelet does when the containers are gone."""
        meta = pod.metadata
        await self.client.pods.delete(meta.name, meta.namespace, uid=meta.uid, grace_period_seconds=0)


def _new_lease(name: str) -> lease_pb2.Lease:
    lease = lease_pb2.Lease()
    lease.metadata.name, lease.metadata.namespace = name, "kube-node-lease"
    lease.spec.holder_identity, lease.spec.lease_duration_seconds = name, 40
    return lease


@asynccontextmanager
async def controllers(
    server: Harness,
    config: ControllerConfig | None = None,
    *,
    client: Clientset | None = None,
    metrics: MetricsSource | None = None,
) -> AsyncIterator[ControlPlane]:
    """Run controllers over an apiserver; leaving the block kills them in the middle of whatever they do."""
    detector = MutationDetector()
    client, registry = client or server.client, CollectorRegistry()
    manager = build(
        client,
        server.clock,
        config or ControllerConfig(),
        registry=registry,
        detector=detector,
        metrics=metrics,
    )
    plane = ControlPlane(server, manager, server.client, server.clock, registry)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(manager.run())
        try:
            await settle(200)
            yield plane
        finally:
            task.cancel()
    detector.check()


@asynccontextmanager
async def control_plane(
    config: ControllerConfig | None = None, *, metrics: MetricsSource | None = None
) -> AsyncIterator[ControlPlane]:
    """Run an apiserver and the controllers."""
    server = make_apiserver()
    await server.app.bootstrap()
    async with controllers(server, config, metrics=metrics) as plane:
        yield plane
