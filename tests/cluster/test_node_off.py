"""A node that loses its power in the middle of a rolling update.

The update goes on without it, and nobody runs twice.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from tests.support import invariants
from tests.support.cluster import Cluster, CommandError, run, wait_until
from tests.support.manifests import container, replica_set
from tests.support.workspace import Workspace, ready
from vaina.api.core.v1 import pod_pb2
from vaina.kinds import DEPLOYMENT, POD

REPLICAS = 3
#: how long the Pods stay on a node that is out of reach, and how long the tests' cluster takes to find that
#: one is
TOLERATED, GRACE = 3, 14.0
#: that is the configured patience; what has to be elsewhere is so within this time after it
ELSEWHERE = TOLERATED + GRACE + 60.0
IMPATIENT = [
    {"key": f"node.kubernetes.io/{what}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": TOLERATED}
    for what in ("unreachable", "not-ready")
]  # fmt: skip


def set_of(kind: str, name: str, replicas: int, version: str) -> dict[str, Any]:
    """Make a Deployment or StatefulSet whose Pods are ready when they have run for a moment."""
    main = container(env=[{"name": "VERSION", "value": version}])
    made = replica_set(name, replicas, main, tolerations=IMPATIENT, terminationGracePeriodSeconds=1)
    made["kind"] = kind
    if kind == "StatefulSet":
        made["spec"].update(serviceName=name, podManagementPolicy="Parallel")
    else:
        made["spec"].update(
            minReadySeconds=5, strategy={"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
        )
    return made


def serving(space: Workspace, app: str) -> list[pod_pb2.Pod]:
    """Return the Pods that are ready and stay."""
    return [
        one
        for one in space.pods(f"app={app}")
        if ready(one) and not one.metadata.HasField("deletion_timestamp")
    ]


def version(pod: pod_pb2.Pod) -> str:
    """Return the version of the template that a Pod was made from."""
    return pod.spec.containers[0].env[0].value


def is_left(space: Workspace, node: str) -> bool:
    """Say whether all Pods of a node are to go."""
    there = [one for one in space.pods() if one.spec.node_name == node]
    return all(one.metadata.HasField("deletion_timestamp") for one in there)


@contextmanager
def powered_off(cluster: Cluster, node: str) -> Iterator[None]:
    """Take a node's power: nothing in it gets to end."""
    run("docker", "kill", node)
    try:
        yield
    finally:
        run("docker", "start", node)


def answers(cluster: Cluster, node: str) -> bool:
    """Say whether a node's engine answers."""
    try:
        cluster.execute(node, "docker", "version")
    except CommandError:
        return False
    return True


def overlapping(names: dict[str, str], found: Sequence[invariants.Run]) -> list[str]:
    """Name the identities of a StatefulSet of which two Pods had containers at once.

    `names` are the Pods' by uid.
    """
    mine = sorted((run for run in found if run.uid in names and run.name), key=lambda run: run.started)
    return [
        f"{name}: {first.uid} and {second.uid}"
        for name in sorted(set(names.values()))
        for first, second in pairwise(run for run in mine if names[run.uid] == name)
        if second.started < first.ended
    ]


@pytest.mark.soak
@pytest.mark.requirement("D3", "D4")
def test_a_rolling_update_goes_on_without_a_node_and_nobody_runs_twice(space: Workspace) -> None:
    cluster = space.cluster
    with space.api.history(POD, space.namespace) as history, cluster.recorded_events() as events:
        space.apply(set_of("Deployment", "web", REPLICAS, "one"), set_of("StatefulSet", "db", 2, "one"))
        space.cli("rollout", "status", "deployment/web", "--timeout=120s", timeout=130)
        space.cli("rollout", "status", "statefulset/db", "--timeout=120s", timeout=130)
        # A node that has Pods of both.
        places = {one.spec.node_name for one in space.pods("app=web")}
        first = next(one for one in space.pods("app=db") if one.spec.node_name in places)
        identity, lost = first.metadata.name, first.spec.node_name

        space.apply(set_of("Deployment", "web", REPLICAS, "two"))
        wait_until(
            lambda: any(version(one) == "two" for one in serving(space, "web")), 90, "the update is under way"
        )
        with powered_off(cluster, lost):
            off = space.api.clock.now()
            begun = space.api.find(DEPLOYMENT, "web", space.namespace)
            assert begun is not None
            assert begun.status.updated_replicas < REPLICAS, "it was stopped in the middle"
            wait_until(
                lambda: is_left(space, lost) and len(serving(space, "web")) >= REPLICAS,
                ELSEWHERE, "what was on the node is to go, and all replicas are ready elsewhere",
            )  # fmt: skip
            # The node may be alive and only not be heard: nobody else has its name before it has said that
            # this one is gone.
            assert space.pod(identity).metadata.uid == first.metadata.uid
            on = space.api.clock.now()
        wait_until(lambda: answers(cluster, lost), 90, f"the engine of {lost} answers again")
        with cluster.recorded_events(since=on, nodes=(lost,)) as later:
            space.cli("rollout", "status", "deployment/web", "--timeout=240s", timeout=250)
            again = space.wait(
                identity,
                lambda one: one.metadata.uid != first.metadata.uid and ready(one),
                "is made anew",
                120,
            )
            wait_until(
                lambda: (
                    [version(one) for one in space.pods("app=web")] == ["two"] * REPLICAS
                    and space.node_containers(first.metadata.uid) == {}
                ),
                120, "what was on the node is gone",
            )  # fmt: skip
            cluster.wait_healthy()

    found = [
        *invariants.runs({node: seen for node, seen in events.items() if node != lost}),
        # What ran there ended with the power: nobody was left to say so.
        *(replace(run, ended=min(run.ended, off)) for run in invariants.runs({lost: events[lost]})),
        *invariants.runs(later),
    ]
    names = {seen.object.metadata.uid: seen.object.metadata.name for seen in history.seen}
    mine = [run for run in found if run.uid in names]
    assert {first.metadata.uid, again.metadata.uid} <= {run.uid for run in mine if run.name}
    assert overlapping(names, found) == []
    assert [
        *invariants.started_twice(mine),
        *invariants.on_two_nodes(mine),
        *invariants.two_at_once(mine),
    ] == []
    there = [one.metadata.uid for one in space.pods()]
    seen = history.seen
    assert [*invariants.bound_twice(seen), *invariants.vanished(seen, there)] == []
    assert history.gaps == 0
