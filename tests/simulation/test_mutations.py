"""The simulation finds what is broken on purpose: every invariant it checks has a mistake that it tells of.

Follows `make test-sim`.
"""

import pytest

from tests.simulation.controller_mutations import NEEDED
from tests.simulation.mutations import (
    MUTATIONS,
    creates_again,
    forgets_assumed,
    preempts_its_equals,
    spares_its_victims,
)
from tests.simulation.shrink import shrink
from tests.simulation.simulate import simulate
from tests.simulation.story import Story, draw
from tests.simulation.table import INVARIANTS

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(400)]
#: seeds that a mistake may take to be found; most show in the first two that are about what is broken
SEEDS = range(1, 201)


def found(invariants: tuple[str, ...], needed: str = "") -> Story | None:
    """Return the first story that breaks one of these; of those that have a step of this verb."""
    for seed in SEEDS:
        story = draw(seed)
        if needed and all(step.verb != needed for step in story.steps):
            continue
        violation = simulate(story).violation
        if violation is not None and violation.invariant in invariants:
            return story
    return None


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_a_mistake_is_found(mutation, monkeypatch):
    mutation(monkeypatch)
    needed = {preempts_its_equals: "create-important", spares_its_victims: "create-important", **NEEDED}
    assert found(MUTATIONS[mutation], needed.get(mutation, "")) is not None


def test_every_invariant_has_a_mistake_that_breaks_it():
    assert {name for names in MUTATIONS.values() for name in names} == set(INVARIANTS)


@pytest.mark.parametrize("mutation", [forgets_assumed, creates_again], ids=lambda item: item.__name__)
def test_what_is_found_is_shrunk_to_a_short_story(mutation, monkeypatch):
    mutation(monkeypatch)
    invariants = MUTATIONS[mutation]
    story = found(invariants, "create-rs")
    assert story is not None

    def fails(candidate: Story) -> bool:
        violation = simulate(candidate).violation
        return violation is not None and violation.invariant in invariants

    short = shrink(story, fails, max_tries=40)
    assert fails(short)
    assert len(short.steps) <= len(story.steps) // 2
