"""One call of bindings may overtake another: what another order of the bindings explains is no violation, all else is told."""

import pytest

from bench.judge.decisions import Decisions
from bench.judge.doubt import Doubt
from bench.judge.history import History
from tests.unit.scheduler.histories import Story
from tests.unit.scheduler.objects import node
from tests.unit.support.test_scheduling_history import HOSTNAME, ZONE, apart, app, spread, together
from vaina.api.core.v1 import pod_pb2


def judged(bound: list[tuple[pod_pb2.Pod, str]], *, in_flight: int = 10) -> tuple[list[str], int]:
    """Return what is told of Pods that were bound in this order, and how many another order explains."""
    story = Story(*(node(f"n{zone}", labels={HOSTNAME: f"n{zone}", ZONE: zone}) for zone in "abc"))
    for made, on in bound:
        story.pod(made, on=on)
    history = History(lag=0, decisions=Decisions(lambda: False, Doubt(in_flight=in_flight, lag=0)))
    for happened in story.happened:
        history.take(happened)
    history.end()
    return history.found, history.overtaken.explained


def evenly(*zones: str) -> list[tuple[pod_pb2.Pod, str]]:
    """Return Pods that must be spread evenly, bound in these zones."""
    return [(spread(app(f"p{number}"), ZONE), f"n{zone}") for number, zone in enumerate(zones)]


def test_pods_that_are_spread_may_be_written_in_another_order() -> None:
    # Decided a, b, c, a: the last call came first.
    assert judged(evenly("a", "a", "b", "c")) == ([], 1)


def test_where_calls_do_not_overlap_the_order_is_that_of_the_decisions() -> None:
    found, explained = judged(evenly("a", "a", "b", "c"), in_flight=0)
    assert found == [
        "default/p1 was bound to na, but PodTopologySpread: node(s) didn't match pod topology spread constraints"
    ]
    assert explained == 0


@pytest.mark.parametrize(
    ("zones", "in_flight"),
    [(["a", "a", "b"], 10), (["a", "a", "b", "c"], 1)],
    ids=["no later binding makes it right", "what makes it right comes too late to have been under way"],
)
def test_what_no_order_explains_is_told(zones: list[str], in_flight: int) -> None:
    found, explained = judged(evenly(*zones), in_flight=in_flight)
    assert [words.split(" was")[0] for words in found] == ["default/p1"]
    assert explained == 0


def test_a_pod_that_wants_a_friend_may_be_written_before_it() -> None:
    friend = app("friend", "db")
    alone = (together(app("p1"), ZONE, "db"), "na")
    assert judged([alone, (friend, "na")]) == ([], 1)
    found, _ = judged([alone, (friend, "nb")])
    assert len(found) == 1


def test_pods_that_keep_apart_are_on_one_node_in_every_order() -> None:
    found, explained = judged(
        [(apart(app("first"), HOSTNAME, "web"), "na"), (app("second"), "na"), *evenly("b", "c")]
    )
    assert [words.split(" was")[0] for words in found] == ["default/second"]
    assert explained == 0
