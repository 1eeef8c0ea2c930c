"""StatefulSets over a whole control plane: order, identity, updates, volumes."""

from tests.support.controlplane import ControlPlane, control_plane
from vaina.api.apps.v1 import stateful_set_pb2
from vaina.api.core.v1 import pod_pb2

StatefulSet = stateful_set_pb2.StatefulSet


def stateful_set(
    replicas: int = 3, *, claims: bool = False, policy: str = "", image: str = "a"
) -> StatefulSet:
    made = StatefulSet()
    made.metadata.name, made.metadata.namespace = "db", "default"
    spec = made.spec
    spec.replicas, spec.service_name, spec.pod_management_policy = replicas, "db", policy
    spec.selector.match_labels["app"] = "db"
    spec.template.metadata.labels["app"] = "db"
    spec.template.spec.containers.add(name="app", image=image)
    if claims:
        claim = spec.volume_claim_templates.add()
        claim.metadata.name = "data"
        claim.spec.access_modes.append("ReadWriteOnce")
        claim.spec.resources.requests["storage"].string = "1Gi"
    return made


async def names(plane: ControlPlane) -> list[str]:
    return sorted(
        pod.metadata.name for pod in await plane.pods() if not pod.metadata.HasField("deletion_timestamp")
    )


async def until_names(plane: ControlPlane, *wanted: str) -> None:
    async def holds() -> bool:
        return await names(plane) == sorted(wanted)

    await plane.until(holds)


async def grow(plane: ControlPlane, *wanted: str) -> None:
    """Start Pods as they come, one after the other."""
    for count in range(1, len(wanted) + 1):
        await until_names(plane, *wanted[:count])
        await plane.start_all("node-1")


async def end(plane: ControlPlane, name: str) -> None:
    """Let a Pod that is ending be gone, as its kubelet does."""
    await plane.client.pods.delete(name, "default", grace_period_seconds=0)


async def pod(plane: ControlPlane, name: str) -> pod_pb2.Pod:
    return await plane.client.pods.get(name, "default")


async def test_pods_come_one_after_the_other_with_names_and_labels_of_their_own() -> None:
    async with control_plane() as plane:
        await plane.add_node("node-1")
        await plane.client.stateful_sets.create(stateful_set())
        await until_names(plane, "db-0")
        await plane.settle()
        assert await names(plane) == ["db-0"], "the second waits until the first is ready"
        await grow(plane, "db-0", "db-1", "db-2")
        second = await pod(plane, "db-1")
        labels = second.metadata.labels
        assert (labels["statefulset.kubernetes.io/pod-name"], labels["apps.kubernetes.io/pod-index"]) == (
            "db-1",
            "1",
        )
        assert (second.spec.hostname, second.spec.subdomain) == ("db-1", "db")
        revision = (await plane.client.controller_revisions.list()).items[0]
        assert labels["controller-revision-hash"] == revision.metadata.name

        async def counted() -> bool:
            status = (await plane.client.stateful_sets.get("db", "default")).status
            return (status.replicas, status.ready_replicas, status.available_replicas, status.updated_replicas) == (
                3, 3, 3, 3,
            )  # fmt: skip

        await plane.until(counted)


async def test_the_last_goes_first_and_in_parallel_all_come_at_once() -> None:
    async with control_plane() as plane:
        await plane.add_node("node-1")
        await plane.client.stateful_sets.create(stateful_set(policy="Parallel"))
        await until_names(plane, "db-0", "db-1", "db-2")
        await plane.start_all("node-1")
        changed = await plane.client.stateful_sets.get("db", "default")
        assert changed.spec.pod_management_policy == "Parallel"
        scale = await plane.client.stateful_sets.get_scale("db", "default")
        scale.spec.replicas = 1
        await plane.client.stateful_sets.update_scale(scale)
        await until_names(plane, "db-0")


async def test_an_ordered_set_shrinks_one_by_one() -> None:
    async with control_plane() as plane:
        await plane.add_node("node-1")
        await plane.client.stateful_sets.create(stateful_set())
        await grow(plane, "db-0", "db-1", "db-2")
        scale = await plane.client.stateful_sets.get_scale("db", "default")
        scale.spec.replicas = 0
        await plane.client.stateful_sets.update_scale(scale)
        await until_names(plane, "db-0", "db-1")
        await plane.settle()
        assert await names(plane) == ["db-0", "db-1"], "the next waits until the last is gone"
        await end(plane, "db-2")
        await until_names(plane, "db-0")
        await end(plane, "db-1")
        await until_names(plane)


async def test_a_new_template_replaces_pods_from_the_last_to_the_first_down_to_the_partition() -> None:
    async with control_plane() as plane:
        await plane.add_node("node-1")
        made = stateful_set()
        made.spec.update_strategy.rolling_update.partition = 1
        made.spec.update_strategy.type = "RollingUpdate"
        await plane.client.stateful_sets.create(made)
        await grow(plane, "db-0", "db-1", "db-2")
        changed = await plane.client.stateful_sets.get("db", "default")
        changed.spec.template.spec.containers[0].image = "b"
        await plane.client.stateful_sets.update(changed)
        for name, others in (("db-2", ("db-0", "db-1")), ("db-1", ("db-0", "db-2"))):
            await until_names(plane, *others)
            await end(plane, name)
            await until_names(plane, "db-0", "db-1", "db-2")
            await plane.start_all("node-1")
        await plane.settle()
        images = [(await pod(plane, f"db-{number}")).spec.containers[0].image for number in range(3)]
        assert images == ["a", "b", "b"]
        status = (await plane.client.stateful_sets.get("db", "default")).status
        assert (status.current_replicas, status.updated_replicas) == (1, 2)
        assert status.current_revision != status.update_revision
        assert len((await plane.client.controller_revisions.list()).items) == 2


