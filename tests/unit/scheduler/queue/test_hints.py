"""A Pod that goes wakes those for whom there is room where it was, and nobody else.

Parked Pods are asked about by kind.
"""

import pytest

from scheduler.cache.cache import Cache
from scheduler.columns.pod_info import PodClass
from scheduler.framework.events import Changed, ClusterEvent
from scheduler.framework.registry import default_profile
from scheduler.framework.runtime import Framework
from scheduler.queue.places import Place
from scheduler.queue.scheduling_queue import SchedulingQueue
from scheduler.queue.unschedulable import FIT, may_fit, with_room
from tests.unit.scheduler.objects import info, node, node_info, pod
from vaina.api.core.v1 import pod_pb2

BY_SHAPE = Framework(default_profile()).that_say("hints_ignore_labels")

GPU = "example.com/gpu"


def cache(*there: pod_pb2.Pod) -> Cache:
    """Return a node of four cores with room for three Pods, and Pods on it."""
    made = Cache()
    made.upsert_node(node_info(node("n1", cpu="4", pods="3", extended={GPU: "1"})))
    for one in there:
        made.put(info(one))
    return made


def on_node(name: str, cpu: str = "1", priority: int = 0) -> pod_pb2.Pod:
    return pod(name, {"cpu": cpu}, node="n1", uid=name, priority=priority)


@pytest.mark.parametrize(
    ("waiting", "there", "expected"),
    [
        (pod("p", {"cpu": "2"}), [on_node("a", "2")], True),
        (pod("p", {"cpu": "3"}), [on_node("a", "2")], False),
        (pod("p", {"cpu": "5"}), [], False),
        (pod("p"), [on_node("a"), on_node("b")], True),
        (pod("p"), [on_node("a"), on_node("b"), on_node("c")], False),
        # Somebody could be evicted now that the other has gone, unless the Pod may not.
        (pod("p", {"cpu": "3"}, priority=5), [on_node("a", "2")], True),
        (pod("p", {"cpu": "3"}, priority=5), [on_node("a", "2", priority=5)], False),
        # Of other resources it does not judge.
        (pod("p", {GPU: "2"}), [], True),
    ],
)
def test_room_is_looked_for_where_a_pod_was(
    waiting: pod_pb2.Pod, there: list[pod_pb2.Pod], expected: bool
) -> None:
    assert may_fit(cache(*there).table, info(waiting).pod_class, info(on_node("gone"))) is expected


def test_a_node_that_has_gone_too_has_no_room_and_an_unknown_one_may_have() -> None:
    waiting = info(pod("p")).pod_class
    assert not may_fit(Cache().table, waiting, info(on_node("gone")))
    assert may_fit(Cache().table, waiting, info(pod("refused")))


def parked(queue: SchedulingQueue, made: pod_pb2.Pod, *by: str) -> str:
    """Let a Pod be refused by plugins; returns its uid."""
    queue.add(info(made), now=0.0)
    popped = queue.pop(now=0.0)
    assert popped is not None
    queue.park(popped, frozenset(by), now=0.0)
    return popped.info.uid


def test_a_pod_that_goes_wakes_those_who_fit_in_its_place() -> None:
    there = cache(on_node("a", "2"))
    queue = SchedulingQueue(
        hints=with_room(Framework(default_profile()).hints, there.table), by_shape=BY_SHAPE
    )
    small = parked(queue, pod("small", {"cpu": "2"}), FIT)
    large = parked(queue, pod("large", {"cpu": "3"}), FIT)
    tainted = parked(queue, pod("tainted", {"cpu": "1"}), "TaintToleration")
    assert queue.on_event(ClusterEvent.ASSIGNED_POD_DELETE, info(on_node("gone")), None, now=100.0) == 1
    found = {uid: item.place for uid in (small, large, tainted) if (item := queue.get(uid))}
    assert found == {small: Place.ACTIVE, large: Place.UNSCHEDULABLE, tainted: Place.UNSCHEDULABLE}
    there.remove("a")
    assert queue.on_event(ClusterEvent.ASSIGNED_POD_DELETE, info(on_node("a")), None, now=100.0) == 1


class Asked:
    """A hint that counts."""

    def __init__(self, answer: bool) -> None:
        self.answer, self.times = answer, 0

    def __call__(self, pod: PodClass, before: Changed, after: Changed) -> bool:
        self.times += 1
        return self.answer


def labelled(number: int) -> pod_pb2.Pod:
    """Return a Pod with a label of its own."""
    made = pod(f"p{number}", {"cpu": "1"}, uid=f"p{number}")
    made.metadata.labels["job"] = str(number)
    return made


@pytest.mark.parametrize(
    ("by", "times"),
    # Labels make no difference to the one, and may to the other; nobody asks those whom a third has refused.
    [((FIT,), 1), (("Labels",), 10), ((FIT, "Labels"), 10), (("Silent",), 0)],
)
def test_alike_pods_are_asked_about_once(by: tuple[str, ...], times: int) -> None:
    hint = Asked(False)
    hints = {ClusterEvent.NODE_ADD: {FIT: hint, "Labels": hint}}
    queue = SchedulingQueue(hints=hints, by_shape=BY_SHAPE)
    for number in range(10):
        parked(queue, labelled(number), *by)
    assert queue.on_event(ClusterEvent.NODE_ADD, None, None, now=1.0) == 0
    assert hint.times == times * len(set(by) - {"Silent"} or {""})
    hint.answer = True
    assert queue.on_event(ClusterEvent.NODE_ADD, None, None, now=1.0) == (10 if times else 0)


def test_a_parked_pod_that_goes_leaves_its_kind_alone() -> None:
    queue = SchedulingQueue(hints={ClusterEvent.NODE_ADD: {FIT: Asked(True)}}, by_shape=BY_SHAPE)
    uids = [parked(queue, labelled(number), FIT) for number in range(3)]
    queue.delete(uids[0])
    assert queue.on_event(ClusterEvent.NODE_ADD, None, None, now=1.0) == 2
    assert queue.sizes()["unschedulable"] == 0
    assert queue.on_event(ClusterEvent.NODE_ADD, None, None, now=1.0) == 0


def test_pods_of_whom_nobody_said_why_are_tried_again_by_whatever_is_heard() -> None:
    queue = SchedulingQueue(hints={ClusterEvent.NODE_ADD: {FIT: Asked(False)}}, by_shape=BY_SHAPE)
    parked(queue, labelled(1))
    assert queue.on_event(ClusterEvent.NODE_ADD, None, None, now=1.0) == 1


def test_a_hint_that_fails_wakes() -> None:
    def fails(_pod: PodClass, _before: Changed, _after: Changed) -> bool:
        raise KeyError("a bug of a plugin")

    queue = SchedulingQueue(hints={ClusterEvent.NODE_ADD: {"Theirs": fails}})
    parked(queue, labelled(1), "Theirs")
    assert queue.on_event(ClusterEvent.NODE_ADD, None, None, now=10.0) == 1


def test_a_gate_that_fails_lets_the_pod_in() -> None:
    def fails(_pod: PodClass) -> str:
        raise KeyError("a bug of a plugin")

    queue = SchedulingQueue(hints={}, gate=fails)
    queue.add(info(labelled(1)), now=0.0)
    assert queue.pop(now=0.0) is not None
