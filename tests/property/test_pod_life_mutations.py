"""The stories of Pods find what is broken on purpose.

Each mistake within the first stories that `make test` tells.
"""

import pytest

from tests.property.pod_life.mutations import MUTATIONS, Mutation, sidecars_end_in_order
from tests.property.pod_life.shrink import alike, failure, shrink
from tests.property.pod_life.story import draw
from tests.property.test_pod_life import STORIES

pytestmark = pytest.mark.timeout(300)


def found(mutation: Mutation) -> int | None:
    """Return a seed whose story fails."""
    seeds = (MUTATIONS[mutation], *range(STORIES))
    return next((seed for seed in seeds if failure(draw(seed))), None)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda item: item.__name__)
def test_a_mistake_is_found(mutation, monkeypatch):
    assert MUTATIONS[mutation] < STORIES
    mutation(monkeypatch)
    assert found(mutation) is not None


def test_what_is_found_is_made_short(monkeypatch):
    sidecars_end_in_order(monkeypatch)
    seed = found(sidecars_end_in_order)
    assert seed is not None
    story = draw(seed)
    short = shrink(story, alike(failure(story)))
    assert failure(short)[:14] == failure(story)[:14]
    assert len(short.steps) <= 2
