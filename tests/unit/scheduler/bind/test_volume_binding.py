"""Pods with claims against the whole apiserver in process.

What is written, what is waited for, and what happens when it fails.
"""

from collections.abc import Callable

from scheduler.plugins.volume_places import VolumeBinding
from scheduler.volumes.objects import BIND_COMPLETED, SELECTED_NODE
from tests.unit.scheduler.objects import node, term
from tests.unit.scheduler.test_scheduler import World, running
from tests.unit.scheduler.volumes.storage import (
    attachment,
    capacity,
    claim,
    csi_driver,
    csi_node,
    storage_class,
    user,
    volume,
)
from vaina.api.core.v1 import persistent_volume_pb2

ON_N1 = term(("kubernetes.io/hostname", "In", ["n1"]))
N1, N2 = (node(name, labels={"kubernetes.io/hostname": name}) for name in ("n1", "n2"))
MAKES = storage_class(provisioner="example.com/disk")


async def add_claim(world: World, made: persistent_volume_pb2.PersistentVolumeClaim) -> None:
    made.metadata.uid = ""
    await world.server.client.persistent_volume_claims.create(made)
    await world.advance(0.5)


async def add_volume(world: World, made: persistent_volume_pb2.PersistentVolume) -> None:
    client = world.server.client.persistent_volumes
    created = await client.create(made)
    created.status.phase = "Available"
    await client.update_status(created)
    await world.advance(0.5)


async def change_claim(
    world: World, change: Callable[[persistent_volume_pb2.PersistentVolumeClaim], object]
) -> None:
    client = world.server.client.persistent_volume_claims
    found = await client.get("data", "default")
    change(found)
    await client.update(found)
    await world.advance(1)


async def complete(world: World, volume_name: str) -> None:
    """Do what the controller of volumes does at last."""

    def change(found: persistent_volume_pb2.PersistentVolumeClaim) -> None:
        found.spec.volume_name = volume_name
        found.metadata.annotations[BIND_COMPLETED] = "yes"

    await change_claim(world, change)


async def test_a_pod_without_a_claim_says_so_and_goes_on_when_it_comes_bound() -> None:
    async with running(N1, N2) as world:
        await world.create(user("data"))
        await world.advance(1)
        assert await world.node_of("web") == ""
        [(_, reason, message)] = await world.events()
        assert (reason, message.split(" preemption")[0]) == (
            "FailedScheduling",
            '0/2 nodes are available: persistentvolumeclaim "data" not found.',
        )
        await add_volume(world, volume("disk", on=ON_N1, claim="default/data"))
        await add_claim(world, claim(bound_to="disk"))
        await world.advance(3)
        assert await world.node_of("web") == "n1"


async def test_a_volume_gets_its_claim_and_the_pod_waits_until_they_are_bound() -> None:
    async with running(N1, N2) as world:
        await world.server.client.storage_classes.create(storage_class())
        await add_volume(world, volume("disk", on=ON_N1))
        await add_claim(world, claim())
        await world.create(user("data"))
        await world.advance(3)
        found = await world.server.client.persistent_volumes.get("disk")
        stored = await world.server.client.persistent_volume_claims.get("data", "default")
        ref = found.spec.claim_ref
        assert (ref.namespace, ref.name, ref.uid) == ("default", "data", stored.metadata.uid)
        assert found.metadata.annotations["pv.kubernetes.io/bound-by-controller"] == "yes"
        assert await world.node_of("web") == ""
        assert world.requested_cpu("n1") == 0
        await complete(world, "disk")
        assert await world.node_of("web") == "n1"


async def test_a_claim_gets_the_node_for_which_its_volume_is_made() -> None:
    async with running(N1) as world:
        await world.server.client.storage_classes.create(MAKES)
        await add_claim(world, claim())
        await world.create(user("data", requests={"cpu": "1"}))
        await world.advance(3)
        stored = await world.server.client.persistent_volume_claims.get("data", "default")
        assert stored.metadata.annotations[SELECTED_NODE] == "n1"
        assert await world.node_of("web") == ""
        # Its room is kept meanwhile.
        assert world.requested_cpu("n1") == 1000
        await add_volume(world, volume("made", on=ON_N1, claim="default/data"))
        await complete(world, "made")
        assert await world.node_of("web") == "n1"


