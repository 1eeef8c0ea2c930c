"""The shell of the node life cycle: heartbeats in, conditions, taints, Unknown Pods and evictions out.

A monitor looks every few seconds for nodes whose time is up, and counts them: when most are silent the
control plane suspects itself, takes NoExecute taints back and evicts nothing (I13).
"""

from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from controller.base import Controller, Tools, for_each
from controller.config import ControllerConfig
from controller.node_lifecycle import reconcile as decide
from controller.node_lifecycle.taints import NO_EXECUTE, FirstSeen, eviction_of, wants_no_execute
from controller.node_lifecycle.zones import Rates, Tokens, Zone, count_zones, rate_of, state_of, zone_of
from controller.plans import copy_of
from vaina.api.coordination.v1 import lease_pb2
from vaina.api.core.v1 import node_pb2, pod_pb2
from vaina.cache.informer import InformerFactory
from vaina.client.events import NORMAL, WARNING, EventRecorder
from vaina.clock import seconds_of
from vaina.errors import Conflict, NotFound
from vaina.kinds import LEASE, NODE, POD
from vaina.objects.conditions import get_condition, set_condition
from vaina.objects.meta import object_key
from vaina.objects.nodes import is_ready

log = structlog.stdlib.get_logger(__name__)

LEASE_NAMESPACE = "kube-node-lease"
BY_NODE = "node"
#: Pods of one node written at once
PARALLEL_WRITES = 16


