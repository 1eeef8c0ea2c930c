"""Deployments over the real apiserver in process, with the real ReplicaSet controller, under a fake clock."""

import pytest

from tests.support.controlplane import control_plane
from vaina.errors import NotFound
from vaina.objects.conditions import get_condition
from vaina.objects.meta import controller_of
from vaina.objects.rollouts import REVISION, replicas_of
from vaina.testing.builders import make_deployment, make_replica_set


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
        return (
            done
            and found.status.observed_generation == found.metadata.generation
            and (found.status.replicas == found.status.available_replicas == replicas_of(found))
            and found.status.terminating_replicas == 0
        )

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
        told = {
            condition.type: (condition.status, condition.reason, condition.message)
            for condition in found.status.conditions
        }
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


async def test_a_new_template_takes_over_step_by_step_and_can_be_undone():
    async with control_plane() as plane:
        await plane.add_node("n1")
        await plane.client.deployments.create(
            make_deployment("web", replicas=4, max_surge=1, max_unavailable=1)
        )
        await plane.until(runs(plane))
        [first] = (await sets(plane)).values()
        await roll(plane, "busybox:2")
        seen = []

        async def bounded():
            pods = [pod for pod in await plane.pods() if not pod.metadata.HasField("deletion_timestamp")]
            ready = [pod for pod in pods if (c := get_condition(pod.status, "Ready")) and c.status == "True"]
            seen.append((len(pods), len(ready)))
            return await runs(plane)()

        await plane.until(bounded)
        assert max(total for total, _ in seen) <= 5
        assert min(ready for _, ready in seen) >= 3
        every = await sets(plane)
        old = every.pop(first.metadata.name)
        [new] = every.values()
        assert (replicas_of(old), replicas_of(new)) == (0, 4)
        assert new.metadata.annotations[REVISION] == "2"
        found = await fetch(plane)
        found.spec.template.CopyFrom(first.spec.template)
        del found.spec.template.metadata.labels["pod-template-hash"]
        await plane.client.deployments.update(found)
        await plane.until(runs(plane))
        back = (await sets(plane))[first.metadata.name]
        assert (replicas_of(back), len(await sets(plane))) == (4, 2)
        assert back.metadata.annotations[REVISION] == "3"
        assert back.metadata.annotations["deployment.kubernetes.io/revision-history"] == "1"
        assert (await fetch(plane)).metadata.annotations[REVISION] == "3"


@pytest.mark.requirement("D3")
async def test_a_changed_template_moves_no_pod_of_a_replica_set_and_all_of_a_deployment():
    async with control_plane() as plane:
        await plane.add_node("n1")
        await plane.client.deployments.create(make_deployment("web", replicas=2))
        await plane.client.replica_sets.create(make_replica_set("bare", replicas=2))
        await plane.until(runs(plane))

        async def images(app):
            pods = await plane.pods(selector=f"app={app}")
            return {pod.metadata.uid: pod.spec.containers[0].image for pod in pods}

        bare, web = await images("bare"), await images("web")
        rs = await plane.client.replica_sets.get("bare", "default")
        rs.spec.template.spec.containers[0].image = "busybox:2"
        await plane.client.replica_sets.update(rs)
        await roll(plane, "busybox:2")
        await plane.until(runs(plane))
        assert await images("bare") == bare
        assert set((await images("web")).values()) == {"busybox:2"}
        assert not set(await images("web")) & set(web)
        victim = next(pod for pod in await plane.pods(selector="app=bare"))
        await plane.client.pods.delete(victim.metadata.name, "default", grace_period_seconds=0)

        async def replaced():
            return set((await images("bare")).values()) == {victim.spec.containers[0].image, "busybox:2"}

        await plane.until(replaced)


