"""Whatever happens, a Pod is in exactly one place, is popped in order, and never sleeps through what could
help it.
"""

from dataclasses import dataclass, field

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from scheduler.framework.events import ClusterEvent
from scheduler.queue.places import Place, QueuedPod
from scheduler.queue.scheduling_queue import SchedulingQueue
from tests.unit.scheduler.objects import info, pod

NAMES = [f"p{number}" for number in range(6)]
PLUGINS = ["Fit", "Taints"]
#: event -> the plugin whose Pods it helps
HELPS = {ClusterEvent.NODE_ADD: "Fit", ClusterEvent.NODE_UPDATE_TAINT: "Taints"}


@dataclass
class Believed:
    """What a Pod's place must be, kept in the plainest way."""

    cpu: int
    gated: bool
    priority: int
    place: Place
    since: float
    attempts: int = 0
    failed_at: float = 0.0
    rejected_by: frozenset[str] = frozenset()
    #: events since it was popped
    heard: list[ClusterEvent] = field(default_factory=list)

    def due(self) -> float:
        if self.attempts == 0:
            return self.failed_at
        return self.failed_at + min(2.0 ** (self.attempts - 1), 10.0)


class QueueMachine(RuleBasedStateMachine):
    """The queue beside a dict of what is believed."""

    def __init__(self) -> None:
        super().__init__()
        hints = {event: {plugin: lambda *_: True} for event, plugin in HELPS.items()}
        self.queue = SchedulingQueue(hints=hints, gate=lambda pod: "Gates" if pod.gates else "")
        self.believed: dict[str, Believed] = {}
        self.flying: dict[str, QueuedPod] = {}
        self.now = 0.0

    def wake(self, pod: Believed) -> None:
        if pod.due() > self.now:
            pod.place = Place.BACKOFF
        else:
            self.enter(pod)

    def enter(self, pod: Believed) -> None:
        pod.place = Place.GATED if pod.gated else Place.ACTIVE

    @rule(
        name=st.sampled_from(NAMES),
        cpu=st.integers(1, 2),
        gated=st.sampled_from([False, False, False, True]),
        priority=st.integers(0, 1),
    )
    def add(self, name: str, cpu: int, gated: bool, priority: int) -> None:
        known = self.believed.get(name)
        if known is not None:
            # A Pod's priority never changes.
            priority = known.priority
        made = pod(name, {"cpu": str(cpu)}, uid=name, gates=["g"] if gated else [], priority=priority)
        self.queue.add(info(made), now=self.now)
        if known is None:
            self.believed[name] = Believed(cpu, gated, priority, Place.ACTIVE, self.now)
            self.enter(self.believed[name])
            return
        changed = (known.cpu, known.gated) != (cpu, gated)
        known.cpu, known.gated = cpu, gated
        if changed and known.place is not Place.IN_FLIGHT:
            if known.place is not Place.ACTIVE:
                known.since = self.now
            self.wake(known)

    @rule(name=st.sampled_from(NAMES))
    def delete(self, name: str) -> None:
        self.queue.delete(name)
        self.believed.pop(name, None)
        self.flying.pop(name, None)

    @rule()
    def pop(self) -> None:
        found = self.queue.pop(now=self.now)
        ready = [(name, known) for name, known in self.believed.items() if known.place is Place.ACTIVE]
        if not ready:
            assert found is None
            return
        assert found is not None
        taken = self.believed[found.info.name]
        first = min((-known.priority, known.since) for _, known in ready)
        assert (-taken.priority, taken.since) == first
        assert taken.place is Place.ACTIVE
        taken.place, taken.attempts, taken.heard = Place.IN_FLIGHT, taken.attempts + 1, []
        self.flying[found.info.name] = found

    @precondition(lambda self: self.flying)
    @rule(data=st.data(), rejected_by=st.frozensets(st.sampled_from(PLUGINS)))
    def park(self, data: st.DataObject, rejected_by: frozenset[str]) -> None:
        name = data.draw(st.sampled_from(sorted(self.flying)))
        pod = self.believed[name]
        pod.failed_at = pod.since = self.now
        pod.rejected_by = rejected_by
        self.queue.park(self.flying.pop(name), rejected_by, now=self.now)
        helped = any(not rejected_by or HELPS[event] in rejected_by for event in pod.heard)
        if pod.gated:
            self.enter(pod)
        else:
            pod.place = Place.BACKOFF if helped else Place.UNSCHEDULABLE

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def requeue(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.flying)))
        pod = self.believed[name]
        pod.failed_at = pod.since = self.now
        self.queue.requeue(self.flying.pop(name), now=self.now)
        pod.place = Place.BACKOFF

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def done(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.flying)))
        del self.flying[name], self.believed[name]
        self.queue.delete(name)

    @rule(event=st.sampled_from(sorted(HELPS)))
    def happen(self, event: ClusterEvent) -> None:
        self.queue.on_event(event, None, None, now=self.now)
        for known in self.believed.values():
            if known.place is Place.IN_FLIGHT:
                known.heard.append(event)
        # Groups wake together: what decides the order among equals is only when each came.
        for known in sorted(self.believed.values(), key=lambda item: item.failed_at):
            helped = not known.rejected_by or HELPS[event] in known.rejected_by
            if known.place is Place.UNSCHEDULABLE and helped:
                self.wake(known)

    @rule(seconds=st.sampled_from([0.5, 1.0, 3.0, 11.0, 301.0]))
    def advance(self, seconds: float) -> None:
        self.now += seconds
        for known in sorted(self.believed.values(), key=lambda item: item.due()):
            if known.place is Place.BACKOFF and known.due() <= self.now:
                known.since = self.now
                self.enter(known)
        for known in sorted(self.believed.values(), key=lambda item: item.failed_at):
            if known.place is Place.UNSCHEDULABLE and known.failed_at <= self.now - 300.0:
                known.since = self.now
                self.wake(known)
        self.queue.advance(self.now)

    @invariant()
    def every_pod_is_where_it_must_be(self) -> None:
        places = {name: pod.place for name, pod in self.believed.items()}
        assert {name: found.place for name in NAMES if (found := self.queue.get(name))} == places
        counts = self.queue.sizes()
        for place in (Place.ACTIVE, Place.BACKOFF, Place.UNSCHEDULABLE, Place.GATED):
            assert counts[place] == list(places.values()).count(place)
        assert len(self.queue) == len(places) - len(self.flying)


QueueMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestQueue = QueueMachine.TestCase
