"""Step 2, SCHEDULED, the shell: watches feed cache and queue, a cycle decides, the binder sends.

    informers -> event_handlers -> queue --pop--> cycle --assume--> cache, binder -> BindBatch
                                     ^---- park (no node would do), requeue (refused) ----'

All of it is on one loop. A cycle is a bounded run of decisions without an await, so that nothing changes
under it; between cycles everybody else has a turn.
"""

import asyncio
import random
from collections.abc import Callable, Mapping
from typing import Final

import structlog

from scheduler.attempts import Attempts
from scheduler.bind.binding import Binder, PendingBinding
from scheduler.bind.binding_cycle import BindingCycles
from scheduler.bind.outcomes import Outcomes, OverdueBindings
from scheduler.bind.volume_binding import VolumeBinder
from scheduler.cache.cache import Cache
from scheduler.cache.event_handlers import EventHandlers
from scheduler.cache.volume_watch import PLUGINS, VolumeWatch
from scheduler.columns.pod_info import PodCompiler, PodInfo
from scheduler.conditions import ConditionWriter
from scheduler.debug.plugin_check import SLEEPERS, PluginCheck
from scheduler.decide.cycle import Cycles
from scheduler.decide.node_rows import LookAhead
from scheduler.decide.ranking import TieBreak
from scheduler.eviction import Evictor
from scheduler.explain.decisions import DecisionLog, take_detail
from scheduler.framework.binding_points import Handle
from scheduler.framework.events import ClaimsChanged, ClusterEvent
from scheduler.framework.runtime import Frameworks
from scheduler.metrics import PreemptionMetrics, SchedulerMetrics
from scheduler.plugins.default_preemption import DefaultPreemption, PreemptionContext
from scheduler.preempting import WAITING, Preempting
from scheduler.queue.scheduling_queue import BACKOFF, SchedulingQueue
from scheduler.queue.unschedulable import screens, with_room
from vaina.api.core.v1 import namespace_pb2, node_pb2, pod_pb2
from vaina.api.policy.v1 import pod_disruption_budget_pb2
from vaina.backoff import Backoff
from vaina.cache.informer import Informer, MutationDetector
from vaina.client.clientset import Clientset
from vaina.client.events import EventRecorder
from vaina.client.steps import StepReporter
from vaina.clock import Clock

log = structlog.stdlib.get_logger(__name__)

#: back-offs are looked at so often at least
TICK_SECONDS: Final = 1.0


def _share_context(frameworks: Frameworks, offset: TieBreak) -> PreemptionContext:
    """Make what the preemption plugins of all profiles know besides the nodes."""
    context = PreemptionContext(offset=offset)
    for framework in frameworks:
        for plugin in framework.profile.post_filters:
            if isinstance(plugin, DefaultPreemption):
                plugin.context = context
    return context


