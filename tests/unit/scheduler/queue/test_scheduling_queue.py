"""Where a Pod waits, for how long, and what wakes it."""

import pytest

from scheduler.columns.pod_info import PodClass, PodInfo
from scheduler.framework.events import Changed, ClusterEvent
from scheduler.queue.places import QueuedPod
from scheduler.queue.scheduling_queue import SchedulingQueue
from tests.unit.scheduler.objects import info, node, node_info, pod

FIT, TAINTS = "Fit", "Taints"
NODE_ADD, POD_DELETE = ClusterEvent.NODE_ADD, ClusterEvent.ASSIGNED_POD_DELETE
BOTH = frozenset({FIT, TAINTS})


def large_enough(pod: PodClass, _before: Changed, after: Changed) -> bool:
    return after is not None and pod.request("cpu") <= after.allocatable["cpu"]  # type: ignore[union-attr]


def make_queue(**changes: object) -> SchedulingQueue:
    return SchedulingQueue(
        hints={NODE_ADD: {FIT: large_enough}, POD_DELETE: {FIT: lambda *_: True}},
        gate=lambda pod: "Gates" if pod.gates else "",
        **changes,  # type: ignore[arg-type]
    )


def item(name: str, cpu: str = "1", **kwargs: object) -> PodInfo:
    return info(pod(name, {"cpu": cpu}, uid=name, **kwargs))  # type: ignore[arg-type]


def popped(queue: SchedulingQueue, now: float = 0.0) -> QueuedPod:
    found = queue.pop(now=now)
    assert found is not None
    return found


def names(queue: SchedulingQueue, now: float = 0.0) -> list[str]:
    found = []
    while (pod := queue.pop(now=now)) is not None:
        found.append(pod.info.name)
    return found


def test_higher_priority_goes_first_then_who_came_first() -> None:
    queue = make_queue()
    for now, (name, priority) in enumerate([("a", 0), ("b", 5), ("c", 0), ("d", 5)]):
        queue.add(item(name, priority=priority), now=float(now))
    assert names(queue) == ["b", "d", "a", "c"]


def test_pods_that_came_at_one_moment_keep_their_order() -> None:
    queue = make_queue()
    for name in "abcdef":
        queue.add(item(name), now=1.0)
    assert names(queue) == [*"abcdef"]


def test_a_refused_pod_sleeps_until_a_hint_wakes_it() -> None:
    queue = make_queue()
    queue.add(item("web", "4"), now=0.0)
    queue.park(popped(queue), frozenset({FIT}), now=0.0)
    assert queue.sizes() == {"active": 0, "backoff": 0, "unschedulable": 1, "gated": 0}
    assert queue.on_event(NODE_ADD, None, node_info(node(cpu="2")), now=20.0) == 0
    assert queue.on_event(NODE_ADD, None, node_info(node(cpu="4")), now=20.0) == 1
    assert names(queue) == ["web"]


def test_a_pod_that_another_plugin_refused_is_left_alone() -> None:
    queue = make_queue()
    queue.add(item("web"), now=0.0)
    queue.park(popped(queue), frozenset({TAINTS}), now=0.0)
    assert queue.on_event(POD_DELETE, item("x"), None, now=20.0) == 0


def test_a_pod_that_nobody_refused_wakes_at_anything() -> None:
    queue = make_queue()
    queue.add(item("web"), now=0.0)
    queue.park(popped(queue), frozenset(), now=0.0)
    assert queue.on_event(ClusterEvent.NODE_DELETE, None, None, now=20.0) == 1


def test_a_pod_that_is_woken_early_waits_for_its_back_off() -> None:
    queue = make_queue()
    queue.add(item("web"), now=0.0)
    queue.park(popped(queue), frozenset({FIT}), now=0.0)
    queue.on_event(POD_DELETE, item("x"), None, now=0.4)
    assert queue.sizes()["backoff"] == 1
    assert queue.advance(0.9) == 1.0
    assert queue.pop(now=0.9) is None
    assert queue.advance(1.0) is None
    assert names(queue) == ["web"]


@pytest.mark.parametrize(
    ("attempt", "seconds"), [(1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0), (5, 10.0), (9, 10.0)]
)
def test_the_back_off_doubles_from_one_second_to_ten(attempt: int, seconds: float) -> None:
    queue, now = make_queue(), 0.0
    queue.add(item("web"), now=now)
    for _ in range(attempt - 1):
        queue.requeue(popped(queue, now), now=now)
        now += 100.0
        queue.advance(now)
    queue.requeue(popped(queue, now), now=now)
    assert queue.advance(now) == now + seconds


