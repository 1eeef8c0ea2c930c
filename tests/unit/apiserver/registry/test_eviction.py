"""Evicting Pods: what a budget allows, exactly so often, and in the words that kubectl drain looks for."""

import asyncio

import pytest

from tests.support.apiserver import Harness, make_apiserver
from vaina.api.core.v1 import pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.api.policy.v1 import pod_disruption_budget_pb2
from vaina.errors import ApiError, Conflict, Forbidden, InternalError, Invalid, NotFound, TooManyRequests
from vaina.objects.conditions import get_condition

Budget = pod_disruption_budget_pb2.PodDisruptionBudget


async def running(api: Harness, name: str, *, phase: str = "Running", ready: bool = True) -> pod_pb2.Pod:
    await api.pod(name, node="node-1", labels={"app": "web"})
    pod = await api.client.pods.get(name)
    pod.status.phase = phase
    pod.status.conditions.add(type="Ready", status="True" if ready else "False")
    return await api.client.pods.update_status(pod)


async def budget(
    api: Harness, name: str = "web", *, allowed: int, healthy: int = 3, desired: int = 2
) -> Budget:
    made = Budget()
    made.metadata.name, made.metadata.namespace = name, "default"
    made.spec.min_available.int_val = desired
    made.spec.selector.match_labels["app"] = "web"
    made = await api.client.pod_disruption_budgets.create(made)
    status = made.status
    status.observed_generation, status.disruptions_allowed = made.metadata.generation, allowed
    status.current_healthy, status.desired_healthy, status.expected_pods = healthy, desired, healthy
    return await api.client.pod_disruption_budgets.update_status(made)


async def refusal(api: Harness, name: str) -> ApiError:
    with pytest.raises(ApiError) as caught:
        await api.client.pods.evict(name, namespace="default")
    return caught.value


async def is_ending(api: Harness, name: str) -> bool:
    try:
        pod = await api.client.pods.get(name)
    except NotFound:
        return True
    return pod.metadata.HasField("deletion_timestamp")


async def test_without_a_budget_a_pod_goes_and_says_why() -> None:
    api = make_apiserver()
    await running(api, "a")
    await api.client.pods.evict("a", namespace="default")
    pod = await api.client.pods.get("a")
    condition = get_condition(pod.status, "DisruptionTarget")
    assert pod.metadata.HasField("deletion_timestamp")
    assert condition is not None
    assert (condition.status, condition.reason) == ("True", "EvictionByEvictionAPI")


async def test_of_two_the_last_one_allowed_goes_to_one() -> None:
    api = make_apiserver()
    for name in ("a", "b"):
        await running(api, name)
    await budget(api, allowed=1)
    answers = await asyncio.gather(
        *(api.client.pods.evict(name, namespace="default") for name in ("a", "b")), return_exceptions=True
    )
    refused = [answer for answer in answers if answer is not None]
    assert len(refused) == 1
    assert isinstance(refused[0], TooManyRequests)
    assert sorted([await is_ending(api, "a"), await is_ending(api, "b")]) == [False, True]
    left = await api.client.pod_disruption_budgets.get("web", "default")
    condition = get_condition(left.status, "DisruptionAllowed")
    assert left.status.disruptions_allowed == 0
    assert len(left.status.disrupted_pods) == 1
    assert condition is not None
    assert (condition.status, condition.reason) == ("False", "InsufficientPods")


async def test_what_a_budget_does_not_allow_is_refused_in_kubernetes_words() -> None:
    api = make_apiserver()
    await running(api, "a")
    await budget(api, allowed=0, healthy=2)
    error = await refusal(api, "a")
    assert isinstance(error, TooManyRequests)
    assert error.message == "Cannot evict pod as it would violate the pod's disruption budget."
    (cause,) = error.causes
    assert (cause.type, cause.detail) == (
        "DisruptionBudget", "The disruption budget web needs 2 healthy pods and has 2 currently"
    )  # fmt: skip
    assert not await is_ending(api, "a")


async def test_a_budget_that_nobody_has_counted_yet_asks_for_patience() -> None:
    api = make_apiserver()
    await running(api, "a")
    made = await budget(api, allowed=3)
    made.spec.min_available.int_val = 1
    await api.client.pod_disruption_budgets.update(made)
    error = await refusal(api, "a")
    assert isinstance(error, TooManyRequests)
    assert error.retry_seconds == 10
    assert error.causes[0].detail == "The disruption budget web is still being processed by the server."