class Scheduler:
    """Gives Pods nodes. `run` is everything; the rest is called on its loop."""

    def __init__(  # noqa: PLR0913 - the parts, handed in by build
        self,
        clients: Clientset,
        clock: Clock,
        *,
        frameworks: Frameworks,
        metrics: SchedulerMetrics,
        preemption: PreemptionMetrics,
        recorders: Mapping[str, EventRecorder],
        reporter: StepReporter,
        tie_break: TieBreak,
        handle: Handle | None = None,
        backoff: Backoff = BACKOFF,
        detector: MutationDetector | None = None,
        rng: random.Random | None = None,
        check_plugins: bool = False,
        make_ahead: Callable[[int], LookAhead] | None = None,
    ) -> None:
        """Make a scheduler; the names of `frameworks` are the schedulerNames of the Pods that are ours."""
        self._clients, self._clock, self._frameworks = clients, clock, frameworks
        self._metrics, self._recorders, self._reporter, self._tie_break = (
            metrics,
            recorders,
            reporter,
            tie_break,
        )
        self.cache = Cache()
        self._wake = asyncio.Event()
        self._conditions = ConditionWriter(clients.pods, clock)
        context = _share_context(frameworks, tie_break)
        self._preempting = Preempting(
            self.cache, context=context, clock=clock, metrics=preemption,
            conditions=self._conditions, wake=self._wake.set,
            reaches={
                plugin.name: plugin.reach for framework in frameworks for plugin in framework.profile.filters
            },
        )  # fmt: skip
        #: in the checking mode only
        self.plugin_check = PluginCheck(self.cache.table) if check_plugins else None
        self.queue = SchedulingQueue(
            hints=with_room(self._preempting.hints(frameworks.hints), self.cache.table),
            gate=frameworks.gate, backoff=backoff,
            by_shape=frameworks.that_say("hints_ignore_labels") | {WAITING},
            by_class=frameworks.that_say("hints_read_class_only"),
            screens=screens(self.cache.table), sort=frameworks.first.profile.queue_sort,
        )  # fmt: skip
        self._evictor = Evictor(clients.pods, clock, recorders, preemption, self._preempting.ended)
        self._preempting.begins(self.queue, self._evictor)
        self.decisions = DecisionLog(
            lambda pod, now, number: take_detail(
                pod, self.cache.table, frameworks.of(pod).profile, now, number
            ),
            clock.monotonic,
        )
        outcomes = Outcomes(
            cache=self.cache, queue=self.queue, preempting=self._preempting, decisions=self.decisions,
            metrics=metrics, recorders=recorders, reporter=reporter, clock=clock,
            happened=self.happened, wake=self._wake.set,
        )  # fmt: skip
        handle = handle or Handle()
        handle.clients, handle.holds = clients, lambda uid: self.cache.get(uid) is not None
        #: scheduler name -> the plugins of its profile that are called after a decision; none for most
        self._points = {
            framework.profile.name: framework.profile.binding
            for framework in frameworks
            if framework.profile.binding or not framework.profile.binding.default_binder
        }
        # Without such plugins nobody stands between the binder and what follows.
        self._binding = BindingCycles(
            clock, handle.waiting, outcomes, submit=self._submit, forget_volumes=handle.volumes.forget
        )  # fmt: skip
        ends = self._binding if self._points else outcomes
        self._binder = Binder(clients.pods, clock, self._conditions, ends)
        self._overdue = OverdueBindings(clients.pods, clock, self.cache, outcomes.lost)
        self.pods: Informer[pod_pb2.Pod] = Informer(
            clients.pods, clock, packed=True, detector=detector, rng=rng
        )
        self.nodes: Informer[node_pb2.Node] = Informer(clients.nodes, clock, detector=detector, rng=rng)
        #: also of Pods that somebody asks about
        self.compiler = PodCompiler()
        handlers = EventHandlers(
            self.cache, self.queue, compiler=self.compiler, clock=clock, scheduler_names=frameworks.names,
            heard=frozenset(frameworks.hints), settle=self._settle, expectant=self._preempting, wake=self._wake.set,
            observe=metrics.events_handled,
        )  # fmt: skip
        self.catalogue = handle.volumes
        self.storage = VolumeWatch(
            clients, clock, self.catalogue, self._storage_happened, detector=detector, rng=rng
        )
        self._volume_binder = VolumeBinder(
            clients, clock, self.catalogue, submit=self._binding.volumes_bound if self._points else self._binder.submit, refused=ends.refused,
            is_there=lambda uid: self.cache.get(uid) is not None, labels_of=self._labels_of,
        )  # fmt: skip
        self._attempts = Attempts(
            clock, self.cache, self.queue, self._binder, frameworks=frameworks,
            cycles={
                framework.profile.name: Cycles(
                    self.cache.table, framework, residents=self.cache.on, make_ahead=make_ahead
                )
                for framework in frameworks
            },
            tie_break=tie_break, preempting=self._preempting, conditions=self._conditions, decisions=self.decisions,
            metrics=metrics, recorders=recorders, volume_binder=self._volume_binder, catalogue=self.catalogue,
            points=self._points, binding=self._binding, plugin_check=self.plugin_check,
        )  # fmt: skip
        self._watches_storage = any(
            plugin.name in PLUGINS for framework in frameworks for plugin in framework.profile.filters
        )
        self.budgets: Informer[pod_disruption_budget_pb2.PodDisruptionBudget] = Informer(
            clients.pod_disruption_budgets, clock, detector=detector, rng=rng
        )
        self.budgets.add_batch_handler(context.budgets.on_budgets)
        #: for terms with a namespaceSelector
        self.namespaces: Informer[namespace_pb2.Namespace] = Informer(
            clients.namespaces, clock, detector=detector, rng=rng
        )
        self.namespaces.add_batch_handler(handlers.on_namespaces)
        self.pods.add_batch_handler(handlers.on_pods)
        self.nodes.add_batch_handler(handlers.on_nodes)
        metrics.watch(self.queue.sizes, self.cache.sizes)

    @property
    def name(self) -> str:
        """The schedulerName of the Pods that are ours; with several profiles that of the first."""
        return self._frameworks.first.profile.name

    @property
    def frameworks(self) -> Frameworks:
        return self._frameworks

    @property
    def synced(self) -> bool:
        """Whether nodes, Pods and what decisions depend on besides are known: nothing is decided before."""
        informers = (self.pods, self.nodes, self.budgets, self.namespaces)
        storage = self.storage.synced if self._watches_storage else True
        return storage and all(informer.synced for informer in informers)

    async def wait_synced(self) -> None:
        await self.nodes.wait_synced()
        await self.pods.wait_synced()
        await self.budgets.wait_synced()
        if self._watches_storage:
            await self.storage.wait_synced()
        await self.namespaces.wait_synced()

    async def run(self) -> None:
        """Follow and lead until cancelled: what a scheduler without election does."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.follow(), name="follow")
            group.create_task(self.lead(), name="lead")

    async def follow(self) -> None:
        """Keep caches and queue true until cancelled: what a standby does as well."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.nodes.run(), name="informer-nodes")
            group.create_task(self.pods.run(), name="informer-pods")
            group.create_task(self.budgets.run(), name="informer-budgets")
            if self._watches_storage:
                group.create_task(self.storage.run(), name="storage")
            group.create_task(self.namespaces.run(), name="informer-namespaces")
            for name, recorder in self._recorders.items():
                group.create_task(recorder.run(), name=f"events-{name}")
            group.create_task(self._reporter.run(), name="steps")

    async def lead(self) -> None:
        """Schedule until cancelled, beside `follow`; once only: what was assumed then stays in the caches."""
        # Every Pod that takes room must be counted before the first decision (I8).
        await self.wait_synced()
        log.info("caches filled", **self.cache.sizes())
        self._conditions.begin()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._conditions.run(), name="conditions")
            group.create_task(self._binder.run(), name="binder")
            if self._points:
                group.create_task(self._binding.run(), name="binding-cycles")
            group.create_task(self._volume_binder.run(), name="volume-binder")
            group.create_task(self._evictor.run(), name="evictor")
            group.create_task(self._overdue.run(), name="overdue")
            group.create_task(self._ticks(), name="ticks")
            group.create_task(self._cycles_forever(), name="cycles")

    def _storage_happened(self, event: ClusterEvent, claims: ClaimsChanged | None) -> None:
        self.happened(event, None, claims)
        self._wake.set()

    def happened(
        self, event: ClusterEvent, before: PodInfo | None, after: ClaimsChanged | None = None
    ) -> None:
        """Tell the queue of a change that did not come by the watch of Pods or nodes."""
        now = self._clock.monotonic()
        self.queue.on_event(event, before, after, now=now)
        self._metrics.events_handled(event, [self._clock.monotonic() - now])

    def _submit(self, pending: PendingBinding) -> None:
        self._binder.submit(pending)

    def _labels_of(self, node_name: str) -> Mapping[str, str]:
        node = self.cache.node(node_name)
        return {} if node is None else node.labels

    def _settle(self, uid: str, node_name: str) -> None:
        self._conditions.drop(uid)
        self._binder.settle(uid, node_name)
        if self._points:
            self._binding.settle(uid, node_name)

    async def _cycles_forever(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self.queue.ready and not self._binder.full:
                self.cycle()
                await self._clock.sleep(0)

    def cycle(self) -> int:
        return self._attempts.turn()

    async def _ticks(self) -> None:
        while True:
            now = self._clock.monotonic()
            due = self.queue.advance(now)
            if self.plugin_check is not None and self.synced:
                self.plugin_check.sleepers(self.queue.parked(SLEEPERS), self._frameworks.of)
            if self.queue.ready:
                self._wake.set()
            self._metrics.count_incoming(self.queue.incoming)
            self.queue.incoming.clear()
            wait = TICK_SECONDS if due is None else min(max(due - now, 0.0), TICK_SECONDS)
            await self._clock.sleep(max(wait, 0.01))
