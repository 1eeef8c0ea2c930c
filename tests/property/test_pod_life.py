"""From any state that a Pod can reach it becomes what its spec says and then stays still, whatever exits,
restarts, comes late or twice.

The pure decisions of `kubelet/pod` drive a small exact model of a node (`pod_life/node.py`); a judge that
knows Kubernetes' documentation, and not the decisions' code, looks at each action, each status and each rest
(`pod_life/judge.py`). Stories are drawn from seeds, the same on every machine: mistakes made on purpose are
found in these (`test_pod_life_mutations.py`).
"""

import pytest

from tests.property.pod_life.shrink import alike, failure, shrink, tell
from tests.property.pod_life.story import Life, draw

pytestmark = pytest.mark.timeout(300)

#: how many stories, in how many tests
STORIES, PARTS = 240, 8


@pytest.mark.parametrize("part", range(PARTS))
def test_a_pod_becomes_what_its_spec_says_and_stays_still(part):
    for seed in range(part, STORIES, PARTS):
        story = draw(seed)
        if words := failure(story):
            pytest.fail(tell(shrink(story, alike(words))))


def test_a_seed_tells_the_same_story_each_time():
    logs = []
    for _ in range(2):
        life = Life(draw(5))
        life.live()
        logs.append(life.log)
    assert logs[0] == logs[1]
    assert any("CreateSandbox" in line for line in logs[0])