async def test_a_volume_that_cannot_be_made_there_is_tried_again() -> None:
    async with running(N1) as world:
        await world.server.client.storage_classes.create(MAKES)
        await add_claim(world, claim())
        await world.create(user("data", requests={"cpu": "1"}))
        await world.advance(3)
        await change_claim(world, lambda found: found.metadata.annotations.pop(SELECTED_NODE))
        events = await world.events()
        assert (
            "Warning",
            "FailedScheduling",
            'binding rejected: running PreBind plugin "VolumeBinding": binding volumes: provisioning failed for PVC "data"',
        ) in events
        # After its back-off it chooses again.
        await world.advance(5)
        stored = await world.server.client.persistent_volume_claims.get("data", "default")
        assert stored.metadata.annotations[SELECTED_NODE] == "n1"


async def test_a_volume_that_is_never_bound_is_given_up_and_its_room_with_it() -> None:
    async with running(N1) as world:
        await world.server.client.storage_classes.create(MAKES)
        await add_claim(world, claim())
        [plugin] = [
            item
            for item in world.scheduler.frameworks.first.profile.filters
            if isinstance(item, VolumeBinding)
        ]
        assert plugin.timeout_seconds == 600
        plugin.timeout_seconds = 10
        await world.create(user("data", requests={"cpu": "1"}))
        await world.advance(12)
        events = await world.events()
        assert (
            "Warning",
            "FailedScheduling",
            'binding rejected: running PreBind plugin "VolumeBinding": binding volumes: context deadline exceeded',
        ) in events


async def test_a_pod_that_goes_while_it_waits_gives_everything_back() -> None:
    async with running(N1) as world:
        await world.server.client.storage_classes.create(storage_class())
        await add_volume(world, volume("disk"))
        await add_claim(world, claim())
        await world.create(user("data", requests={"cpu": "1"}))
        await world.advance(3)
        assert world.requested_cpu("n1") == 1000
        await world.server.client.pods.delete("web", "default")
        await world.advance(3)
        assert world.requested_cpu("n1") == 0
        assert len(world.scheduler._volume_binder) == 0


async def test_pods_without_claims_go_on_while_one_waits_for_its_volume() -> None:
    async with running(N1) as world:
        await world.server.client.storage_classes.create(MAKES)
        await add_claim(world, claim())
        await world.create(user("data"))
        await world.advance(1)
        await world.create(user(name="other"))
        await world.advance(1)
        assert await world.node_of("web") == ""
        assert await world.node_of("other") == "n1"


async def test_a_pod_whose_driver_has_no_room_left_goes_on_when_it_has() -> None:
    async with running(N1, N2) as world:
        client = world.server.client
        await client.storage_classes.create(storage_class(provisioner="disk.example.com"))
        await client.csi_drivers.create(csi_driver("disk.example.com"))
        left = await client.csi_storage_capacities.create(
            capacity("left", "1Gi", storage_class="wait", on={"kubernetes.io/hostname": "n2"})
        )
        await add_claim(world, claim())
        await world.create(user("data"))
        await world.advance(1)
        [(_, reason, message)] = await world.events()
        assert (reason, message.split(" preemption")[0]) == (
            "FailedScheduling",
            "0/2 nodes are available: 2 node(s) did not have enough free storage.",
        )
        left.capacity.string = "10Gi"
        await client.csi_storage_capacities.update(left)
        await world.advance(3)
        found = await client.persistent_volume_claims.get("data", "default")
        assert found.metadata.annotations[SELECTED_NODE] == "n2"


async def test_a_pod_whose_node_has_no_place_for_its_volume_goes_on_when_another_is_detached() -> None:
    async with running(N1) as world:
        client = world.server.client
        await client.csi_nodes.create(csi_node("n1", a=1))
        for name in ("mine", "old"):
            await add_volume(world, volume(name, driver="a"))
        await client.volume_attachments.create(attachment("old", "n1"))
        await add_claim(world, claim(bound_to="mine"))
        await world.create(user("data"))
        await world.advance(1)
        [(_, reason, message)] = await world.events()
        assert (reason, message.split(" preemption")[0]) == (
            "FailedScheduling",
            "0/1 nodes are available: 1 node(s) exceed max volume count.",
        )
        await client.volume_attachments.delete("old-n1")
        await world.advance(3)
        assert await world.node_of("web") == "n1"