async def test_recreate_waits_until_the_last_old_pod_has_ended():
    async with control_plane() as plane:
        await plane.add_node("n1")
        await plane.client.deployments.create(make_deployment("web", replicas=2, recreate=True))
        await plane.until(runs(plane))
        [first] = (await sets(plane)).values()
        await roll(plane, "busybox:2")
        await plane.clock.advance(5)
        await plane.settle()
        pods = await plane.pods()
        assert len(pods) == 2
        assert all(pod.metadata.HasField("deletion_timestamp") for pod in pods)
        assert len(await sets(plane)) == 1
        await plane.end(pods[0])
        await plane.clock.advance(5)
        assert len(await sets(plane)) == 1
        await plane.end(pods[1])
        await plane.until(runs(plane))
        assert {name: replicas_of(rs) for name, rs in (await sets(plane)).items()}[first.metadata.name] == 0


async def test_paused_means_no_rollout_but_scaling():
    async with control_plane() as plane:
        await plane.add_node("n1")
        await plane.client.deployments.create(make_deployment("web", replicas=2))
        await plane.until(runs(plane))
        found = await fetch(plane)
        found.spec.paused = True
        found.spec.template.spec.containers[0].image = "busybox:2"
        await plane.client.deployments.update(found)
        await plane.clock.advance(5)
        assert len(await sets(plane)) == 1
        found = await fetch(plane)
        assert get_condition(found.status, "Progressing").reason == "DeploymentPaused"
        scale = await plane.client.deployments.get_scale("web", "default")
        assert (scale.spec.replicas, scale.status.replicas, scale.status.selector) == (2, 2, "app=web")
        scale.spec.replicas = 5
        await plane.client.deployments.update_scale(scale)

        async def scaled():
            [rs] = (await sets(plane)).values()
            return replicas_of(rs) == 5

        await plane.until(scaled)
        found = await fetch(plane)
        found.spec.paused = False
        await plane.client.deployments.update(found)
        await plane.until(runs(plane))
        assert sorted(replicas_of(rs) for rs in (await sets(plane)).values()) == [0, 5]


async def test_a_rollout_that_gets_nowhere_is_told_when_its_time_is_over():
    async with control_plane() as plane:
        await plane.add_node("n1")
        made = make_deployment("web", replicas=2)
        made.spec.progress_deadline_seconds = 30
        await plane.client.deployments.create(made)
        await plane.clock.advance(25)
        assert get_condition((await fetch(plane)).status, "Progressing").status == "True"

        async def overdue():
            return (
                get_condition((await fetch(plane)).status, "Progressing").reason == "ProgressDeadlineExceeded"
            )

        await plane.until(overdue, seconds=20)
        await plane.until(runs(plane))


async def test_old_sets_beyond_the_limit_go_and_the_earliest_first():
    async with control_plane() as plane:
        await plane.add_node("n1")
        made = make_deployment("web", replicas=1)
        made.spec.revision_history_limit = 1
        await plane.client.deployments.create(made)
        await plane.until(runs(plane))
        for number in range(3):
            await roll(plane, f"busybox:{number}")
            await plane.until(runs(plane))

        async def trimmed():
            return {rs.metadata.annotations[REVISION] for rs in (await sets(plane)).values()} == {"3", "4"}

        await plane.until(trimmed)


async def test_it_adopts_what_matches_and_lets_go_what_matches_no_longer():
    async with control_plane() as plane:
        await plane.add_node("n1")
        await plane.client.deployments.create(make_deployment("web", replicas=2))
        await plane.until(runs(plane))
        [rs] = (await sets(plane)).values()
        names = {pod.metadata.name for pod in await plane.pods()}
        await plane.client.deployments.delete("web", "default", propagation_policy="Orphan")

        async def gone():
            try:
                await fetch(plane)
            except NotFound:
                return controller_of((await sets(plane))[rs.metadata.name].metadata) is None
            return False

        await plane.until(gone)
        await plane.client.deployments.create(make_deployment("web", replicas=2))
        await plane.until(runs(plane))
        assert set(await sets(plane)) == {rs.metadata.name}
        assert {pod.metadata.name for pod in await plane.pods()} == names
        loose = (await sets(plane))[rs.metadata.name]
        loose.metadata.labels["app"] = "other"
        await plane.client.replica_sets.update(loose)

        async def released():
            found = await sets(plane)
            return controller_of(found[rs.metadata.name].metadata) is None

        await plane.until(released)
