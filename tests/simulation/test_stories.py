"""Stories as data: drawn by a seed, written down and read again, and cut shorter."""

import pytest

from tests.simulation.actions import ACTIONS
from tests.simulation.replay import from_text, to_text
from tests.simulation.shrink import ddmin, shrink
from tests.simulation.story import VERBS, Faults, Step, Story, draw
from tests.simulation.table import Totals


def story_of(*verbs: str, **faults: float) -> Story:
    steps = tuple(Step(float(at), verb) for at, verb in enumerate(verbs))
    return Story(1, 3, 2, 2, 1.0, Faults(**faults), steps)


@pytest.mark.parametrize("seed", range(1, 20))
def test_a_story_can_be_written_down_and_read_again(seed):
    assert from_text(to_text(draw(seed))) == draw(seed)


@pytest.mark.parametrize(
    "text", ["{", "{}", '{"seed":1,"nodes":1,"servers":1,"disorder":0,"faults":{"x":1},"steps":[]}']
)
def test_what_is_no_story_is_refused(text):
    with pytest.raises(ValueError, match=r".+"):
        from_text(text)


def test_every_verb_has_an_action_and_comes_up():
    drawn = {step.verb for seed in range(1, 200) for step in draw(seed).steps}
    assert drawn == set(VERBS) == set(ACTIONS)


def test_one_story_in_ten_is_told_without_accelerators():
    stories = [draw(seed) for seed in range(1, 101)]
    assert sum(story.plain for story in stories) == 10
    assert all(("no accelerators" in str(story)) is story.plain for story in stories)


@pytest.mark.parametrize(
    ("guilty", "count"), [({3}, 10), ({0, 9}, 10), ({1, 4, 7}, 9), (set(range(8)), 8), (set(), 5), ({0}, 1)]
)
def test_ddmin_finds_the_guilty(guilty, count):
    assert set(ddmin(range(count), lambda part: guilty <= set(part))) == guilty


def test_a_story_is_shrunk_to_what_matters():
    story = story_of("create-rs", "scale", "kill", "race", "skew", lose_answer=0.1, late=0.2)
    tried = []

    def fails(candidate: Story) -> bool:
        tried.append(candidate)
        return {"kill", "race"} <= {step.verb for step in candidate.steps} and bool(
            candidate.faults.lose_answer
        )

    short = shrink(story, fails)
    assert [step.verb for step in short.steps] == ["kill", "race"]
    assert short.faults == Faults(lose_answer=0.1)
    assert (short.nodes, short.servers, short.candidates, short.disorder) == (1, 1, 1, 0.0)
    assert len(tried) < 60


def test_shrinking_ends_when_its_tries_do():
    story = story_of(*["scale"] * 30)
    tried = []

    def fails(candidate: Story) -> bool:
        tried.append(candidate)
        return len(candidate.steps) >= 1

    shrink(story, fails, max_tries=5)
    assert len(tried) == 5


def test_what_never_happened_is_named():
    totals = Totals()
    totals.verbs.update(VERBS)
    missing = totals.never_happened()
    assert "scale" not in missing
    assert {"lose-answer", "partition-deaf", "I6"} <= set(missing)
