"""The judge of the scheduler finds what is broken on purpose in volumes, budgets and preemption.

See docs/scheduler-judge.md.
"""

import pytest

from tests.property.test_scheduler_judge import PLUGINS, difference
from tests.unit.scheduler.clusters import Storyteller
from tests.unit.scheduler.mistakes import MISTAKES, SHOWN_BY

#: of the 2,000 clusters that are judged each time, those that are looked at for a mistake
SEEDS = 1_000


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    MISTAKES[name](monkeypatch)
    # When stories are told in another way, another seed will show it.
    seeds = (SHOWN_BY.get(name, 0), *range(SEEDS))
    assert any(difference(seed, Storyteller(seed, PLUGINS).story()) for seed in seeds)
