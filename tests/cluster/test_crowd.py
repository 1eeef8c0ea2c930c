"""A crowd on one node: Pods made and deleted at once leave nothing behind. Forty of them in make test, a hundred in make soak."""

import os

import pytest

from tests.support.cluster import wait_until
from tests.support.manifests import on_node, pod
from tests.support.traces_of_pods import left, things
from tests.support.workspace import Workspace, ready
from vaina.kinds import NODE

CROWD = int(os.environ.get("VAINA_CROWD", "40"))  # noqa: TID251 (a setting of the test run)
BEGUN = 10


@pytest.mark.requirement("C1")
def test_a_crowd_of_pods_made_and_deleted_at_once_leave_nothing(space: Workspace) -> None:
    node = space.node(0)
    before = things(space.cluster, node)
    space.apply(*[pod(f"crowd-{number}", **on_node(node)) for number in range(CROWD)])
    # Some run, some are being made, some have not begun when all of them have to go.
    wait_until(lambda: sum(map(ready, space.pods())) >= BEGUN, 90, f"{BEGUN} of them run", every=0.5)
    space.api.call(space.api.clients.pods.delete_collection(space.namespace, grace_period_seconds=1))
    wait_until(lambda: not space.pods(), 180, "all of them are gone", every=0.5)
    wait_until(
        lambda: not left(before, things(space.cluster, node)),
        60,
        "nothing of them is left on the node",
        every=1.0,
    )
    there = space.api.find(NODE, node)
    assert there is not None
    ready_now = next(one.status for one in there.status.conditions if one.type == "Ready")
    assert ready_now == "True"
    # It takes the next one as if nothing had been.
    space.start(pod("next", **on_node(node)))
