"""Questions that are spared change no answer.

A queue that spares them wakes whom one wakes that asks everything.
"""

import random

import pytest

from scheduler.cache.cache import Cache
from scheduler.columns.pod_info import PodClass, PodInfo
from scheduler.framework.events import Changed, ClusterEvent
from scheduler.framework.registry import default_profile
from scheduler.framework.runtime import Framework
from scheduler.queue.scheduling_queue import SchedulingQueue
from scheduler.queue.unschedulable import FIT, MAX_DENIED, screens, with_room
from tests.unit.scheduler.objects import info, node, node_info, pod
from vaina.api.core.v1 import pod_pb2

BY_SHAPE = Framework(default_profile()).that_say("hints_ignore_labels")
BY_CLASS = Framework(default_profile()).that_say("hints_read_class_only")

ADD, DELETE = ClusterEvent.ASSIGNED_POD_ADD, ClusterEvent.ASSIGNED_POD_DELETE
RELABELLED = ClusterEvent.ASSIGNED_POD_UPDATE_LABEL
AFFINITY, PORTS, SPREAD = "InterPodAffinity", "NodePorts", "PodTopologySpread"


def waiting(uid: str, cpu: str = "1", *, near: str = "", away: str = "", priority: int = 0) -> pod_pb2.Pod:
    """Return a Pod that wants to be near Pods of an app, or away from them."""
    made = pod(uid, {"cpu": cpu}, uid=uid, priority=priority)
    for app, part in (
        (near, made.spec.affinity.pod_affinity if near else None),
        (away, made.spec.affinity.pod_anti_affinity if away else None),
    ):
        if part is not None:
            term = part.required_during_scheduling_ignored_during_execution.add()
            term.topology_key = "kubernetes.io/hostname"
            term.label_selector.match_labels["app"] = app
    return made


def meek(made: pod_pb2.Pod) -> pod_pb2.Pod:
    """Let a Pod evict nobody."""
    made.spec.preemption_policy = "Never"
    return made


def labelled(made: pod_pb2.Pod, app: str) -> pod_pb2.Pod:
    """Give a Pod a label."""
    made.metadata.labels["app"] = app
    return made


#: Pods that are parked, and the plugins that refused them
PARKED = [
    (waiting("large", "9"), {FIT}),
    (waiting("middling", "3"), {FIT}),
    (waiting("greedy", "3", priority=7), {FIT}),
    (meek(waiting("meek", "3", priority=7)), {FIT}),
    (waiting("small", "1"), {FIT, "TaintToleration"}),
    (waiting("near", near="web"), {AFFINITY}),
    (waiting("nearer", "2", near="db"), {AFFINITY, FIT}),
    (waiting("away", away="web"), {AFFINITY, "NodeAffinity"}),
    (pod("ported", uid="ported", ports=[(80, "")]), {PORTS}),
    (waiting("spread"), {SPREAD}),
    (waiting("unsaid"), set()),
]
OTHERS = [
    labelled(pod(f"{app}-{cpu}", {"cpu": cpu}, uid=f"{app}-{cpu}", ports=ports), app)
    for app in ("web", "db")
    for cpu, ports in (("1", [(80, "")]), ("2", []), ("4", []))
]
STEPS = ["park", "park", "forget", "place", "remove", "came", "went", "went", "relabel"]


class Beside:
    """A queue that spares questions, and one that asks them all."""

    def __init__(self) -> None:
        self.cache, self.now = Cache(), 0.0
        for name in "ab":
            self.cache.upsert_node(node_info(node(name, cpu="4", pods="3")))
        hints = with_room(Framework(default_profile()).hints, self.cache.table)
        sparing = SchedulingQueue(
            hints=hints, by_shape=BY_SHAPE, by_class=BY_CLASS, screens=screens(self.cache.table)
        )
        self.queues = (sparing, SchedulingQueue(hints=hints, by_shape=BY_SHAPE))

    def park(self, made: pod_pb2.Pod, by: frozenset[str]) -> None:
        for queue in self.queues:
            queue.delete(made.metadata.uid)
            queue.add(info(made), now=self.now)
            popped = queue.pop(now=self.now)
            while popped is not None and popped.info.uid != made.metadata.uid:
                queue.requeue(popped, now=self.now)
                popped = queue.pop(now=self.now)
            assert popped is not None
            queue.park(popped, by, now=self.now)

    def forget(self, made: pod_pb2.Pod) -> None:
        for queue in self.queues:
            queue.delete(made.metadata.uid)

    def happened(self, event: ClusterEvent, before: Changed, after: Changed) -> int:
        one, two = (queue.on_event(event, before, after, now=self.now) for queue in self.queues)
        assert one == two
        return one

    def check(self) -> None:
        one, two = (
            {uid: item.place for uid in sorted(queue.uids()) if (item := queue.get(uid))}
            for queue in self.queues
        )
        assert one == two
        assert self.queues[0].incoming == self.queues[1].incoming


@pytest.mark.parametrize("seed", range(10))
def test_who_is_spared_a_question_would_have_denied_it(seed: int) -> None:
    rng, beside, woken = random.Random(seed), Beside(), 0
    for _ in range(300):
        beside.now += 1.0
        what, one, two = rng.choice(STEPS), rng.choice(OTHERS), rng.choice(OTHERS)
        made, by = rng.choice(PARKED)
        there = info(one).at(rng.choice("ab"))
        if what == "park":
            beside.park(made, frozenset(by))
        elif what == "forget":
            beside.forget(made)
        elif what == "place":
            beside.cache.put(there)
        elif what == "remove":
            beside.cache.remove(there.uid)
        elif what == "came":
            woken += beside.happened(ADD, None, there)
        elif what == "went":
            woken += beside.happened(DELETE, there, None)
        else:
            woken += beside.happened(RELABELLED, there, info(two).at(there.node_name))
        beside.check()
    assert woken > 10


class Counted:
    """A hint that says no, and counts."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, _pod: PodClass, _before: Changed, _after: Changed) -> bool:
        self.times += 1
        return False


def other(number: int) -> PodInfo:
    """Return a Pod of a class of its own."""
    return info(pod("other", {"cpu": str(1 + number)}, uid=f"o{number}"))


def test_a_question_by_class_is_asked_once_until_there_is_another_group() -> None:
    hint = Counted()
    queue = SchedulingQueue(hints={ADD: {AFFINITY: hint}}, by_class=BY_CLASS)

    def park(name: str, cpu: str) -> None:
        queue.add(info(pod(name, {"cpu": cpu}, uid=name)), now=0.0)
        popped = queue.pop(now=0.0)
        assert popped is not None
        queue.park(popped, frozenset({AFFINITY}), now=0.0)

    park("one", "1")
    for _ in range(10):
        queue.on_event(ADD, None, other(0), now=1.0)
    assert hint.times == 1
    queue.on_event(ADD, None, other(1), now=1.0)
    assert hint.times == 2
    park("two", "2")
    queue.on_event(ADD, None, other(0), now=1.0)
    assert hint.times == 4
    # What is remembered has a bound.
    for number in range(2, 3 * MAX_DENIED):
        queue.on_event(ADD, None, other(number), now=1.0)
    assert len(queue._unschedulable._by_plugin[AFFINITY]._denied) <= MAX_DENIED
