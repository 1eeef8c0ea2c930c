"""The judge of decisions finds every mistake that is made on purpose, in the right words, and nothing where
all is well.
"""

import random

import pytest

from bench.judge.decisions import Decisions
from bench.judge.doubt import Doubt
from bench.judge.history import History
from bench.judge.reference import Verdict
from bench.judge.ties import Ties
from tests.unit.scheduler.objects import node
from tests.unit.support.judge_mistakes import STORIES, TOLD, Case, small
from tests.unit.support.played import Mistake, Played, judged, story

SURE, UNSURE = Doubt(in_flight=0, lag=0), Doubt(in_flight=5, lag=5)
SEEDS, PARTS = 64, 4


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("doubt", [SURE, UNSURE, Doubt()], ids=["sure", "unsure", "as in a load"])
def test_what_is_decided_by_the_reference_is_right(part: int, doubt: Doubt) -> None:
    for seed in range(part, SEEDS, PARTS):
        assert judged(story(seed), doubt) == [], f"seed {seed}"


@pytest.mark.parametrize("case", STORIES, ids=lambda case: case.name)
def test_a_mistake_of_the_scheduler_is_found(case: Case) -> None:
    found: list[str] = []
    for seed in range(2 * SEEDS):
        found = judged(story(seed, case.mistake), SURE)
        if any(case.words in words for words in found):
            return
    pytest.fail(f"not found; the last: {found}")


@pytest.mark.parametrize("name", TOLD)
def test_a_mistake_that_is_told_is_found(name: str) -> None:
    words, tell = TOLD[name]
    found = judged(tell(), SURE, end=True)
    assert any(words in one for one in found), found


def first(_: random.Random, verdict: Verdict) -> str:
    return min(verdict.best)


def last(_: random.Random, verdict: Verdict) -> str:
    return max(verdict.best)


def one_of_the_first(dice: random.Random, verdict: Verdict) -> str:
    return dice.choice(sorted(verdict.best)[: max(1, len(verdict.best) // 3)])


PICKS = [first, last, one_of_the_first]


def placed(mistake: Mistake, count: int = 200) -> Played:
    """Return many Pods in a cluster of equal nodes, of which each goes soon."""
    played = Played(7, mistake)
    for number in range(8):
        played.set_node(node(f"n{number}", cpu="8", memory="16Gi"))
    for number in range(count):
        played.schedule(small("p", cpu="100m"))
        if number >= 3:
            played.remove_pod(min(played.placed, key=lambda uid: int(uid[1:])))
    return played


@pytest.mark.parametrize("pick", PICKS, ids=lambda pick: pick.__name__)
@pytest.mark.parametrize("doubt", [SURE, Doubt()], ids=["sure", "as in a load"])
def test_equals_that_are_not_used_evenly_are_found(pick: object, doubt: Doubt) -> None:
    found = judged(placed(Mistake(place=pick)).happened, doubt)  # type: ignore[arg-type]  # one of the above
    side = "last" if pick is last else "first"
    assert any("not used evenly" in words and f"the {side} by name" in words for words in found), found


@pytest.mark.parametrize("doubt", [SURE, Doubt()], ids=["sure", "as in a load"])
def test_equals_that_are_drawn_are_left_alone(doubt: Doubt) -> None:
    assert judged(placed(Mistake()).happened, doubt) == []


def test_few_decisions_among_equals_say_nothing() -> None:
    ties = Ties()
    for _ in range(20):
        ties.take("a", ["a", "b"], certain=True)
    assert not ties.found()


def test_a_worse_node_is_found_where_decisions_are_on_their_way_and_score_is_lost() -> None:
    played = Played()
    for number in range(40):
        played.set_node(node(f"n{number:02}", cpu="8", memory="16Gi"))
    made, *_ = [played.schedule(small("p", cpu="4")) for _ in range(5)]
    bad = small("bad", cpu="1")
    bad.metadata.uid = "bad"
    played.add("ADDED", bad)
    played.bind(bad, made)
    for _ in range(4):
        played.schedule(small("p", cpu="1"))
    decisions = Decisions(doubt=Doubt(in_flight=3, lag=3))
    history = History(lag=3, decisions=decisions)
    for one in played.happened:
        history.take(one)
    history.end_decisions()
    [words] = history.found
    assert words.startswith(f"default/bad was bound to {made} with a score of ")
    assert decisions.scores.worst > 0
    assert decisions.scores.judged == 10


def test_of_a_scheduler_that_looks_at_some_nodes_score_is_told_and_no_violation() -> None:
    mistake = Mistake(place=lambda dice, one: dice.choice(sorted(one.scores or one.best)))
    lost = 0
    for seed in range(10):
        decisions = Decisions(doubt=Doubt(in_flight=0, lag=0, all_nodes=False))
        history = History(lag=0, decisions=decisions)
        for one in story(seed, mistake):
            history.take(one)
        history.end_decisions()
        assert not [words for words in history.found if "score" in words]
        lost += decisions.scores.lost
    assert lost > 0


def test_a_scheduler_of_which_nothing_is_known_may_take_the_first_of_equals() -> None:
    judged: dict[bool, list[str]] = {}
    for all_nodes in (True, False):
        decisions = Decisions(doubt=Doubt(in_flight=0, lag=0, all_nodes=all_nodes))
        history = History(lag=0, decisions=decisions)
        for number in range(100):
            decisions.scores.ties.take("n0", [f"n{row}" for row in range(1 + number % 9)], certain=True)
        history.end_decisions()
        judged[all_nodes] = history.found
    [found] = judged[True]
    assert found.startswith("equally good nodes are not used evenly")
    assert judged[False] == []


def test_what_cannot_be_judged_is_named() -> None:
    decisions = Decisions(doubt=SURE, without_scores="arguments of NodeResourcesFit")
    history = History(lag=0, decisions=decisions)
    for one in placed(Mistake(), 5).happened:
        history.take(one)
    assert decisions.unjudged["scores (arguments of NodeResourcesFit)"] == 5
