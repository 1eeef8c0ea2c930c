"""The kubelet is killed at random moments of a mixed load: nobody notices but the supervisor (I2, I3, I11, I12).

Ten times in `make test`, as often as VAINA_KUBELET_KILLS says in `make soak`, whose report goes to
VAINA_SOAK_REPORTS. Seeded by VAINA_SEED.
"""

import os
import random
import time
from collections import Counter

import pytest

from tests.support import invariants, soak_report
from tests.support.cluster import becomes, hold, wait_until
from tests.support.mixed_load import FOREVER_SORTS, MixedLoad, sort_of
from tests.support.traces_of_pods import left, things
from tests.support.workspace import Workspace, status_of
from vaina.kinds import POD

KILLS = int(os.environ.get("VAINA_KUBELET_KILLS", "10"))  # noqa: TID251 (a setting of the test run)
SEED = int(os.environ.get("VAINA_SEED", "1"))  # noqa: TID251 (a setting of the test run)


@pytest.mark.own_node
@pytest.mark.requirement("C1")
@pytest.mark.timeout(300 + 30 * KILLS)
def test_a_kubelet_that_is_killed_again_and_again_restarts_and_loses_nothing(space: Workspace) -> None:
    rng, words = random.Random(SEED), f"VAINA_SEED={SEED} VAINA_KUBELET_KILLS={KILLS}"
    cluster, node = space.cluster, space.node(0)
    load = MixedLoad(space, node, random.Random(SEED + 1), pause_seconds=0.8)
    before = things(cluster, node)
    begun = time.monotonic()  # noqa: TID251 (for the report)
    killed: list[int] = []
    with cluster.recorded_events(nodes=(node,)) as events, space.api.history(POD, space.namespace) as history:
        with load.running():
            wait_until(lambda: len(load.made) >= 3, 60, "the load has begun")
            for _ in range(KILLS):
                # Some fall into its start, most into its work.
                hold(rng.uniform(0.0, 3.0))
                killed.append(cluster.kill_kubelet(node))
        cluster.wait_healthy(node)
        patience = 60 + 6 * KILLS
        settled = becomes(lambda: not load.unfinished(space), patience)
        unfinished = load.unfinished(space)
        there = {one.metadata.name: one for one in space.pods()}
        seconds = time.monotonic() - begun  # noqa: TID251
    started = invariants.runs(events)
    wrong = invariants.violations(history.seen, events, [one.metadata.uid for one in there.values()])
    names = {seen.object.metadata.uid: seen.object.metadata.name for seen in history.seen}
    counted = soak_report.restarts(started, names)
    space.api.call(space.api.clients.pods.delete_collection(space.namespace, grace_period_seconds=1))
    becomes(lambda: space.pods() == [], 60)
    becomes(lambda: not left(before, things(cluster, node)), 60)
    stay, remains = [one.metadata.name for one in space.pods()], left(before, things(cluster, node))
    report = {
        "what": "kubelet killed at random moments of a mixed load", "seed": SEED, "kills_asked": KILLS,
        "kills_done": len(killed), "kubelets_seen": len(set(killed)), "seconds": round(seconds, 1),
        "pods_made": dict(sorted(Counter(sort_of(name).name for name in load.made).items())),
        "pods_deleted_meanwhile": len(load.deleted), "pods_not_as_specified": unfinished,
        "sandboxes_started": sum(not run.name for run in started if run.uid in names), **counted,
        "violations": wrong, "pods_that_did_not_go": stay, "left_behind": soak_report.count_left(remains),
    }  # fmt: skip
    soak_report.write("kubelet_kills", report)
    assert settled, f"not every Pod ended as its spec says within {patience} s: {unfinished} ({words})"
    assert wrong == [], words
    assert counted["restarts_that_no_spec_asked_for"] == 0, words
    forever = [one for name, one in there.items() if sort_of(name).name in FOREVER_SORTS]
    assert forever, f"no Pod was there to be left alone ({words})"
    for one in forever:
        mine = [run for run in started if run.uid == one.metadata.uid and run.name == "main"]
        assert [run.id for run in mine] == [status_of(one).container_id.removeprefix("docker://")], words
    assert stay == [], words
    assert not remains, words
