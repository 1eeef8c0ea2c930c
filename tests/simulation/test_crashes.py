"""The controllers are killed at every write of a story, before it and after it, and it comes to the same end.

Follows `make test-sim`.
"""

import pytest

from controller.replicaset.controller import ReplicaSetController
from tests.simulation.crashes import MORE, STORIES, Crash, findings, tell
from vaina.clock import seconds_of

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(400)]


@pytest.mark.parametrize("name", STORIES)
def test_a_crash_at_any_write_changes_nothing_in_the_end(name):
    assert [*findings(STORIES[name])] == []


@pytest.mark.parametrize("name", ["a scale-down"])
def test_a_write_is_killed_on_either_side_of_it(name):
    quiet = tell(STORIES[name])
    deletion = quiet.writes.index("Pod DeleteBatch") + 1
    for after in (False, True):
        told = tell(STORIES[name], Crash(deletion, after))
        assert told.outcome.faults["crash-at-write"] == 1
        # What was not done is done by the next process; what was done is not done again.
        assert told.writes.count("Pod DeleteBatch") == (1 if after else 2)


def test_stories_write_what_they_are_about():
    # That the others come to a good end is asked before they are disturbed.
    told = {name: tell(story) for name, story in MORE.items()}
    assert {name: item.outcome.violation for name, item in told.items()} == dict.fromkeys(told)
    kinds = {write.split()[0] for item in told.values() for write in item.writes}
    assert {
        "Deployment",
        "ReplicaSet",
        "Job",
        "StatefulSet",
        "DaemonSet",
        "PodDisruptionBudget",
        "ControllerRevision",
    } <= kinds


def test_a_mistake_that_only_a_crash_shows_is_found(monkeypatch):
    """A controller that takes what was there before it for done."""
    made, sync = ReplicaSetController.__init__, ReplicaSetController.sync

    def init(self, *args):
        made(self, *args)
        self.begun = self.clock.now()

    async def looks_at_new_ones(self, key):
        found = self._owners.lister.get(key)
        if found is not None and seconds_of(found.metadata.creation_timestamp) < self.begun:
            return None
        return await sync(self, key)

    monkeypatch.setattr(ReplicaSetController, "__init__", init)
    monkeypatch.setattr(ReplicaSetController, "sync", looks_at_new_ones)
    story = STORIES["a scale-down"]
    assert tell(story).outcome.violation is None
    violation = tell(story, Crash(1, after=False)).outcome.violation
    assert violation is not None
    assert violation.invariant == "I15"