@pytest.mark.parametrize("phase", ["Pending", "Succeeded", "Failed"])
async def test_a_pod_that_does_not_count_takes_nothing(phase: str) -> None:
    api = make_apiserver()
    await running(api, "a", phase=phase, ready=False)
    await budget(api, allowed=0, healthy=0)
    await api.client.pods.evict("a", namespace="default")
    assert await is_ending(api, "a")


@pytest.mark.parametrize(
    ("policy", "healthy", "goes"),
    [("", 2, True), ("", 1, False), ("IfHealthyBudget", 1, False), ("AlwaysAllow", 1, True)],
)
async def test_a_pod_that_is_not_ready_goes_as_the_policy_says(policy: str, healthy: int, goes: bool) -> None:
    api = make_apiserver()
    await running(api, "a", ready=False)
    made = await budget(api, allowed=0, healthy=healthy)
    if policy:
        made.spec.unhealthy_pod_eviction_policy = policy
        made = await api.client.pod_disruption_budgets.update(made)
        made.status.observed_generation = made.metadata.generation
        await api.client.pod_disruption_budgets.update_status(made)
    if goes:
        await api.client.pods.evict("a", namespace="default")
    else:
        assert isinstance(await refusal(api, "a"), TooManyRequests)
    assert await is_ending(api, "a") is goes


async def test_two_budgets_are_one_too_many() -> None:
    api = make_apiserver()
    await running(api, "a")
    await budget(api, allowed=1)
    await budget(api, "other", allowed=1)
    error = await refusal(api, "a")
    assert isinstance(error, InternalError)
    assert error.message == (
        "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
    )


async def test_a_status_that_makes_no_sense_forbids() -> None:
    api = make_apiserver()
    await running(api, "a")
    made = await budget(api, allowed=1)
    for number in range(2001):
        made.status.disrupted_pods[f"gone-{number}"].seconds = 1
    await api.client.pod_disruption_budgets.update_status(made)
    error = await refusal(api, "a")
    assert isinstance(error, Forbidden)
    assert "DisruptedPods map too big" in error.message


async def test_a_dry_run_takes_nothing() -> None:
    api = make_apiserver()
    await running(api, "a")
    await budget(api, allowed=1)
    await api.client.pods.evict("a", namespace="default", dry_run=True)
    pod = await api.client.pods.get("a")
    assert not pod.metadata.HasField("deletion_timestamp")
    assert get_condition(pod.status, "DisruptionTarget") is None
    left = await api.client.pod_disruption_budgets.get("web", "default")
    assert left.status.disruptions_allowed == 1
    assert isinstance(await refusal_of_dry_run(api), TooManyRequests)


async def refusal_of_dry_run(api: Harness) -> ApiError:
    await api.client.pods.evict("a", namespace="default")
    await running(api, "b")
    with pytest.raises(ApiError) as caught:
        await api.client.pods.evict("b", namespace="default", dry_run=True)
    return caught.value


async def test_preconditions_and_grace_are_the_callers() -> None:
    api = make_apiserver()
    made = await running(api, "a")
    wrong = meta_pb2.DeleteOptions(grace_period_seconds=5)
    wrong.preconditions.uid = "another"
    with pytest.raises(Conflict):
        await api.client.pods.evict("a", namespace="default", options=wrong)
    assert not await is_ending(api, "a")
    right = meta_pb2.DeleteOptions(grace_period_seconds=5)
    right.preconditions.uid, right.preconditions.resource_version = (
        made.metadata.uid,
        made.metadata.resource_version,
    )
    await api.client.pods.evict("a", namespace="default", options=right)
    pod = await api.client.pods.get("a")
    assert pod.metadata.deletion_grace_period_seconds == 5


async def test_a_pod_that_cannot_be_read_cannot_be_evicted() -> None:
    api = make_apiserver()
    await running(api, "a")
    options = meta_pb2.DeleteOptions(ignore_store_read_error_with_cluster_breaking_potential=True)
    with pytest.raises(Invalid) as caught:
        await api.client.pods.evict("a", namespace="default", options=options)
    assert caught.value.message == (
        'Eviction.policy "a" is invalid: deleteOptions.ignoreStoreReadErrorWithClusterBreakingPotential: Invalid value: true: '
        "can not be set for pod eviction, try after removing the option"
    )
    assert not await is_ending(api, "a")


async def test_who_is_not_there_cannot_be_evicted() -> None:
    api = make_apiserver()
    with pytest.raises(NotFound):
        await api.client.pods.evict("nobody", namespace="default")
