"""How many Pods of a budget may go: tables after upstream's disruption_test.go and the documentation."""

from collections.abc import Mapping

import pytest

from controller.disruption.reconcile import (
    NoScale,
    Scale,
    ScaleOf,
    failed,
    no_longer_target,
    reconcile,
    stale_in,
)
from vaina.api.core.v1 import pod_pb2
from vaina.api.policy.v1 import pod_disruption_budget_pb2
from vaina.objects.conditions import get_condition
from vaina.testing.builders import make_pod, owner_ref

Budget = pod_disruption_budget_pb2.PodDisruptionBudget
NOW = 1_700_000_000.0


def budget(*, least: int | str | None = None, most: int | str | None = None) -> Budget:
    made = Budget()
    made.metadata.name, made.metadata.namespace, made.metadata.generation = "web", "default", 3
    made.spec.selector.match_labels["app"] = "web"
    for field, amount in (("min_available", least), ("max_unavailable", most)):
        if amount is None:
            continue
        target = getattr(made.spec, field)
        if isinstance(amount, int):
            target.type, target.int_val = 0, amount
        else:
            target.type, target.str_val = 1, amount
        target.SetInParent()
    return made


def pods(ready: int, *, unready: int = 0, ending: int = 0, owner: str = "rs") -> list[pod_pb2.Pod]:
    made = []
    for number in range(ready + unready + ending):
        pod = make_pod(f"{owner}-{number}", labels={"app": "web"})
        pod.metadata.owner_references.append(owner_ref("ReplicaSet", owner, uid=f"uid-{owner}"))
        is_ready = number < ready or number >= ready + unready
        pod.status.phase = "Running"
        pod.status.conditions.add(type="Ready", status="True" if is_ready else "False")
        if number >= ready + unready:
            pod.metadata.deletion_timestamp.seconds = int(NOW)
        made.append(pod)
    return made


def scales(by_uid: Mapping[str, tuple[str, int]]) -> ScaleOf:
    def scale_of(reference):  # type: ignore[no-untyped-def]  # the types are ScaleOf's
        found = by_uid.get(reference.uid)
        return None if found is None else Scale(*found)

    return scale_of


def of(replicas: int) -> ScaleOf:
    return scales({"uid-rs": ("uid-rs", replicas)})


@pytest.mark.parametrize(
    ("made", "there", "replicas", "allowed", "healthy", "desired", "expected"),
    [
        # a number that must be available counts Pods, whoever made them
        (budget(least=2), pods(3), 3, 1, 3, 2, 3),
        (budget(least=2), pods(2), 2, 0, 2, 2, 2),
        (budget(least=2), pods(1), 3, 0, 1, 2, 1),
        (budget(least=2), [], 3, 0, 0, 2, 0),
        (budget(least=0), pods(3), 3, 3, 3, 0, 3),
        (budget(least=0), [], 0, 0, 0, 0, 0),
        (budget(least=2), pods(2, unready=2), 4, 0, 2, 2, 4),
        (budget(least=1), pods(2, ending=2), 4, 1, 2, 1, 4),
        # a share of what the controllers wish for, rounded up
        (budget(least="50%"), pods(4), 4, 2, 4, 2, 4),
        (budget(least="50%"), pods(5), 5, 2, 5, 3, 5),
        (budget(least="28%"), pods(7), 7, 5, 7, 2, 7),
        (budget(least="100%"), pods(4), 4, 0, 4, 4, 4),
        (budget(least="0%"), pods(4), 4, 4, 4, 0, 4),
        (budget(least="50%"), pods(2), 8, 0, 2, 4, 8),
        # what may be away, a number or a share
        (budget(most=1), pods(3), 3, 1, 3, 2, 3),
        (budget(most=1), pods(2, unready=1), 3, 0, 2, 2, 3),
        (budget(most=0), pods(3), 3, 0, 3, 3, 3),
        (budget(most=5), pods(3), 3, 3, 3, 0, 3),
        (budget(most=1), pods(2), 4, 0, 2, 3, 4),
        (budget(most="30%"), pods(7), 7, 3, 7, 4, 7),
        (budget(most="30%"), pods(10), 10, 3, 10, 7, 10),
        (budget(most="100%"), pods(3), 3, 3, 3, 0, 3),
        (budget(most="34%"), pods(2, unready=1), 3, 1, 2, 1, 3),
        (budget(most=1), pods(3, ending=1), 3, 1, 3, 2, 3),
        # neither is said: nothing may go
        (budget(), pods(3), 3, 0, 3, 0, 0),
    ],
)
def test_what_may_go(
    made: Budget,
    there: list[pod_pb2.Pod],
    replicas: int,
    allowed: int,
    healthy: int,
    desired: int,
    expected: int,
) -> None:
    wanted = reconcile(made, there, of(replicas), NOW).wanted
    assert wanted is not None
    status = wanted.status
    counted = (
        status.disruptions_allowed,
        status.current_healthy,
        status.desired_healthy,
        status.expected_pods,
    )
    assert counted == (allowed, healthy, desired, expected)
    assert status.observed_generation == 3
    condition = get_condition(status, "DisruptionAllowed")
    assert condition is not None
    assert (condition.status, condition.reason) == (
        ("True", "SufficientPods") if allowed else ("False", "InsufficientPods")
    )


def test_a_second_look_finds_nothing_to_write() -> None:
    first = reconcile(budget(least=2), pods(3), of(3), NOW).wanted
    assert first is not None
    assert reconcile(first, pods(3), of(3), NOW + 50).wanted is None


