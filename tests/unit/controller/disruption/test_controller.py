"""Budgets over a whole control plane: they follow their Pods, and evictions follow them."""

import pytest

from controller.config import ControllerConfig
from tests.support.apiserver import make_apiserver
from tests.support.controlplane import ControlPlane, control_plane, controllers
from tests.support.faults import StalledTransport
from vaina.api.policy.v1 import pod_disruption_budget_pb2
from vaina.client.clientset import Clientset
from vaina.errors import InternalError, TooManyRequests
from vaina.objects.conditions import get_condition
from vaina.testing.builders import make_deployment, make_replica_set

Budget = pod_disruption_budget_pb2.PodDisruptionBudget


def budget(*, most: int) -> Budget:
    made = Budget()
    made.metadata.name, made.metadata.namespace = "web", "default"
    made.spec.selector.match_labels["app"] = "web"
    made.spec.max_unavailable.int_val = most
    return made


async def until_counted(plane: ControlPlane, allowed: int, healthy: int) -> None:
    async def holds() -> bool:
        status = (await plane.client.pod_disruption_budgets.get("web", "default")).status
        return (status.disruptions_allowed, status.current_healthy) == (allowed, healthy)

    await plane.until(holds)


async def replicas(plane: ControlPlane, count: int) -> list[str]:
    await plane.add_node("node-1")
    await plane.client.replica_sets.create(make_replica_set("web", replicas=count))

    async def there() -> bool:
        return len(await plane.pods()) == count

    await plane.until(there)
    await plane.start_all("node-1")
    return [pod.metadata.name for pod in await plane.pods()]


async def test_one_goes_the_next_waits_until_it_is_replaced() -> None:
    async with control_plane() as plane:
        first, second, _ = await replicas(plane, 3)
        await plane.client.pod_disruption_budgets.create(budget(most=1))
        await until_counted(plane, 1, 3)
        await plane.client.pods.evict(first, namespace="default")
        with pytest.raises(TooManyRequests):
            await plane.client.pods.evict(second, namespace="default")
        await until_counted(plane, 0, 2)

        async def replaced() -> bool:
            return (
                len([pod for pod in await plane.pods() if not pod.metadata.HasField("deletion_timestamp")])
                == 3
            )

        await plane.until(replaced)
        await plane.start_all("node-1")
        await until_counted(plane, 1, 3)
        await plane.client.pods.evict(second, namespace="default")


async def test_a_budget_follows_the_number_that_is_wished_for() -> None:
    async with control_plane() as plane:
        await replicas(plane, 3)
        await plane.client.pod_disruption_budgets.create(budget(most=1))
        await until_counted(plane, 1, 3)
        scale = await plane.client.replica_sets.get_scale("web", "default")
        scale.spec.replicas = 6
        await plane.client.replica_sets.update_scale(scale)
        # Three of six are there: none may go.
        await until_counted(plane, 0, 3)


async def test_a_pod_that_two_budgets_cover_is_told_and_not_evicted() -> None:
    async with control_plane() as plane:
        first, *_ = await replicas(plane, 2)
        other = budget(most=1)
        other.metadata.name = "all"
        for made in (budget(most=1), other):
            await plane.client.pod_disruption_budgets.create(made)

        async def told() -> bool:
            await plane.clock.advance(1)
            return (
                len([one for one in await plane.events() if one.reason == "MultiplePodDisruptionBudgets"])
                == 2
            )

        await plane.until(told)
        [event] = [
            one
            for one in await plane.events()
            if one.reason == "MultiplePodDisruptionBudgets" and one.involved_object.name == first
        ]
        assert event.message == (
            f'Pod "default"/"{first}" matches multiple PodDisruptionBudgets.  Chose "all" arbitrarily.'
        )
        assert (event.type, event.count) == ("Warning", 1)
        with pytest.raises(InternalError, match="more than one PodDisruptionBudget"):
            await plane.client.pods.evict(first, namespace="default")


async def test_a_pod_that_was_to_end_and_did_not_is_none_of_those_any_more() -> None:
    async with control_plane() as plane:
        await plane.add_node("node-1")
        made = await plane.server.pod("a")
        await plane.start(made, "node-1")
        pod = await plane.client.pods.get("a", "default")
        pod.status.conditions.add(
            type="DisruptionTarget",
            status="True",
            reason="EvictionByEvictionAPI",
            message="Eviction API: evicting",
        )
        await plane.client.pods.update_status(pod, mask=("conditions",))
        await plane.clock.advance(125)

        async def cleared() -> bool:
            found = get_condition((await plane.client.pods.get("a", "default")).status, "DisruptionTarget")
            return found is not None and found.status == "False"

        await plane.until(cleared)


@pytest.mark.parametrize(
    "late", [("ReplicaSetService",), ("DeploymentService",), ("ReplicaSetService", "DeploymentService")]
)
async def test_a_budget_whose_pods_come_before_their_controllers_is_counted_when_those_come(
    late: tuple[str, ...],
) -> None:
    server = make_apiserver()
    await server.app.bootstrap()
    stalled = StalledTransport(server.client.transport, *late)
    stalled.go.set()
    makers = ControllerConfig(controllers=("deployment", "replicaset", "node-lifecycle"))
    async with (
        controllers(server, makers) as plane,
        controllers(server, ControllerConfig(controllers=("disruption",)), client=Clientset(stalled)),
    ):
        stalled.go.clear()
        await plane.add_node("node-1")
        await plane.client.deployments.create(make_deployment("web", replicas=3))

        async def there() -> bool:
            return len(await plane.pods()) == 3

        await plane.until(there)
        await plane.start_all("node-1")
        await plane.client.pod_disruption_budgets.create(budget(most=1))

        async def failed() -> bool:
            status = (await plane.client.pod_disruption_budgets.get("web", "default")).status
            condition = get_condition(status, "DisruptionAllowed")
            return condition is not None and condition.reason == "SyncFailed"

        await plane.until(failed)
        stalled.go.set()
        await until_counted(plane, 1, 3)


async def test_a_budget_is_counted_anew_when_its_selector_or_the_labels_of_pods_change() -> None:
    async with control_plane() as plane:
        await replicas(plane, 3)
        other = budget(most=1)
        other.spec.selector.match_labels["tier"] = "front"
        await plane.client.pod_disruption_budgets.create(other)
        await until_counted(plane, 0, 0)
        for pod in await plane.pods():
            pod.metadata.labels["tier"] = "front"
            await plane.client.pods.update(pod)
        await until_counted(plane, 1, 3)
        changed = await plane.client.pod_disruption_budgets.get("web", "default")
        changed.spec.selector.match_labels["tier"] = "back"
        await plane.client.pod_disruption_budgets.update(changed)
        await until_counted(plane, 0, 0)
