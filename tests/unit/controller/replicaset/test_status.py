from dataclasses import dataclass

import pytest

from controller.pod_control import Failure
from controller.replicaset.reconcile import compute_status, observe, owner_of
from vaina.api.core.v1 import pod_pb2
from vaina.clock import timestamp
from vaina.kinds import REPLICA_SET, REPLICATION_CONTROLLER
from vaina.testing.builders import make_pod, make_replica_set, make_replication_controller, owner_ref
from vaina.testing.clock import EPOCH

REF = owner_ref("ReplicaSet", "web", "uid-default-web")
NOW = EPOCH + 100


def mine(name: str, **kwargs) -> pod_pb2.Pod:
    return make_pod(name, **{"labels": {"app": "web"}, "owner": REF, "phase": "Running", **kwargs})


@dataclass(frozen=True)
class Case:
    name: str
    pods: tuple[pod_pb2.Pod, ...]
    #: replicas, fully labelled, ready, available, terminating
    want: tuple[int, int, int, int, int]
    min_ready_seconds: int = 0
    wake: float | None = None


CASES = [
    Case("no Pods", (), (0, 0, 0, 0, 0)),
    Case("ready and not ready", (mine("a", ready=True), mine("b", ready=False)), (2, 2, 1, 1, 0)),
    Case("what is ending is counted apart", (mine("a"), mine("b", deleted=NOW)), (1, 1, 0, 0, 1)),
    Case(
        "ready for long enough is available, and the next one is waited for",
        (mine("a", ready=True, ready_since=NOW - 30), mine("b", ready=True, ready_since=NOW - 25)),
        (2, 2, 2, 1, 0),
        min_ready_seconds=30,
        wake=5.0,
    ),
    Case(
        "all are long enough ready: nothing to wait for",
        (mine("a", ready=True, ready_since=NOW - 31),),
        (1, 1, 1, 1, 0),
        min_ready_seconds=30,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_counts(case):
    replica_set = make_replica_set("web", min_ready_seconds=case.min_ready_seconds, generation=4)
    owner = owner_of(REPLICA_SET, replica_set)
    plan = compute_status(owner, observe(owner, case.pods), failure=None, now=NOW)
    status = plan.status
    assert plan.wake_seconds == case.wake
    assert status.observed_generation == 4
    assert case.want == (
        status.replicas, status.fully_labeled_replicas, status.ready_replicas, status.available_replicas,
        status.terminating_replicas,
    )  # fmt: skip
    replica_set.status.CopyFrom(status)
    again = compute_status(
        owner_of(REPLICA_SET, replica_set), observe(owner, case.pods), failure=None, now=NOW
    )
    assert again.status is None


def test_a_pod_that_lacks_a_label_of_the_template_is_not_fully_labelled():
    replica_set = make_replica_set("web")
    replica_set.spec.template.metadata.labels["tier"] = "front"
    owner = owner_of(REPLICA_SET, replica_set)
    status = compute_status(owner, observe(owner, (mine("a"),)), failure=None, now=NOW).status
    assert (status.replicas, status.fully_labeled_replicas) == (1, 0)


def test_a_failure_is_told_once_and_taken_back_when_it_is_over():
    replica_set = make_replica_set("web")
    owner = owner_of(REPLICA_SET, replica_set)
    nothing = observe(owner, ())
    replica_set.status.CopyFrom(
        compute_status(owner, nothing, failure=Failure("FailedCreate", "quota"), now=NOW).status
    )
    (condition,) = replica_set.status.conditions
    assert (condition.type, condition.status, condition.reason, condition.message) == (
        "ReplicaFailure", "True", "FailedCreate", "quota",
    )  # fmt: skip
    assert condition.last_transition_time == timestamp(NOW)
    repeated = compute_status(owner, nothing, failure=Failure("FailedCreate", "other words"), now=NOW + 9)
    assert repeated.status is None
    over = compute_status(owner, nothing, failure=None, now=NOW + 9)
    assert list(over.status.conditions) == []


def test_a_replication_controller_has_the_same_counts():
    controller = make_replication_controller("web")
    owner = owner_of(REPLICATION_CONTROLLER, controller)
    ref = owner_ref("ReplicationController", "web", "uid-default-web", api_version="v1")
    pods = (make_pod("a", labels={"app": "web"}, owner=ref, phase="Running", ready=True),)
    status = compute_status(owner, observe(owner, pods), failure=None, now=NOW).status
    assert (status.replicas, status.ready_replicas, status.available_replicas) == (1, 1, 1)
