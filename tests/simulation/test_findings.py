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
    # The clock of the controllers was set back: what the Job ended at was before it began, and the apiserver
    # refused it again and again (controller/job/tracking).
    "a Job that ends before it began, by a clock that was ahead": Story(
        3059, 1, 1, 1, 0.1, CALM,
        (
            Step(0.2, "silence-node", ("node-0", 84.6)),
            Step(0.4, "skew", ("controller", 929.6)),
            Step(22.8, "create-job", ("job0", 2, 3, "plain failed", "3 s, then 0", 2)),
        ),
    ),
}  # fmt: skip


@pytest.mark.simulation
@pytest.mark.parametrize("name", FOUND)
def test_what_was_found_is_mended(name):
    outcome = simulate(FOUND[name])
    assert outcome.violation is None