def test_what_happened_while_a_pod_was_in_flight_is_looked_at_when_it_fails() -> None:
    queue = make_queue()
    queue.add(item("first", "4"), now=0.0)
    queue.add(item("second", "4"), now=0.0)
    first = popped(queue)
    queue.on_event(NODE_ADD, None, node_info(node(cpu="4")), now=0.0)
    second = popped(queue)
    queue.park(first, frozenset({FIT}), now=0.0)
    queue.park(second, frozenset({FIT}), now=0.0)
    assert queue.sizes() == {"active": 0, "backoff": 1, "unschedulable": 1, "gated": 0}


def test_events_are_kept_no_longer_than_a_pod_needs_them() -> None:
    queue = make_queue()
    queue.add(item("a"), now=0.0)
    queue.add(item("b"), now=0.0)
    first, second = popped(queue), popped(queue)
    queue.on_event(POD_DELETE, item("x"), None, now=0.0)
    queue.delete(first.info.uid)
    assert len(queue._in_flight._events) == 1
    queue.delete(second.info.uid)
    assert len(queue._in_flight._events) == 0
    queue.on_event(POD_DELETE, item("x"), None, now=0.0)
    assert len(queue._in_flight._events) == 0


def test_a_pod_whose_events_were_dropped_is_tried_again_in_any_case() -> None:
    queue = make_queue(max_events=4)
    queue.add(item("a"), now=0.0)
    pod = popped(queue)
    for _ in range(6):
        queue.on_event(ClusterEvent.NODE_DELETE, None, None, now=0.0)
    queue.park(pod, frozenset({FIT}), now=0.0)
    assert queue.sizes()["backoff"] == 1


def test_a_pod_that_nothing_woke_is_tried_again_after_five_minutes() -> None:
    queue = make_queue()
    queue.add(item("web"), now=0.0)
    queue.park(popped(queue), frozenset({FIT}), now=10.0)
    assert queue.advance(20.0) == 310.0
    queue.advance(310.0)
    assert names(queue) == ["web"]
    assert queue.incoming["active", "UnschedulableTimeout"] == 1


def test_a_gated_pod_waits_for_its_gates() -> None:
    queue = make_queue()
    queue.add(item("web", gates=["approval"]), now=0.0)
    assert queue.sizes() == {"active": 0, "backoff": 0, "unschedulable": 0, "gated": 1}
    assert queue.on_event(NODE_ADD, None, node_info(node()), now=1.0) == 0
    queue.add(item("web"), now=1.0)
    assert names(queue) == ["web"]
    assert queue.sizes()["gated"] == 0


class Opening:
    """A gate that somebody opens, and how often it was asked."""

    def __init__(self) -> None:
        self.open, self.asked = False, 0

    def __call__(self, _pod: PodClass) -> str:
        self.asked += 1
        return "" if self.open else "Quota"


def gated_queue(gate: Opening, **hints: object) -> SchedulingQueue:
    queue = SchedulingQueue(hints={NODE_ADD: hints}, gate=gate)  # type: ignore[dict-item]
    for name in ("a", "b"):
        queue.add(item(name), now=0.0)
    assert queue.sizes()["gated"] == 2
    return queue


def test_a_gate_is_asked_again_after_an_event_that_its_plugin_takes_for_help() -> None:
    gate = Opening()
    queue = gated_queue(gate, Quota=large_enough)
    gate.open = True
    assert queue.on_event(POD_DELETE, None, None, now=1.0) == 0
    assert queue.on_event(NODE_ADD, None, node_info(node(cpu="0.5")), now=1.0) == 0
    assert queue.on_event(NODE_ADD, None, node_info(node()), now=1.0) == 2
    assert names(queue) == ["a", "b"]
    assert queue.sizes()["gated"] == 0
    assert queue.incoming["active", "NodeAdd"] == 2


def test_a_gate_is_asked_once_for_equal_pods_and_may_stay_closed() -> None:
    gate = Opening()
    queue = gated_queue(gate, Quota=large_enough)
    gate.asked = 0
    assert queue.on_event(NODE_ADD, None, node_info(node()), now=1.0) == 0
    assert gate.asked == 1
    assert queue.sizes()["gated"] == 2


