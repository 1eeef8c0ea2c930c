"""Deployments over the real apiserver in process, with the real ReplicaSet controller, under a fake clock."""

from tests.support.controlplane import control_plane
from vaina.errors import NotFound
from vaina.objects.conditions import get_condition
from vaina.objects.meta import controller_of
from vaina.objects.rollouts import REVISION, replicas_of
from vaina.testing.builders import make_deployment


async def sets(plane):
    return {rs.metadata.name: rs for rs in (await plane.client.replica_sets.list("default")).items}


async def fetch(plane, name="web"):
    return await plane.client.deployments.get(name, "default")


def runs(plane, *, name="web", nodes=("n1",)):
    """Start whatever waits, end whatever is to end; true when the rollout is complete."""

    async def check():
        await plane.start_all(*nodes)
        for pod in await plane.pods():
            if pod.metadata.HasField("deletion_timestamp"):
                await plane.end(pod)
        found = await fetch(plane, name)
        condition = get_condition(found.status, "Progressing")
        done = condition is not None and condition.reason == "NewReplicaSetAvailable"
        return done and found.status.observed_generation == found.metadata.generation and (
            found.status.replicas == found.status.available_replicas == replicas_of(found)
        ) and found.status.terminating_replicas == 0

    return check


async def roll(plane, image, name="web"):
    found = await fetch(plane, name)
    found.spec.template.spec.containers[0].image = image
    await plane.client.deployments.update(found)


async def test_a_deployment_comes_up_and_says_so():
    async with control_plane() as plane:
        await plane.add_node("n1")
        await plane.client.deployments.create(make_deployment("web", replicas=3))
        await plane.until(runs(plane))
        found, [rs] = await fetch(plane), (await sets(plane)).values()
        assert found.metadata.annotations[REVISION] == rs.metadata.annotations[REVISION] == "1"
        assert controller_of(rs.metadata).name == "web"
        assert {pod.metadata.labels["pod-template-hash"] for pod in await plane.pods()} == {
            rs.metadata.labels["pod-template-hash"]
        }
        told = {condition.type: (condition.status, condition.reason, condition.message) for condition in found.status.conditions}
        assert told == {
            "Available": ("True", "MinimumReplicasAvailable", "Deployment has minimum availability."),
            "Progressing": (
                "True", "NewReplicaSetAvailable", f'ReplicaSet "{rs.metadata.name}" has successfully progressed.',
            ),
        }  # fmt: skip
        assert found.metadata.generation == 1
        await plane.clock.advance(1)
        events = [event.message for event in await plane.events() if event.reason == "ScalingReplicaSet"]
        assert events == [f"Scaled up replica set {rs.metadata.name} from 0 to 3"]
