"""The node's own record: registration, heartbeats, status, and its Pod network. Shell.

A name that another live machine holds (its lease is fresh, its machine id another) is not taken over.
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Network

import structlog

from kubelet.network.plan import desired_routes
from kubelet.network.pod_network import NetworkCommandError, PodNetwork
from kubelet.runtime.interface import Runtime
from kubelet.status.node_status import (
    NODE_MASK,
    PRESSURES,
    NodeFacts,
    NodeSeen,
    compute_node_status,
    node_labels,
    ready_condition,
    says_nothing_new,
    without_extended,
)
from kubelet.status.sinks import EventSink
from kubelet.tasks import Job, wait_at_most
from vaina.api.coordination.v1 import lease_pb2
from vaina.api.core.v1 import node_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.cache.informer import Informer
from vaina.client.resource import ResourceClient
from vaina.clock import Clock, micro_timestamp, seconds_of
from vaina.errors import AlreadyExists, ApiError, Conflict, NotFound
from vaina.objects.nodes import kept_ranges

log = structlog.stdlib.get_logger(__name__)

NAMESPACE = "kube-node-lease"
_RETRY_SECONDS = 1.0


class NodeLease:
    """The node's heartbeat: a Lease in kube-node-lease, renewed every 10 s (KEP-589).

    A lease that is not renewed for 40 s makes the node NotReady (node life-cycle controller).
    """

    def __init__(
        self,
        client: ResourceClient[lease_pb2.Lease],
        clock: Clock,
        *,
        node_name: str,
        duration_seconds: int,
        renew_seconds: float,
    ) -> None:
        self._client, self._clock, self._name = client, clock, node_name
        self._duration, self._renew_seconds = duration_seconds, renew_seconds
        #: the Node, with which the lease goes
        self.owner: meta_pb2.OwnerReference | None = None
        self._lease: lease_pb2.Lease | None = None

    async def is_held(self) -> bool:
        try:
            lease = await self._client.get(self._name, NAMESPACE)
        except NotFound:
            return False
        return seconds_of(lease.spec.renew_time) + self._duration > self._clock.now()

    async def run(self) -> None:
        """Renew until cancelled; after a failure soon, because heartbeats must not be missed."""
        while True:
            delay = self._renew_seconds
            try:
                await self.renew()
            except ApiError as error:
                log.warning("lease not renewed", node=self._name, error=error.message)
                delay = min(delay, 1.0)
            await self._clock.sleep(delay)

    async def renew(self) -> None:
        if self._lease is None:
            self._lease = await self._take()
            return
        wanted = lease_pb2.Lease()
        wanted.CopyFrom(self._lease)
        self._fill(wanted)
        try:
            self._lease = await self._client.update(wanted)
        except (Conflict, NotFound):
            self._lease = None
            self._lease = await self._take()

    async def _take(self) -> lease_pb2.Lease:
        try:
            lease = await self._client.get(self._name, NAMESPACE)
        except NotFound:
            lease = lease_pb2.Lease(metadata=meta_pb2.ObjectMeta(name=self._name, namespace=NAMESPACE))
            self._fill(lease)
            try:
                return await self._client.create(lease)
            except AlreadyExists:
                lease = await self._client.get(self._name, NAMESPACE)
        self._fill(lease)
        return await self._client.update(lease)

    def _fill(self, lease: lease_pb2.Lease) -> None:
        spec = lease.spec
        spec.holder_identity = self._name
        spec.lease_duration_seconds = self._duration
        spec.renew_time.CopyFrom(micro_timestamp(self._clock.now()))
        if self.owner is not None and not lease.metadata.owner_references:
            lease.metadata.owner_references.append(self.owner)


class NodeManager:
    """Owned by the kubelet."""

    def __init__(  # noqa: PLR0913 - tools, all by keyword
        self,
        client: ResourceClient[node_pb2.Node],
        lease: NodeLease,
        runtime: Runtime,
        clock: Clock,
        *,
        facts: NodeFacts,
        network: PodNetwork | None,
        events: EventSink,
        status_seconds: float,
        report_seconds: float,
        rng: random.Random | None = None,
        look: Callable[[], NodeSeen] = NodeSeen,
        beside: Sequence[Job] = (),
    ) -> None:
        """Make it. `network` needs a Pod CIDR and routes; None: the runtime has its own.

        An unchanged status is written after `report_seconds` all the same. The `beside` jobs run until
        cancelled, with an apiserver or without.
        """
        self._client, self._lease, self._runtime, self._clock = client, lease, runtime, clock
        self._facts, self._network, self._events = facts, network, events
        self._status_seconds, self._report_seconds = status_seconds, report_seconds
        self._node = node_pb2.Node(metadata=meta_pb2.ObjectMeta(name=facts.name, labels=node_labels(facts)))
        for name, amount in facts.allocatable.quantities().items():
            self._node.status.allocatable[name].string = amount
        self._registered = asyncio.Event()
        self._changed = asyncio.Event()
        self._reported_at = 0.0
        self._ready: bool | None = None
        self._look, self._beside = look, beside
        self._pressures: frozenset[str] | None = None
        #: the Pod CIDR of this node that cannot be
        self._refused = ""
        # Others write to the record too: only this kubelet takes the life-cycle controller's Unknown back.
        # The network needs all nodes.
        selector = f"metadata.name={facts.name}" if network is None else ""
        self._informer = Informer(client, clock, field_selector=selector, rng=rng)
        self._informer.add_batch_handler(lambda _: self._changed.set())

    @property
    def node(self) -> node_pb2.Node:
        """The Node as it is known here: read it, do not change it."""
        known = self._informer.lister.get(self._facts.name)
        return known if known is not None and known.status.allocatable else self._node

    async def wait_registered(self) -> None:
        await self._registered.wait()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for job in self._beside:
                group.create_task(job())
            await self._register()
            self._events.event(self._node, "Normal", "Starting", "Starting kubelet.")
            group.create_task(self._lease.run())
            group.create_task(self._report())
            group.create_task(self._informer.run())
            if self._network is not None:
                group.create_task(self._keep_network())

    async def _register(self) -> None:
        while not await self._try_register():
            await self._clock.sleep(_RETRY_SECONDS)
        self._lease.owner = meta_pb2.OwnerReference(
            api_version="v1", kind="Node", name=self._facts.name, uid=self._node.metadata.uid
        )
        self._registered.set()
        log.info("node registered", node=self._facts.name)

    async def _try_register(self) -> bool:
        name = self._facts.name
        try:
            wanted = node_pb2.Node(metadata=meta_pb2.ObjectMeta(name=name, labels=node_labels(self._facts)))
            runtime = await self._runtime.status()
            wanted.status.CopyFrom(
                compute_node_status(self._facts, runtime, wanted.status, now=self._clock.now())
            )
            try:
                self._node = await self._client.create(wanted)
            except AlreadyExists:
                return await self._take_over(await self._client.get(name))
        except ApiError as error:
            log.warning("node not registered", node=name, error=error.message)
            return False
        return True

    async def _take_over(self, found: node_pb2.Node) -> bool:
        """Go on with a Node that is there: this one's own, or that of a dead machine."""
        ours = self._facts.machine.machine_id
        theirs = found.status.node_info.machine_id
        if theirs and theirs != ours and await self._lease.is_held():
            log.error(
                "the node's name is held by another live machine", node=self._facts.name, machine_id=theirs
            )
            return False
        labels = node_labels(self._facts)
        if any(found.metadata.labels.get(key) != text for key, text in labels.items()):
            found.metadata.labels.update(labels)
            found = await self._client.update(found)
        gone = without_extended(found.status)
        if theirs != ours and gone.capacity:
            gone_from = node_pb2.Node(metadata=meta_pb2.ObjectMeta(name=self._facts.name), status=gone)
            found = await self._client.update_status(gone_from, mask=("capacity", "allocatable"))
        self._node = found
        return True

    async def _report(self) -> None:
        while True:
            self._changed.clear()
            delay = self._status_seconds
            try:
                await self.report_once()
            except NotFound:
                # The Node was deleted while its kubelet lives.
                log.warning("the node's record is gone; registering again", node=self._facts.name)
                await self._register()
                delay = 0.0
            except ApiError as error:
                log.warning("node status not written", node=self._facts.name, error=error.message)
                delay = _RETRY_SECONDS
            await wait_at_most(self._changed, self._clock, delay)

    async def report_once(self) -> None:
        now = self._clock.now()
        runtime = await self._runtime.status()
        seen = self._look()
        status = compute_node_status(self._facts, runtime, self.node.status, now=now, seen=seen)
        unchanged = says_nothing_new(status, self.node.status)
        if unchanged and now - self._reported_at < self._report_seconds:
            return
        written = node_pb2.Node(status=status)
        written.metadata.name = self._facts.name
        self._node = await self._client.update_status(written, mask=NODE_MASK)
        self._reported_at = now
        self._say_ready(ready_condition(runtime)[0])
        self._say_pressures(seen.pressures)

    def _say_ready(self, ready: bool) -> None:
        if self._ready is ready:
            return
        self._ready = ready
        word = "NodeReady" if ready else "NodeNotReady"
        name = self._facts.name
        self._events.event(self._node, "Normal", word, f"Node {name} status is now: {word}")
        log.info("node condition changed", node=name, ready=ready)

    def _say_pressures(self, pressures: frozenset[str]) -> None:
        before, self._pressures = self._pressures, pressures
        for kind, words in PRESSURES.items():
            # A node that begins says how it is, as upstream does.
            if before is not None and (kind in before) is (kind in pressures):
                continue
            word = words[kind in pressures][0].replace("Kubelet", "Node", 1)
            self._events.event(self._node, "Normal", word, f"Node {self._facts.name} status is now: {word}")

    def look_again(self) -> None:
        self._changed.set()

    async def _keep_network(self) -> None:
        await self._informer.wait_synced()
        changed = asyncio.Event()
        changed.set()
        self._informer.add_batch_handler(lambda _: changed.set())
        while True:
            await changed.wait()
            changed.clear()
            try:
                await self._configure_network(self._informer.lister.list())
            except (NetworkCommandError, OSError) as error:
                log.warning("pod network not configured", error=str(error))
                await self._clock.sleep(_RETRY_SECONDS)
                changed.set()

    async def _configure_network(self, nodes: list[node_pb2.Node]) -> None:
        assert self._network is not None
        ranges = kept_ranges(nodes, (self._network.cluster,))
        self._say_range(ranges)
        own = ranges.get(self._facts.name)
        if own is not None:
            is_new = self._network.cidr != own
            await self._network.configure(own)
            if is_new:
                self._changed.set()
        interfaces = await self._network.interfaces()
        await self._network.set_routes(
            desired_routes(nodes, self._facts.name, ranges=ranges, interfaces=interfaces)
        )

    def _say_range(self, ranges: Mapping[str, IPv4Network]) -> None:
        """Tell once of a Pod CIDR that this node has and may not use."""
        assert self._network is not None
        claimed = self.node.spec.pod_cidr
        refused = "" if self._facts.name in ranges else claimed
        if refused and refused != self._refused:
            log.error(
                "the node's Pod CIDR is not used: outside of the cluster's range, or an older node has some of it",
                pod_cidr=refused,
                cluster_cidr=str(self._network.cluster),
            )
        self._refused = refused
