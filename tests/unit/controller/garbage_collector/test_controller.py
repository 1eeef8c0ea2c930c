"""The collector over a whole control plane: what tables cannot show."""

from tests.support.controlplane import ControlPlane, control_plane
from vaina.testing.builders import make_config_map, make_namespace, make_pod, owner_ref


async def names(plane: ControlPlane, namespace: str = "default") -> set[str]:
    return {item.metadata.name for item in (await plane.client.config_maps.list(namespace)).items}


async def test_an_owner_in_another_namespace_is_no_owner_and_an_event_says_so() -> None:
    async with control_plane() as plane:
        await plane.client.namespaces.create(make_namespace("other"))
        owner = await plane.client.config_maps.create(make_config_map("owner", "other"))
        child = make_config_map("child")
        child.metadata.owner_references.append(
            owner_ref("ConfigMap", "owner", owner.metadata.uid, api_version="v1", controller=False)
        )
        made = await plane.client.config_maps.create(child)

        async def gone() -> bool:
            return not await names(plane)

        await plane.until(gone)
        assert await names(plane, "other") == {"owner"}
        await plane.clock.advance(1)
        (event,) = (event for event in await plane.events() if event.reason == "OwnerRefInvalidNamespace")
        assert event.involved_object.uid == made.metadata.uid
        assert event.message == (
            f"ownerRef [v1/ConfigMap, namespace: default, name: owner, uid: {owner.metadata.uid}] does not exist in "
            'namespace "default"'
        )


async def test_what_is_made_while_its_owner_goes_is_found() -> None:
    async with control_plane() as plane:
        owner = await plane.client.config_maps.create(make_config_map("owner"))
        await plane.settle()
        await plane.client.config_maps.delete("owner", "default")
        for number in range(3):
            pod = make_pod(f"late-{number}")
            pod.metadata.owner_references.append(
                owner_ref("ConfigMap", "owner", owner.metadata.uid, api_version="v1", controller=False)
            )
            await plane.client.pods.create(pod)

        async def gone() -> bool:
            return not await plane.pods()

        await plane.until(gone)


async def test_a_circle_in_the_foreground_ends() -> None:
    async with control_plane() as plane:
        first = await plane.client.config_maps.create(make_config_map("first"))
        second = make_config_map("second")
        reference = owner_ref("ConfigMap", "first", first.metadata.uid, api_version="v1", controller=False)
        reference.block_owner_deletion = True
        second.metadata.owner_references.append(reference)
        made = await plane.client.config_maps.create(second)
        back = owner_ref("ConfigMap", "second", made.metadata.uid, api_version="v1", controller=False)
        back.block_owner_deletion = True
        first.metadata.owner_references.append(back)
        await plane.client.config_maps.update(first)
        await plane.settle()
        await plane.client.config_maps.delete("first", "default", propagation_policy="Foreground")

        async def gone() -> bool:
            return not await names(plane)

        await plane.until(gone)
        collector = next(found for found in plane.manager.controllers if found.name == "garbage-collector")
        # Nothing goes round in circles: a handful of looks is enough.
        assert collector.record.syncs < 30
