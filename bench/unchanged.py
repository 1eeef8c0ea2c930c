"""What controllers' decisions cost when nothing has changed: in one process, without a server."""

import time
from collections.abc import Callable

from controller.deployment.reconcile import reconcile as plan_deployment
from controller.expectations import AtRest
from controller.replicaset.reconcile import compute_status, observe, owner_of, reconcile
from vaina.kinds import REPLICA_SET
from vaina.testing.builders import make_deployment, make_pod, make_replica_set, owner_ref
from vaina.testing.clock import EPOCH

PODS = 1000


def costs() -> dict[str, float]:
    """Return what each costs, in µs; first the ReplicaSet that is looked at again."""
    ref = owner_ref("ReplicaSet", "web", "uid-default-web")
    pods = [
        make_pod(f"web-{number}", labels={"app": "web"}, owner=ref, phase="Running", ready=True)
        for number in range(PODS)
    ]
    replica_set = make_replica_set("web", replicas=PODS)
    owner = owner_of(REPLICA_SET, replica_set)
    told = compute_status(owner, observe(owner, pods), failure=None, now=EPOCH).status
    assert told is not None
    replica_set.status.CopyFrom(told)

    def keep() -> None:
        observed = observe(owner, pods)
        assert not reconcile(owner, observed, now=EPOCH).create
        assert compute_status(owner, observed, failure=None, now=EPOCH).status is None

    deployment = make_deployment("web", replicas=PODS)
    made = plan_deployment(deployment, [], EPOCH)
    assert made.create is not None
    sets = [made.create]
    rest = AtRest()
    rest.note("web", replica_set, pods)

    def look_again() -> None:
        # As the controller does: the Pods come out of the cache, a list of their own each time.
        assert rest.is_same("web", replica_set, [*pods])

    return {
        f"a ReplicaSet of {PODS:,} Pods, again": _microseconds(look_again),
        f"a ReplicaSet of {PODS:,} Pods, for the first time": _microseconds(keep),
        "a Deployment with one ReplicaSet": _microseconds(lambda: plan_deployment(deployment, sets, EPOCH)),
    }


def _microseconds(act: Callable[[], object]) -> float:
    """Return the least that a call took of some: other work on the machine only adds."""
    best = float("inf")
    for _ in range(20):
        began = time.perf_counter()
        act()
        best = min(best, time.perf_counter() - began)
    return best * 1e6