def test_replica_sets_of_one_deployment_are_one_controller() -> None:
    there = pods(3, owner="old") + pods(2, owner="new")
    scale_of = scales({"uid-old": ("uid-d", 4), "uid-new": ("uid-d", 4)})
    wanted = reconcile(budget(most=1), there, scale_of, NOW).wanted
    assert wanted is not None
    assert (wanted.status.expected_pods, wanted.status.disruptions_allowed) == (4, 2)


def test_several_controllers_are_added_up() -> None:
    there = pods(3, owner="a") + pods(2, owner="b")
    wanted = reconcile(
        budget(least="50%"), there, scales({"uid-a": ("uid-a", 3), "uid-b": ("uid-b", 2)}), NOW
    ).wanted
    assert wanted is not None
    assert (wanted.status.expected_pods, wanted.status.desired_healthy) == (5, 3)


def test_a_controller_that_is_not_there_cannot_be_counted() -> None:
    with pytest.raises(NoScale, match='found no controllers for pod "rs-0"'):
        reconcile(budget(most=1), pods(1), scales({}), NOW)


def test_pods_without_a_controller_are_named_where_it_matters() -> None:
    bare = make_pod("bare", labels={"app": "web"})
    assert reconcile(budget(most=1), [bare], of(1), NOW).unmanaged == ("bare",)
    assert reconcile(budget(least=1), [bare], of(1), NOW).unmanaged == ()


def test_who_was_granted_an_eviction_does_not_count_for_two_minutes() -> None:
    made = budget(least=2)
    made.status.disrupted_pods["rs-0"].seconds = int(NOW) - 30
    verdict = reconcile(made, pods(3), of(3), NOW)
    assert verdict.wanted is not None
    assert verdict.wanted.status.disruptions_allowed == 0
    assert list(verdict.wanted.status.disrupted_pods) == ["rs-0"]
    assert verdict.recheck == 90.0


def test_who_has_not_gone_in_time_counts_again_and_is_told_of() -> None:
    made = budget(least=2)
    made.status.disrupted_pods["rs-0"].seconds = int(NOW) - 121
    verdict = reconcile(made, pods(3), of(3), NOW)
    assert verdict.wanted is not None
    assert verdict.wanted.status.disruptions_allowed == 1
    assert not verdict.wanted.status.disrupted_pods
    assert [pod.metadata.name for pod in verdict.not_deleted] == ["rs-0"]


@pytest.mark.parametrize(
    ("age", "recheck", "late"),
    [(0, 120.0, []), (1, 119.0, []), (119, 1.0, []), (120, None, ["rs-0"]), (9999, None, ["rs-0"])],
)
def test_when_an_eviction_that_was_granted_counts_as_not_done(
    age: int, recheck: float | None, late: list[str]
) -> None:
    made = budget(least=2)
    made.status.disrupted_pods["rs-0"].seconds = int(NOW) - age
    verdict = reconcile(made, pods(3), of(3), NOW)
    # Never at once: a look that asks for the next one without time in between would not end.
    assert verdict.recheck == recheck
    assert [pod.metadata.name for pod in verdict.not_deleted] == late


def test_who_has_gone_is_forgotten() -> None:
    made = budget(least=1)
    made.status.disrupted_pods["gone"].seconds = int(NOW)
    made.status.disrupted_pods["rs-2"].seconds = int(NOW)
    verdict = reconcile(made, pods(2, ending=1), of(3), NOW)
    assert verdict.wanted is not None
    assert not verdict.wanted.status.disrupted_pods
    assert verdict.recheck is None


def test_what_cannot_be_counted_allows_nothing_and_says_why() -> None:
    made = reconcile(budget(least=1), pods(3), of(3), NOW).wanted
    assert made is not None
    wanted = failed(made, "jobs.batch does not implement the scale subresource", NOW)
    assert wanted is not None
    condition = get_condition(wanted.status, "DisruptionAllowed")
    assert condition is not None
    assert wanted.status.disruptions_allowed == 0
    assert (condition.status, condition.reason, condition.message) == (
        "False", "SyncFailed", "jobs.batch does not implement the scale subresource"
    )  # fmt: skip
    assert failed(wanted, "jobs.batch does not implement the scale subresource", NOW + 9) is None


def target(reason: str, *, since: float, phase: str = "Running", ending: bool = False) -> pod_pb2.Pod:
    pod = make_pod("a")
    pod.status.phase = phase
    condition = pod.status.conditions.add(type="DisruptionTarget", status="True", reason=reason)
    condition.last_transition_time.seconds = int(since)
    if ending:
        pod.metadata.deletion_timestamp.seconds = int(NOW)
    return pod


@pytest.mark.parametrize(
    ("pod", "seconds"),
    [
        (make_pod("a"), None),
        (target("EvictionByEvictionAPI", since=NOW - 20), 100.0),
        (target("EvictionByEvictionAPI", since=NOW - 500), 0.0),
        (target("EvictionByEvictionAPI", since=NOW - 500, ending=True), None),
        (target("EvictionByEvictionAPI", since=NOW - 500, phase="Failed"), None),
        (target("TerminationByKubelet", since=NOW - 500), None),
    ],
)
def test_when_a_pod_is_no_longer_about_to_end(pod: pod_pb2.Pod, seconds: float | None) -> None:
    assert stale_in(pod, NOW) == seconds


def test_what_is_written_of_it_is_the_condition_alone() -> None:
    written = no_longer_target(target("EvictionByEvictionAPI", since=NOW - 500), NOW)
    (condition,) = written.status.conditions
    assert (condition.type, condition.status) == ("DisruptionTarget", "False")
    assert not written.status.phase
