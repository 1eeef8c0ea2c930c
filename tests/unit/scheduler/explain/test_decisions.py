"""The ring of decisions: the newest stay, details cost little, and what is asked for is found."""

import pytest

from scheduler.columns.pod_info import PodClass
from scheduler.explain.decisions import MAX_DETAILS, MAX_VICTIMS, DecisionLog, Detail, Outcome
from scheduler.framework.status import Scheduled, Unschedulable
from scheduler.queue.places import QueuedPod
from tests.unit.scheduler.objects import info, pod

SOMEWHERE = Scheduled(3, "n3", 10, 7)
NOWHERE = Unschedulable(2, {"Insufficient cpu": 2}, frozenset({"NodeResourcesFit"}), "0/2 nodes ...")


class Looks:
    """Takes details, each of which costs some time."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds, self.now, self.taken = seconds, 0.0, list[PodClass]()

    def take(self, pod_class: PodClass, at: float, number: int) -> Detail:
        self.now += self.seconds
        self.taken.append(pod_class)
        return Detail(at, number, (), (), len(self.taken))


def queued(name: str, cpu: str = "1", *, attempts: int = 1) -> QueuedPod:
    return QueuedPod(
        info(pod(name, {"cpu": cpu}, uid=f"uid-{name}")), added=1.0, since=1.0, attempts=attempts
    )


def make(looks: Looks | None = None, capacity: int = 4) -> DecisionLog:
    looks = looks or Looks()
    return DecisionLog(looks.take, lambda: looks.now, capacity=capacity)


def test_the_newest_come_first_and_the_oldest_fall_out() -> None:
    log = make()
    for number in range(6):
        log.record(queued(f"p{number}"), SOMEWHERE, float(number))
    assert [(number, entry.name) for number, entry in log.find()] == [
        (6, "p5"),
        (5, "p4"),
        (4, "p3"),
        (3, "p2"),
    ]
    assert (log.recorded, len(log), log.capacity) == (6, 4, 4)
    assert log.find(name="p0") == []


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ({"uid": "uid-a"}, ["a", "a"]), ({"name": "b"}, ["b"]), ({"namespace": "default"}, ["a", "b", "a"]),
        ({"namespace": "other"}, []), ({"namespace": "default", "name": "a", "limit": 1}, ["a"]), ({"limit": 2}, ["a", "b"]),
    ],
)  # fmt: skip
def test_decisions_are_found_by_pod(asked: dict[str, object], names: list[str]) -> None:
    log = make()
    for name in ("a", "b", "a"):
        log.record(queued(name), NOWHERE, 2.0)
    assert [entry.name for _, entry in log.find(**asked)] == names  # type: ignore[arg-type]  # a table of arguments


def test_every_kind_of_ending_is_told_apart() -> None:
    log, waiting = make(capacity=10), queued("a", attempts=3)
    log.record(waiting, SOMEWHERE, 2.0)
    log.record(waiting, NOWHERE, 3.0)
    log.record_refused(waiting, "n3", "the node has gone", now=4.0)
    log.record_error(waiting, "ValueError: x", now=5.0)
    log.record_preemption(waiting, "n1", [info(pod("victim", priority=-5, uid="v"))], now=6.0)
    found = [entry for _, entry in log.find()]
    assert [entry.outcome for entry in found] == [
        Outcome.PREEMPTED, Outcome.ERROR, Outcome.BINDING_REFUSED, Outcome.UNSCHEDULABLE, Outcome.SCHEDULED,
    ]  # fmt: skip
    assert {entry.attempt for entry in found} == {3}
    assert [entry.decision for entry in found[3:]] == [NOWHERE, SOMEWHERE]
    assert (found[2].node, found[2].message) == ("n3", "the node has gone")
    preemption = found[0].preemption
    assert preemption is not None
    assert (preemption.node, preemption.victim_count) == ("n1", 1)
    assert preemption.victims == (("default", "victim", "v", -5),)


def test_the_ring_does_not_hold_the_objects_of_victims() -> None:
    log = make()
    found = Unschedulable(1, {}, frozenset(), "", nominated="n1", victims=(info(pod("victim")),))
    log.record(queued("a"), found, 1.0)
    decision = log.find()[0][1].decision
    assert isinstance(decision, Unschedulable)
    assert (decision.nominated, decision.victims) == ("n1", ())


def test_of_many_victims_some_are_named_and_all_counted() -> None:
    log = make()
    log.record_preemption(queued("a"), "n1", [info(pod(f"v{n}")) for n in range(MAX_VICTIMS + 5)], now=1.0)
    [(_, entry)] = log.find()
    assert entry.preemption is not None
    assert (len(entry.preemption.victims), entry.preemption.victim_count) == (MAX_VICTIMS, MAX_VICTIMS + 5)


def test_a_decision_has_its_own_detail_when_there_is_time() -> None:
    log, first = make(), queued("a")
    log.look(first.info.pod_class, 0.0)
    log.record(first, SOMEWHERE, 0.0)
    [(number, entry)] = log.find()
    assert entry.detail is not None
    assert entry.detail.number == number


def test_where_details_cost_too_much_an_equal_pod_s_are_referred_to_and_they_come_back_with_time() -> None:
    looks = Looks(seconds=0.05)
    log = make(looks)
    for number in range(3):
        log.look(queued("a").info.pod_class, 0.0)
        log.record(queued(f"a{number}"), SOMEWHERE, 0.0)
    assert len(looks.taken) == 1
    details = [entry.detail.number for _, entry in log.find() if entry.detail is not None]
    assert details == [1, 1, 1]
    other = queued("b", cpu="2")
    log.look(other.info.pod_class, 1.0)
    log.record(other, SOMEWHERE, 1.0)
    assert log.find(name="b")[0][1].detail is None
    # 50 ms of looking are a hundredth of five seconds.
    log.look(other.info.pod_class, 6.0)
    assert len(looks.taken) == 2


def test_a_look_that_fails_costs_the_decision_nothing() -> None:
    def broken(pod_class: PodClass, at: float, number: int) -> Detail:
        raise ValueError("a plugin's bug")

    log = DecisionLog(broken, lambda: 0.0)
    log.look(queued("a").info.pod_class, 0.0)
    log.record(queued("a"), SOMEWHERE, 0.0)
    assert log.find()[0][1].detail is None


def test_details_of_classes_are_bounded() -> None:
    looks = Looks()
    log = DecisionLog(looks.take, lambda: 0.0, capacity=5)
    pods = [queued(f"p{number}", cpu=f"{number + 1}m") for number in range(MAX_DETAILS + 50)]
    for number, waiting in enumerate(pods):
        log.look(waiting.info.pod_class, float(number))
    log.record(pods[0], SOMEWHERE, 999.0)
    log.record(pods[-1], SOMEWHERE, 999.0)
    newest, oldest = log.find()
    assert newest[1].detail is not None
    assert oldest[1].detail is None
