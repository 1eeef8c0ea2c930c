"""A Pod that the node has decided against."""

import pytest

from kubelet.decide.containers import RestartPolicy
from kubelet.decide.observation import PodObservation
from kubelet.decide.status import NodeAddresses, compute_pod_status
from kubelet.decide.termination import Ending, EndReason, Verdict, next_ending
from tests.unit.kubelet.decide.observations import NOW, exited, pod, running, seen
from vaina.api.core.v1 import pod_pb2
from vaina.clock import timestamp

VERDICT = Verdict("Evicted", "The node was low on resource: memory. ", grace_seconds=1.0, disrupted_at=NOW)


def status_of(made: pod_pb2.Pod, known: PodObservation, ending: Ending) -> pod_pb2.PodStatus:
    return compute_pod_status(
        made, known, node=NodeAddresses("192.0.2.1", "docker"), ending=ending, now=NOW, policy=RestartPolicy()
    )


@pytest.mark.parametrize(("own", "deadline"), [(None, NOW + 1), (0, NOW), (30, NOW + 1)])
def test_it_gets_the_grace_of_the_verdict_or_its_own_shorter_one(own: int | None, deadline: float) -> None:
    made = pod()
    if own is not None:
        made.spec.termination_grace_period_seconds = own
    assert next_ending(None, made, gone=False, now=NOW, verdict=VERDICT) == Ending(
        EndReason.EVICTED, deadline, VERDICT
    )


def test_an_ending_that_began_is_not_changed_and_a_deletion_keeps_the_verdict() -> None:
    made = pod()
    finished = Ending(EndReason.DEADLINE_EXCEEDED, NOW + 5)
    assert next_ending(finished, made, gone=False, now=NOW, verdict=VERDICT) == finished
    evicted = next_ending(None, made, gone=False, now=NOW, verdict=VERDICT)
    made.metadata.deletion_timestamp.CopyFrom(timestamp(NOW + 30))
    assert next_ending(evicted, made, gone=False, now=NOW + 0.5, verdict=VERDICT) == Ending(
        EndReason.DELETED, NOW + 1, VERDICT
    )


@pytest.mark.requirement("B4")
def test_it_says_why_at_once_and_has_failed_when_nothing_runs() -> None:
    made, ending = pod(), Ending(EndReason.EVICTED, NOW + 1, VERDICT)
    ends = status_of(made, seen(running()), ending)
    over = status_of(made, seen(exited(code=0)), ending)

    assert (ends.phase, ends.reason, ends.message) == ("Running", "Evicted", VERDICT.message)
    assert (over.phase, over.reason, over.message) == ("Failed", "Evicted", VERDICT.message)
    [condition] = [item for item in over.conditions if item.type == "DisruptionTarget"]
    assert (condition.status, condition.reason, condition.message) == (
        "True", "TerminationByKubelet", VERDICT.message,
    )  # fmt: skip


def test_one_above_its_own_limit_is_no_target_of_a_disruption() -> None:
    verdict = Verdict("Evicted", "limit", grace_seconds=1.0)
    over = status_of(pod(), seen(exited(code=0)), Ending(EndReason.EVICTED, NOW, verdict))

    assert (over.phase, over.reason) == ("Failed", "Evicted")
    assert all(item.type != "DisruptionTarget" for item in over.conditions)
