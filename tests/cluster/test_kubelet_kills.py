"""The kubelet is killed at random moments of a mixed load: nobody notices but the supervisor (I2, I3, I11, I12).

Ten times in `make test`, as often as VAINA_KUBELET_KILLS says in `make soak`, whose report goes to VAINA_SOAK_REPORT. Seeded by VAINA_SEED.
"""

import json
import os
import random
import time
from pathlib import Path

import pytest

from tests.support import invariants
from tests.support.cluster import hold, wait_until
from tests.support.mixed_load import FOREVER_SORTS, MixedLoad, sort_of
from tests.support.traces_of_pods import left, things
from tests.support.workspace import Workspace, ready, status_of
from vaina.kinds import POD

KILLS = int(os.environ.get("VAINA_KUBELET_KILLS", "10"))  # noqa: TID251 (a setting of the test run)
SEED = int(os.environ.get("VAINA_SEED", "1"))  # noqa: TID251 (a setting of the test run)
REPORT = os.environ.get("VAINA_SOAK_REPORT", "")  # noqa: TID251 (a setting of the test run)


@pytest.mark.requirement("C1")
@pytest.mark.timeout(300 + 30 * KILLS)
def test_a_kubelet_that_is_killed_again_and_again_restarts_and_loses_nothing(space: Workspace) -> None:
    rng, words = random.Random(SEED), f"VAINA_SEED={SEED} VAINA_KUBELET_KILLS={KILLS}"
    cluster, node = space.cluster, space.node(0)
    load = MixedLoad(space, node, random.Random(SEED + 1), pause_seconds=0.8)
    before = things(cluster, node)
    begun = time.monotonic()  # noqa: TID251 (for the report)
    with cluster.recorded_events() as events, space.api.history(POD, space.namespace) as history:
        with load.running():
            wait_until(lambda: len(load.made) >= 3, 60, "the load has begun")
            for _ in range(KILLS):
                # Some fall into its start, most into its work.
                hold(rng.uniform(0.0, 3.0))
                cluster.kill_kubelet(node)
        cluster.wait_healthy()
        patience = 60 + 6 * KILLS
        wait_until(
            lambda: not load.unfinished(space),
            patience,
            f"every Pod ends as its spec says ({words})",
            every=1.0,
        )
        there = {one.metadata.name: one for one in space.pods()}
        stay = [one for name, one in there.items() if sort_of(name).name in FOREVER_SORTS]
        assert stay, f"no Pod was there to be left alone ({words})"
        seconds = time.monotonic() - begun  # noqa: TID251
    uids = [one.metadata.uid for one in there.values()]
    assert invariants.violations(history.seen, events, uids) == [], words
    started = invariants.runs(events)
    for one in stay:
        mine = [run for run in started if run.uid == one.metadata.uid and run.name == "main"]
        assert [run.id for run in mine] == [status_of(one).container_id.removeprefix("docker://")], words
        assert ready(one), words
    space.api.call(space.api.clients.pods.delete_collection(space.namespace, grace_period_seconds=1))
    wait_until(lambda: space.pods() == [], 60, "all Pods are gone")
    wait_until(
        lambda: not left(before, things(cluster, node)), 60, "nothing of them is left on the node", every=1.0
    )
    if REPORT:
        report = {
            "what": "kubelet killed at random moments of a mixed load", "seed": SEED, "kills": KILLS,
            "seconds": round(seconds), "pods": len(load.made), "pods_deleted": len(load.deleted),
            "containers_started": sum(bool(run.name) for run in started),
            "containers_restarted_because_of_it": 0, "left_behind": 0, "violations": [],
        }  # fmt: skip
        Path(REPORT).parent.mkdir(parents=True, exist_ok=True)
        Path(REPORT).write_text(json.dumps(report, indent=2) + "\n")
