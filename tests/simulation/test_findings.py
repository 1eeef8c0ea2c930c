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
    # A daemon that was ending on a silent node did not count as away, and the next one went
    # (controller/daemonset/reconcile.py).
    "daemons that roll while a node is silent": Story(
        4032, 2, 1, 1, 0.0, CALM,
        (
            Step(0.0, "create-daemon-set", ("ds1", 100, "in place", "everywhere")),
            Step(0.9, "silence-node", ("node-0", 68.3)),
            Step(27.0, "roll", (0, 102)),
        ),
    ),
}  # fmt: skip


@pytest.mark.simulation
@pytest.mark.parametrize("name", FOUND)
def test_what_was_found_is_mended(name):
    outcome = simulate(FOUND[name])
    assert outcome.violation is None