def test_a_gate_that_no_hint_speaks_for_is_asked_again_after_five_minutes() -> None:
    gate = Opening()
    queue = gated_queue(gate)
    assert queue.advance(1.0) == 301.0
    gate.open = True
    assert queue.on_event(NODE_ADD, None, node_info(node()), now=2.0) == 0
    assert queue.advance(300.0) == 301.0
    assert queue.advance(301.0) is None
    assert names(queue) == ["a", "b"]
    assert queue.incoming["active", "UnschedulableTimeout"] == 2


def test_a_gated_pod_that_goes_is_gated_no_longer() -> None:
    queue = gated_queue(Opening(), Quota=large_enough)
    queue.delete("a")
    queue.delete("b")
    assert queue.sizes()["gated"] == 0
    assert queue.advance(1.0) is None


def test_a_refused_pod_that_asks_something_else_is_tried_again() -> None:
    queue = make_queue()
    queue.add(item("web", "64"), now=0.0)
    queue.park(popped(queue), frozenset({FIT}), now=0.0)
    queue.add(item("web", "64"), now=5.0)
    assert queue.sizes()["unschedulable"] == 1
    queue.add(item("web", "1"), now=5.0)
    assert names(queue) == ["web"]


def test_a_deleted_pod_is_nowhere_whatever_its_place() -> None:
    queue = make_queue()
    for name in ("active", "flying", "parked", "waiting"):
        queue.add(item(name, gates=["g"] if name == "gated" else []), now=0.0)
    queue.add(item("gated", gates=["g"]), now=0.0)
    flying = {name: popped(queue) for name in ("active", "flying", "parked", "waiting")}
    queue.park(flying["parked"], frozenset({FIT}), now=0.0)
    queue.requeue(flying["waiting"], now=0.0)
    queue.requeue(flying["active"], now=0.0)
    queue.advance(1.0)
    for name in ("active", "flying", "parked", "waiting", "gated"):
        queue.delete(name)
        assert name not in queue
    assert queue.sizes() == {"active": 0, "backoff": 0, "unschedulable": 0, "gated": 0}
    assert len(queue) == 0
    queue.park(flying["flying"], frozenset({FIT}), now=2.0)
    queue.requeue(flying["flying"], now=2.0)
    assert len(queue) == 0
    assert queue.advance(3.0) is None


def test_equal_pods_are_asked_about_once() -> None:
    asked = []
    queue = SchedulingQueue(hints={NODE_ADD: {FIT: lambda pod, *_: bool(asked.append(pod)) or True}})
    for number in range(50):
        queue.add(item(f"p{number}"), now=0.0)
    while (pod := queue.pop(now=0.0)) is not None:
        queue.park(pod, frozenset({FIT}), now=0.0)
    assert queue.on_event(NODE_ADD, None, None, now=10.0) == 50
    assert len(asked) == 1


def test_a_pod_remembers_its_attempts() -> None:
    queue = make_queue()
    queue.add(item("web"), now=1.0)
    queue.requeue(popped(queue, 2.0), now=2.0)
    queue.advance(9.0)
    again = popped(queue, 9.0)
    assert (again.attempts, again.added, again.first_attempt) == (2, 1.0, 2.0)


def test_arrivals_are_counted_by_queue_and_event() -> None:
    queue = make_queue()
    queue.add(item("a"), now=0.0)
    queue.add(item("b", gates=["g"]), now=0.0)
    queue.park(popped(queue), BOTH, now=0.0)
    queue.on_event(POD_DELETE, item("x"), None, now=0.5)
    queue.advance(1.0)
    assert queue.incoming == {
        ("active", "PodAdd"): 1,
        ("gated", "PodAdd"): 1,
        ("unschedulable", "ScheduleAttemptFailure"): 1,
        ("backoff", "AssignedPodDelete"): 1,
        ("active", "BackoffComplete"): 1,
    }


def test_taking_pods_out_leaves_no_dead_entries_behind() -> None:
    queue = make_queue()
    for number in range(1000):
        queue.add(item(f"p{number}"), now=float(number))
        queue.delete(f"p{number}")
    assert len(queue._active._entries) < 200
    assert queue.pop(now=0.0) is None


def test_the_same_reason_is_told_again_after_five_minutes_and_another_at_once() -> None:
    waiting = QueuedPod(info(pod("p")), added=0.0, since=0.0)
    told = [
        waiting.tell(message, now=now)
        for message, now in [("a", 0.0), ("a", 299.0), ("b", 299.5), ("b", 300.0), ("b", 600.0)]
    ]
    assert told == [True, False, True, False, True]
