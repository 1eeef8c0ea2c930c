"""The scheduler decides as the plain reference does, in 2,000 random clusters; docs/scheduler-judge.md says how to try more.

`JUDGE_SEEDS=5000-9000` takes other seeds, one of them alone too (`JUDGE_SEEDS=17`).
"""

import os
from collections.abc import Sequence

import pytest

from scheduler.framework.registry import default_profile
from tests.unit.scheduler.clusters import NAMESPACES, Step, Storyteller, play, smallest
from tests.unit.scheduler.judge import Judge, plugins

CLUSTERS, PARTS = 2_000, 20
PLUGINS = plugins(default_profile())


def seeds() -> list[range]:
    """Return the seeds, in parts that tests can share out."""
    wanted = os.environ.get("JUDGE_SEEDS", f"0-{CLUSTERS}")  # noqa: TID251 - by hand, beside pytest
    first, _, last = wanted.partition("-")
    chosen = range(int(first), int(last or int(first) + 1))
    return [chosen[part::PARTS] for part in range(PARTS) if chosen[part::PARTS]]


def difference(seed: int, steps: Sequence[Step]) -> str:
    """Return how the two differ on a story; an empty text when they do not."""
    judge = Judge(seed)
    judge.world.namespaces = NAMESPACES
    try:
        play(judge, steps)
    except AssertionError as error:
        return str(error) or "they differ"
    return ""


@pytest.mark.parametrize("part", seeds(), ids=lambda part: f"{part[0]}..{part[-1]}")
def test_it_decides_as_the_reference_does(part: range) -> None:
    for seed in part:
        steps = Storyteller(seed, PLUGINS).story()
        if difference(seed, steps):
            least = smallest(steps, lambda fewer, seed=seed: bool(difference(seed, fewer)))  # type: ignore[misc]  # the default binds the seed
            story = "\n".join(str(step) for step in least)
            pytest.fail(f"seed {seed}: {difference(seed, least)}\n{story}", pytrace=False)
