"""A crowd on one node: a hundred Pods made and deleted at once leave nothing behind."""

import os
import time

import pytest

from tests.support import invariants, soak_report
from tests.support.cluster import becomes, wait_until
from tests.support.manifests import on_node, pod
from tests.support.traces_of_pods import left, things
from tests.support.workspace import Workspace, ready
from vaina.kinds import NODE

CROWD = int(os.environ.get("VAINA_CROWD", "100"))  # noqa: TID251 (a setting of the test run)
BEGUN = 10


@pytest.mark.soak
@pytest.mark.requirement("C1")
def test_a_crowd_of_pods_made_and_deleted_at_once_leave_nothing(space: Workspace) -> None:
    node = space.node(0)
    before = things(space.cluster, node)
    begun = time.monotonic()  # noqa: TID251 (for the report)
    with space.cluster.recorded_events() as events:
        space.apply(*[pod(f"crowd-{number}", **on_node(node)) for number in range(CROWD)])
        # Some run, some are being made, some have not begun when all of them have to go.
        wait_until(lambda: sum(map(ready, space.pods())) >= BEGUN, 90, f"{BEGUN} of them run", every=0.5)
        made = space.pods()
        space.api.call(space.api.clients.pods.delete_collection(space.namespace, grace_period_seconds=1))
        becomes(lambda: not space.pods(), 180)
        becomes(lambda: not left(before, things(space.cluster, node)), 60)
    stay, remains = [one.metadata.name for one in space.pods()], left(before, things(space.cluster, node))
    uids = {one.metadata.uid for one in made}
    started = [run for run in invariants.runs(events) if run.uid in uids]
    report = {
        "what": "Pods made on one node and deleted at once", "seed": 0, "pods_made": len(made), "ready_when_deleted": sum(map(ready, made)),
        "sandboxes_started": sum(not run.name for run in started),
        "containers_started": sum(bool(run.name) for run in started),
        "started_twice": invariants.started_twice(started), "addresses_shared": invariants.address_shared(started),
        "pods_that_did_not_go": stay, "left_behind": soak_report.count_left(remains),
        "seconds": round(time.monotonic() - begun, 1),  # noqa: TID251
    }  # fmt: skip
    soak_report.write("crowd", report)
    assert stay == []
    assert not remains
    assert report["started_twice"] == report["addresses_shared"] == []
    there = space.api.find(NODE, node)
    assert there is not None
    ready_now = next(one.status for one in there.status.conditions if one.type == "Ready")
    assert ready_now == "True"
    # It takes the next one as if nothing had been.
    space.start(pod("next", **on_node(node)))
