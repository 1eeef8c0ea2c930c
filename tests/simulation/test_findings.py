"""Stories in which something was found, cut short: each was mended where it says."""

import pytest

from tests.simulation.simulate import simulate
from tests.simulation.story import CALM, Step, Story

FOUND = {
    # A Pod that was deleted before it had a node was held by its Job for ever: nobody said that it had failed
    # (controller/pod_gc).
    "a Pod of a Job that goes before it has a node": Story(
        1, 1, 1, 1, 0.0, CALM,
        (
            Step(0.0, "cordon", ("node-0",)),
            Step(0.1, "create-job", ("job0", 1, 1, "indexed failed", "3 s, then 0", 1)),
            Step(0.6, "delete-pod", (0, -1)),
            Step(1.0, "uncordon", ("node-0",)),
        ),
    ),
}  # fmt: skip


@pytest.mark.simulation
@pytest.mark.parametrize("name", FOUND)
def test_what_was_found_is_mended(name):
    outcome = simulate(FOUND[name])
    assert outcome.violation is None
