"""One call of bindings may overtake another.

What another order of the bindings explains is no violation, all else is told.
"""

import pytest

from bench.judge.decisions import Decisions
from bench.judge.doubt import Doubt
from bench.judge.history import History
from bench.judge.reference.scheduler import RULES
from tests.unit.scheduler.histories import Story
from tests.unit.scheduler.objects import node
from tests.unit.support.test_scheduling_history import HOSTNAME, ZONE, apart, app, spread, together
from vaina.api.core.v1 import pod_pb2


def three_zones() -> Story:
    return Story(*(node(f"n{zone}", labels={HOSTNAME: f"n{zone}", ZONE: zone}) for zone in "abc"))


def judged(bound: list[tuple[pod_pb2.Pod, str]], *, in_flight: int = 10) -> tuple[list[str], int]:
    """Return what is told of Pods that were bound in this order, and how many another order explains."""
    story = three_zones()
    for made, on in bound:
        story.pod(made, on=on)
    return told(story, in_flight=in_flight)


def told(story: Story, *, in_flight: int = 10, plugins: set[str] | None = None) -> tuple[list[str], int]:
    """Return what is told of a story, and how many bindings another order explains."""
    decisions = Decisions(lambda: False, Doubt(in_flight=in_flight, lag=0), plugins)
    history = History(lag=0, decisions=decisions, plugins=plugins)
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


def test_a_pod_that_goes_explains_nothing() -> None:
    story = three_zones()
    first = story.pod(apart(app("first"), HOSTNAME, "web"), on="na")
    story.pod(app("second"), on="na")
    story.gone(first)
    story.pod(app("third"), on="nb")
    found, explained = told(story)
    assert [words.split(" was")[0] for words in found] == ["default/second"]
    assert explained == 0


def test_a_pod_that_has_gone_is_there_for_the_decision_that_was_made_with_it() -> None:
    story = three_zones()
    [(one, _), (other, _)] = evenly("a", "a")
    story.pod(one, on="na")
    story.pod(other, on="na")
    story.gone(story.pod(spread(app("p3"), ZONE), on="nc"))
    story.pod(spread(app("p2"), ZONE), on="nb")
    assert told(story) == ([], 1)


def test_a_pod_that_is_over_before_it_was_seen_is_told() -> None:
    story = three_zones()
    for number, (made, on) in enumerate(evenly("a", "a", "b", "c")):
        if number == 1:
            made.status.phase = "Failed"
        story.pod(made, on=on)
    found, _ = told(story)
    assert [words.split(" was")[0] for words in found] == ["default/p1"]


def test_a_rule_that_is_taken_away_hides_no_other() -> None:
    story = three_zones()
    story.pod(app("web"), on="na")
    story.pod(together(spread(app("bad"), ZONE), ZONE, "nobody"), on="na")
    every = {rule.name for rule in RULES}
    [found], _ = told(story, plugins=every)
    assert "PodTopologySpread" in found
    [found], _ = told(story, plugins=every - {"PodTopologySpread"})
    assert "InterPodAffinity" in found
    assert told(story, plugins=every - {"PodTopologySpread", "InterPodAffinity"}) == ([], 0)