class NodeMetrics:
    """Upstream's names."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._evictions = Counter(
            "node_collector_evictions", "Number of Pod evictions that happened since this process started.",
            ["zone"], registry=registry,
        )  # fmt: skip
        self._size = Gauge(
            "node_collector_zone_size", "Number of registered Nodes per zone.", ["zone"], registry=registry
        )
        self._unhealthy = Gauge(
            "node_collector_unhealthy_nodes_in_zone", "Number of not Ready Nodes per zone.", ["zone"],
            registry=registry,
        )  # fmt: skip
        self._health = Gauge(
            "node_collector_zone_health", "Percentage of healthy nodes per zone.", ["zone"], registry=registry
        )
        self.judged_seconds = Histogram(
            "node_collector_update_all_nodes_health_duration_seconds",
            "Duration in seconds for NodeController to update the health of all nodes.",
            registry=registry, buckets=tuple(0.01 * 4.0**power for power in range(8)),
        )  # fmt: skip
        self._deletions = Counter(
            "taint_eviction_controller_pod_deletions",
            "Total number of Pods deleted by TaintEvictionController since its start.", registry=registry,
        )  # fmt: skip
        self._late = Histogram(
            "taint_eviction_controller_pod_deletion_duration_seconds",
            "Latency, in seconds, between the time when a taint effect has been activated for the Pod and its deletion via "
            "TaintEvictionController.",
            registry=registry, buckets=(0.005, 0.025, 0.1, 0.5, 1, 2.5, 10, 30, 60, 120, 180, 240),
        )  # fmt: skip
        self._zones: set[str] = {""}
        self.show({"": Zone()})
        self._evictions.labels("")

    def evicted(self, zone: str, late: float) -> None:
        self._evictions.labels(zone).inc()
        self._deletions.inc()
        self._late.observe(max(0.0, late))

    def show(self, zones: Mapping[str, Zone]) -> None:
        for name in self._zones - set(zones):
            for gauge in (self._size, self._unhealthy, self._health):
                gauge.remove(name)
        self._zones = set(zones)
        for name, zone in zones.items():
            self._size.labels(name).set(zone.size)
            self._unhealthy.labels(name).set(zone.not_ready)
            self._health.labels(name).set(100.0 * zone.ready / zone.size if zone.size else 100.0)


class NodeLifecycleController(Controller):
    """Watches over the nodes."""

    name = "node-lifecycle"

    def __init__(
        self,
        tools: Tools,
        factory: InformerFactory,
        recorder: EventRecorder,
        config: ControllerConfig,
        registry: CollectorRegistry,
    ) -> None:
        self._nodes, self._leases = factory.informer(NODE), factory.informer(LEASE)
        self._pods = factory.informer(POD)
        super().__init__(
            Tools(tools.clock, tools.metrics, workers=8), (self._nodes, self._leases, self._pods)
        )
        self._client, self._recorder, self._config = factory.clientset, recorder, config
        self._rates = Rates(
            config.node_eviction_rate, config.secondary_node_eviction_rate, config.large_cluster_size_threshold,
            config.unhealthy_node_threshold,
        )  # fmt: skip
        self._metrics = NodeMetrics(registry)
        self._tokens = Tokens()
        self._beats = decide.Heartbeats(
            grace_seconds=config.node_monitor_grace_seconds,
            startup_grace_seconds=config.node_startup_grace_seconds,
        )
        self._first_seen = FirstSeen()
        self._silent: frozenset[str] = frozenset()
        #: nothing is evicted before the monitor has judged once
        self._may_evict = False
        self._pods.ensure_indexer(BY_NODE, lambda pod: (pod.spec.node_name,) if pod.spec.node_name else ())
        self._nodes.add_handler(
            on_add=self._on_node, on_update=lambda old, new: self._on_node(new), on_delete=self._on_gone
        )
        self._leases.add_handler(on_add=self._on_lease, on_update=lambda old, new: self._on_lease(new))
        self._pods.add_handler(on_add=self._on_pod, on_update=lambda old, new: self._on_pod(new))

    def background(self) -> Sequence[Coroutine[Any, Any, None]]:
        # Before the first worker looks at a node: one that was not judged yet would lose its NoExecute taint,
        # and with the next one all Pods that tolerate it for a while would begin their time again.
        self._judge()
        return (self._monitor(),)

    async def sync(self, key: str) -> float | None:
        node = self._nodes.lister.get(key)
        if node is None:
            return None
        # Only the monitor, which looks at all nodes, can tell a silent node from a fault of this side (I13).
        life = self._life(key)
        if life is not decide.Life.HEARD and decide.is_news(node) and await self._has_beaten(key):
            life = self._life(key)
        wait, now = self._wait_for_turn(node, life), self.clock.now()
        plan = decide.reconcile(
            node, self._pods.lister.by_index(BY_NODE, key), life=life, may_evict=self._may_evict,
            default_seconds=self._config.pod_eviction_seconds, now=now, may_begin=wait == 0.0,
            seen=self._first_seen.look(node, now),
        )  # fmt: skip
        await self._write_node(node, plan)
        await self._write_pods(node, plan)
        wakes = [seconds for seconds in (plan.wake_seconds, wait) if seconds]
        return min(wakes, default=None)

    def _life(self, name: str) -> decide.Life:
        return self._beats.life(name, self.clock.monotonic()) if name in self._silent else decide.Life.HEARD

    async def _has_beaten(self, name: str) -> bool:
        """Ask whether a node has given a sign that was not seen here, and take it.

        A watch that is behind shows well nodes as silent: none is written off without a look at its Lease itself
        (upstream's NodeControllerLeaseCircuitBreaker, which then waits with all nodes).
        """
        try:
            lease = await self._client.leases.get(name, LEASE_NAMESPACE)
        except NotFound:
            return False
        seen = self._leases.lister.get(f"{LEASE_NAMESPACE}/{name}")
        if seen is not None and seen.metadata.resource_version == lease.metadata.resource_version:
            return False
        self._on_lease(lease)
        log.warning("the watch of Leases is behind", node=name)
        return True

    def _wait_for_turn(self, node: node_pb2.Node, life: decide.Life) -> float | None:
        """Return the seconds until a node may be driven empty; None: until its zone is better, or never."""
        name = node.metadata.name
        if not self._may_evict:
            return None
        if life is decide.Life.HEARD and not wants_no_execute(node):
            self._tokens.give_back(name)
            return None
        return self._tokens.take(name, zone_of(node), self.clock.monotonic())

    async def _write_node(self, node: node_pb2.Node, plan: decide.NodePlan) -> None:
        name, current = node.metadata.name, node
        if plan.conditions:
            changed = copy_of(node)
            for condition in plan.conditions:
                set_condition(changed.status, condition, self.clock.now())
            # With the version that was judged: a kubelet that has reported since is not overruled.
            current = await self._client.nodes.update_status(changed)
            log.info("node is silent", node=name, reason=plan.conditions[0].reason)
            self._recorder.event(node, NORMAL, "NodeNotReady", f"Node {name} status is now: NodeNotReady")
        if plan.taints is not None:
            tainted = copy_of(current)
            del tainted.spec.taints[:]
            tainted.spec.taints.extend(plan.taints)
            await self._client.nodes.update(tainted)
            log.info("node taints written", node=name, taints=[f"{t.key}:{t.effect}" for t in plan.taints])

    async def _write_pods(self, node: node_pb2.Node, plan: decide.NodePlan) -> None:
        async def lose(pod: pod_pb2.Pod) -> None:
            with suppress(NotFound):
                await self._client.pods.update_status(pod)
                self._recorder.event(pod, WARNING, "NodeNotReady", "Node is not ready")
                log.info("pod is unknown", pod=object_key(pod), node=node.metadata.name)

        async def evict(pod: pod_pb2.Pod) -> None:
            with suppress(NotFound):
                await self._evict(node, pod, plan.taints or node.spec.taints)

        lost = await for_each(plan.lost, lose, parallel=PARALLEL_WRITES)
        evicted = await for_each(plan.evict, evict, parallel=PARALLEL_WRITES)
        if error := lost or evicted:
            raise error

    async def _evict(self, node: node_pb2.Node, pod: pod_pb2.Pod, taints: Sequence[node_pb2.Taint]) -> None:
        meta = pod.metadata
        try:
            # The condition says why it goes (upstream: addConditionAndDeletePod of tainteviction).
            await self._client.pods.update_status(
                decide.driven_away(pod, self.clock.now()), mask=("conditions",)
            )
            await self._client.pods.delete(meta.name, meta.namespace, uid=meta.uid)
        except Conflict:
            # Another Pod of the same name: this one has gone.
            return
        now = self.clock.now()
        seen = self._first_seen.look(node, now)
        due = eviction_of(pod, taints, seen, default_seconds=self._config.pod_eviction_seconds, now=now)
        self._metrics.evicted(zone_of(node), 0.0 if due is None else now - due)
        words = f"Marking for deletion Pod {meta.namespace}/{meta.name}"
        self._recorder.event(pod, NORMAL, "TaintManagerEviction", words)
        log.info("pod evicted", pod=object_key(pod), node=pod.spec.node_name)

    async def _monitor(self) -> None:
        while True:
            started = self.clock.monotonic()
            self._judge()
            self._metrics.judged_seconds.observe(self.clock.monotonic() - started)
            await self.clock.sleep(self._config.node_monitor_period_seconds)

    def _judge(self) -> None:
        """Find the nodes whose time is up, and decide whether they or this control plane are at fault."""
        now, nodes = self.clock.monotonic(), self._nodes.lister.list()
        names = [node.metadata.name for node in nodes]
        silent = frozenset(name for name in names if self._beats.life(name, now) is not decide.Life.HEARD)
        # Also nodes that were marked silent and have not reported since: a process that has just started need
        # not wait the whole grace for them (upstream's handleDisruption goes by the conditions alone).
        gone = silent | {node.metadata.name for node in nodes if decide.is_written_off(node)}
        suspect = decide.suspects_itself(len(gone), len(names), self._config.unhealthy_node_threshold)
        if suspect is self._may_evict:
            say = log.warning if suspect else log.info
            words = "evictions stopped: most nodes are silent" if suspect else "evictions allowed"
            say(words, silent=len(gone), nodes=len(names))
            self._may_evict = not suspect
            for name in names:
                self.queue.add(name)
        for name in silent ^ self._silent:
            self.queue.add(name)
        self._silent = silent
        self._judge_zones(nodes)

    def _judge_zones(self, nodes: Sequence[node_pb2.Node]) -> None:
        """Decide how fast the nodes of each zone may be driven empty; look again at those whose zone changed."""
        zones = count_zones((zone_of(node), self._is_ready(node)) for node in nodes)
        rates = {name: rate_of(zone, self._rates) for name, zone in zones.items()}
        changed = {name for name, rate in rates.items() if rate != self._tokens.rates.get(name, rate)}
        for name in sorted(changed):
            log.info("zone changes its pace", zone=name, state=state_of(zones[name], self._rates).value)
        self._tokens.rates = rates
        self._tokens.forget_zones(zones)
        for node in nodes:
            if zone_of(node) in changed:
                self.queue.add(node.metadata.name)
        self._metrics.show(zones)

    def _is_ready(self, node: node_pb2.Node) -> bool:
        return node.metadata.name not in self._silent and is_ready(node)

    def _on_node(self, node: node_pb2.Node) -> None:
        ready = get_condition(node.status, "Ready")
        reported = ready is not None and ready.reason != "NodeStatusNeverUpdated"
        heartbeat = ready.last_heartbeat_time.seconds if ready is not None and reported else None
        name, age = node.metadata.name, self.clock.now() - seconds_of(node.metadata.creation_timestamp)
        self._beats.on_node(name, heartbeat=heartbeat, now=self.clock.monotonic(), age=age)
        # The Lease may have been seen before its node.
        lease = self._leases.lister.get(f"{LEASE_NAMESPACE}/{name}")
        if lease is not None:
            self._on_lease(lease)
        self.queue.add(name)

    def _on_gone(self, node: node_pb2.Node) -> None:
        self._beats.forget(node.metadata.name)
        self._first_seen.forget(node.metadata.name)
        self._tokens.give_back(node.metadata.name)

    def _on_lease(self, lease: lease_pb2.Lease) -> None:
        if lease.metadata.namespace == LEASE_NAMESPACE:
            renewed = (lease.spec.renew_time.seconds, lease.spec.renew_time.nanos)
            self._beats.on_lease(lease.metadata.name, renewed, now=self.clock.monotonic())

    def _on_pod(self, pod: pod_pb2.Pod) -> None:
        """Look at the node of a Pod if it is silent or drives Pods away."""
        name = pod.spec.node_name
        if not name:
            return
        node = self._nodes.lister.get(name)
        driven = node is not None and any(taint.effect == NO_EXECUTE for taint in node.spec.taints)
        if name in self._silent or driven:
            self.queue.add(name)