async def test_on_delete_waits_for_somebody_to_delete() -> None:
    async with control_plane() as plane:
        await plane.add_node("node-1")
        made = stateful_set(1)
        made.spec.update_strategy.type = "OnDelete"
        await plane.client.stateful_sets.create(made)
        await grow(plane, "db-0")
        changed = await plane.client.stateful_sets.get("db", "default")
        changed.spec.template.spec.containers[0].image = "b"
        await plane.client.stateful_sets.update(changed)
        await plane.settle()
        assert (await pod(plane, "db-0")).spec.containers[0].image == "a"
        await end(plane, "db-0")
        await until_names(plane, "db-0")
        assert (await pod(plane, "db-0")).spec.containers[0].image == "b"


async def test_claims_are_made_once_kept_when_pods_go_and_found_again() -> None:
    async with control_plane() as plane:
        await plane.add_node("node-1")
        await plane.client.stateful_sets.create(stateful_set(2, claims=True))
        await grow(plane, "db-0", "db-1")
        claims = {
            item.metadata.name: item.metadata.uid
            for item in (await plane.client.persistent_volume_claims.list()).items
        }
        assert set(claims) == {"data-db-0", "data-db-1"}
        volumes = [
            (item.name, item.volume_source.persistent_volume_claim.claim_name)
            for item in (await pod(plane, "db-1")).spec.volumes
        ]
        assert volumes == [("data", "data-db-1")]
        await plane.client.pods.delete("db-1", "default", grace_period_seconds=0)
        await until_names(plane, "db-0", "db-1")
        again = {
            item.metadata.name: item.metadata.uid
            for item in (await plane.client.persistent_volume_claims.list()).items
        }
        assert again == claims


async def test_claims_go_with_pods_that_are_too_many_when_the_policy_says_so() -> None:
    async with control_plane() as plane:
        await plane.add_node("node-1")
        made = stateful_set(2, claims=True)
        made.spec.persistent_volume_claim_retention_policy.when_scaled = "Delete"
        await plane.client.stateful_sets.create(made)
        await grow(plane, "db-0", "db-1")
        condemned = await pod(plane, "db-1")
        scale = await plane.client.stateful_sets.get_scale("db", "default")
        scale.spec.replicas = 1
        await plane.client.stateful_sets.update_scale(scale)
        await until_names(plane, "db-0")
        claim = await plane.client.persistent_volume_claims.get("data-db-1", "default")
        assert [item.uid for item in claim.metadata.owner_references] == [condemned.metadata.uid]


async def test_a_pod_on_a_silent_node_is_not_made_a_second_time() -> None:
    async with control_plane() as plane:
        await plane.add_node("node-1")
        await plane.client.stateful_sets.create(stateful_set(1))
        await grow(plane, "db-0")
        first = await pod(plane, "db-0")
        # Marked for deletion, and nobody there who could end it.
        await plane.client.pods.delete("db-0", "default", grace_period_seconds=30)
        await plane.clock.advance(300)
        assert (await pod(plane, "db-0")).metadata.uid == first.metadata.uid
        await end(plane, "db-0")
        await until_names(plane, "db-0")
        assert (await pod(plane, "db-0")).metadata.uid != first.metadata.uid


async def test_a_set_whose_pods_are_refused_is_observed_all_the_same() -> None:
    async with control_plane() as plane:
        made = stateful_set(1)
        # As long as it may be: with an ordinal it is too long for the label that holds a Pod's name.
        made.metadata.name = "d" * 63
        await plane.client.stateful_sets.create(made)

        async def observed() -> bool:
            found = await plane.client.stateful_sets.get(made.metadata.name, "default")
            return found.status.observed_generation == 1 and found.status.update_revision != ""

        await plane.until(observed)
        assert await names(plane) == []


async def test_a_pod_that_failed_comes_again() -> None:
    async with control_plane() as plane:
        await plane.add_node("node-1")
        await plane.client.stateful_sets.create(stateful_set(1))
        await grow(plane, "db-0")
        failed = await pod(plane, "db-0")
        failed.status.phase = "Failed"
        await plane.client.pods.update_status(failed, mask=("phase",))

        async def replaced() -> bool:
            found = [item for item in await plane.pods() if item.metadata.name == "db-0"]
            return bool(found) and found[0].metadata.uid != failed.metadata.uid

        await plane.until(replaced)
        await plane.clock.advance(1)
        reasons = {event.reason for event in await plane.events()}
        assert {"RecreatingFailedPod", "SuccessfulDelete", "SuccessfulCreate"} <= reasons
