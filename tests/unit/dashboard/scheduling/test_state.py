"""What is remembered of a scheduler, look after look."""

from collections.abc import Sequence

from dashboard.scheduling.state import MAX_DECISIONS, MAX_POINTS, SchedulerState, explained
from vaina.api.scheduler.v1 import scheduler_service_pb2 as pb
from vaina.clock import micro_timestamp


def look(at: float, recorded: int, *, active: int = 0, identity: str = "s_1") -> pb.OverviewResponse:
    by = pb.Answerer(identity=identity, leading=True, time=micro_timestamp(at))
    return pb.OverviewResponse(answered_by=by, queue=pb.QueueSizes(active=active, gated=1), recorded=recorded)


def decisions(*numbers: int) -> Sequence[pb.Decision]:
    return [pb.Decision(number=one, name=f"p{one}", outcome="Scheduled") for one in numbers]


def test_each_look_is_a_point_with_the_pace_since_the_one_before() -> None:
    state = SchedulerState()
    state.take(look(10.0, 100), ())
    new = state.take(look(12.0, 500, active=7), ())
    assert (new["point"]["decided"], new["point"]["active"], new["point"]["gated"]) == (200.0, 7, 1)
    assert [point["time"] for point in state.points] == [10.0, 12.0]


def test_of_the_decisions_of_a_look_those_count_that_gave_a_node() -> None:
    state = SchedulerState()
    state.take(look(10.0, 0), ())
    failed = pb.Decision(number=4, name="p4", outcome="Unschedulable")
    new = state.take(look(12.0, 4), [failed, *decisions(3, 2, 1)])
    assert (new["point"]["decided"], new["point"]["scheduled"]) == (2.0, 1.5)
    assert state.take(look(13.0, 4), ())["point"]["scheduled"] == 0.0


def test_a_decision_is_told_once_and_the_newest_stands_first() -> None:
    state = SchedulerState()
    first = state.take(look(1.0, 2), decisions(2, 1))
    again = state.take(look(2.0, 3), decisions(3, 2))
    assert [one["number"] for one in first["decisions"]] == [2, 1]
    assert [one["number"] for one in again["decisions"]] == [3]
    assert [one["number"] for one in state.decisions] == [3, 2, 1]


def test_what_falls_between_a_look_and_its_decisions_is_told_once() -> None:
    state = SchedulerState()
    state.take(look(1.0, 2), decisions(4, 3, 2, 1))
    assert state.missing(look(2.0, 4)) == 0
    state.take(look(2.0, 5), decisions(5, 4))
    assert [one["number"] for one in state.decisions] == [5, 4, 3, 2, 1]


def test_only_what_is_missing_is_asked_for() -> None:
    state = SchedulerState()
    assert state.missing(look(1.0, 5)) == 5
    state.take(look(1.0, 5), ())
    assert (state.missing(look(2.0, 5)), state.missing(look(2.0, 9))) == (0, 4)
    assert state.missing(look(2.0, 10_000)) == MAX_DECISIONS


def test_a_scheduler_that_began_anew_or_another_one_is_followed_from_its_start() -> None:
    state = SchedulerState()
    state.take(look(1.0, 500), decisions(500))
    for other in (look(2.0, 3), look(2.0, 600, identity="s_2")):
        assert state.missing(other) == min(other.recorded, MAX_DECISIONS)
    new = state.take(look(2.0, 3), decisions(3))
    assert (new["again"], len(state.points), [one["number"] for one in state.decisions]) == (True, 1, [3])


def test_memory_is_bounded() -> None:
    state = SchedulerState()
    for number in range(MAX_POINTS + 10):
        state.take(look(float(number), number * 2), decisions(number * 2, number * 2 - 1))
    assert (len(state.points), len(state.decisions)) == (MAX_POINTS, MAX_DECISIONS)


def verdict(node: str, **scores: int) -> pb.NodeVerdict:
    made = [pb.Score(plugin=name, raw=value, normalised=value, weight=2) for name, value in scores.items()]
    return pb.NodeVerdict(node=node, scores=made, total=sum(scores.values()) * 2)


def test_a_pod_has_its_table_of_nodes_and_plugins_with_weights() -> None:
    refusal = pb.Refusal(plugin="NodeResourcesFit", reasons=["Insufficient cpu"], lack="lacks 250m cpu")
    seen = pb.Evaluation(
        nodes=3, feasible=1, best=[verdict("n1", Fit=40, Balanced=3)],
        refused=[pb.NodeGroup(count=2, nodes=["n2", "n3"], refusals=[refusal])],
        preemption=pb.Preemption(node="n2", victim_count=1, victims=[pb.Victim(namespace="a", name="b", priority=0)]),
    )  # fmt: skip
    shown = explained(pb.ExplainResponse(name="web", state="Active", evaluation=seen))["evaluation"]
    assert shown["plugins"] == [{"name": "Fit", "weight": 2}, {"name": "Balanced", "weight": 2}]
    assert shown["best"][0] == {
        "node": "n1", "total": 86,
        "scores": {"Fit": {"raw": 40, "normalised": 40}, "Balanced": {"raw": 3, "normalised": 3}},
    }  # fmt: skip
    assert shown["refusers"] == ["NodeResourcesFit"]
    assert shown["refused"][0]["refusals"]["NodeResourcesFit"]["lack"] == "lacks 250m cpu"
    assert shown["preemption"]["victims"] == [{"namespace": "a", "name": "b", "priority": 0}]


def test_a_bound_pod_has_what_was_seen_when_it_was_decided() -> None:
    detail = pb.DecisionDetail(own=True, best=[verdict("n1", Fit=4)])
    answer = pb.ExplainResponse(state="Bound", decisions=[pb.Decision(number=1, detail=detail)])
    assert explained(answer)["detail"]["best"][0]["node"] == "n1"
