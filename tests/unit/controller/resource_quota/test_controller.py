"""The quota controller over a whole control plane.

Counts, gives back what has gone, and never what is on its way.
"""

import pytest

from tests.support.controlplane import ControlPlane, control_plane
from vaina.api.core.v1 import resource_quota_pb2
from vaina.errors import Forbidden
from vaina.testing.builders import make_config_map, make_pod, make_replica_set

Quota = resource_quota_pb2.ResourceQuota


def quota(**hard: str) -> Quota:
    made = Quota()
    made.metadata.name, made.metadata.namespace = "q", "default"
    for resource, amount in hard.items():
        made.spec.hard[resource].string = amount
    return made


async def status(plane: ControlPlane) -> dict[str, str]:
    """Return used/hard of each resource."""
    found = (await plane.client.resource_quotas.get("q", "default")).status
    return {
        name: f"{found.used[name].string}/{found.hard[name].string}"
        for name in found.hard
        if name in found.used
    }


async def until_used(plane: ControlPlane, *, seconds: float = 5.0, **used: str) -> None:
    async def holds() -> bool:
        return await status(plane) == used

    await plane.until(holds, seconds=seconds)


async def test_a_new_quota_is_told_what_is_there() -> None:
    async with control_plane() as plane:
        await plane.server.pod("web")
        await plane.client.config_maps.create(make_config_map("a"))
        await plane.client.resource_quotas.create(
            quota(
                **{
                    "pods": "3",
                    "configmaps": "5",
                    "count/replicasets.apps": "1",
                    "resourcequotas": "2",
                    "services": "1",
                    "count/widgets.example.com": "1",
                }
            )
        )
        # Nobody counts widgets here: their use stays unknown.
        counted = {"count/replicasets.apps": "0/1", "resourcequotas": "1/2", "services": "0/1"}
        await until_used(plane, **{"pods": "1/3", "configmaps": "1/5", **counted})


async def test_a_changed_quota_limits_by_what_it_says_now() -> None:
    async with control_plane() as plane:
        await plane.client.resource_quotas.create(quota(pods="1"))
        await until_used(plane, pods="0/1")
        await plane.server.pod("a")
        changed = await plane.client.resource_quotas.get("q", "default")
        changed.spec.hard["pods"].string = "2"
        await plane.client.resource_quotas.update(changed)
        await until_used(plane, pods="1/2")
        await plane.server.pod("b")
        with pytest.raises(Forbidden, match="requested: pods=1, used: pods=2, limited: pods=2"):
            await plane.server.pod("c")


async def test_what_goes_and_what_ends_is_given_back_at_once() -> None:
    async with control_plane() as plane:
        await plane.add_node("node-1")
        await plane.client.resource_quotas.create(quota(**{"pods": "2", "count/pods": "5"}))
        await until_used(plane, **{"pods": "0/2", "count/pods": "0/5"})
        await plane.server.pod("a")
        await plane.server.pod("b")
        await until_used(plane, **{"pods": "2/2", "count/pods": "2/5"})
        await plane.client.pods.delete("a", "default")
        await until_used(plane, **{"pods": "1/2", "count/pods": "1/5"}, seconds=1.0)
        pod = await plane.client.pods.get("b", "default")
        await plane.start(pod, "node-1")
        pod = await plane.client.pods.get("b", "default")
        pod.status.phase = "Succeeded"
        await plane.client.pods.update_status(pod, mask=("phase",))
        await until_used(plane, **{"pods": "0/2", "count/pods": "1/5"}, seconds=1.0)


async def test_what_was_charged_in_vain_is_found_but_not_before_it_may_have_come() -> None:
    async with control_plane() as plane:
        await plane.client.resource_quotas.create(quota(pods="2"))
        await until_used(plane, pods="0/2")
        # As an apiserver that died between charging and storing.
        charged = await plane.client.resource_quotas.get("q", "default")
        charged.status.used["pods"].string = "2"
        await plane.client.resource_quotas.update_status(charged)
        await plane.clock.advance(30)
        assert await status(plane) == {"pods": "2/2"}
        await until_used(plane, pods="0/2", seconds=40)


async def test_replicas_come_as_far_as_the_quota_lets_them_and_the_rest_when_there_is_room() -> None:
    async with control_plane() as plane:
        await plane.client.resource_quotas.create(quota(pods="3"))
        await until_used(plane, pods="0/3")
        await plane.client.replica_sets.create(make_replica_set("web", replicas=5))

        async def three() -> bool:
            return len(await plane.pods()) == 3

        await plane.until(three)
        await plane.clock.advance(5)
        assert len(await plane.pods()) == 3
        messages = [event.message for event in await plane.events() if event.reason == "FailedCreate"]
        assert any(
            "exceeded quota: q, requested: pods=1, used: pods=3, limited: pods=3" in text for text in messages
        )
        changed = await plane.client.resource_quotas.get("q", "default")
        changed.spec.hard["pods"].string = "5"
        await plane.client.resource_quotas.update(changed)

        async def five() -> bool:
            return len(await plane.pods()) == 5

        await plane.until(five, seconds=120)
        await until_used(plane, pods="5/5")


async def test_a_pod_that_should_have_ended_is_no_longer_counted() -> None:
    async with control_plane() as plane:
        await plane.add_node("node-1")
        await plane.client.resource_quotas.create(quota(pods="1"))
        await until_used(plane, pods="0/1")
        await plane.start(await plane.server.pod("stuck"), "node-1")
        await plane.client.pods.delete("stuck", "default", grace_period_seconds=5)
        await plane.clock.advance(1)
        assert await status(plane) == {"pods": "1/1"}
        # Nobody ends it. The time of deletion is the end of the grace period; upstream waits for another one.
        await until_used(plane, pods="0/1", seconds=12)
        await plane.client.pods.create(make_pod("next"))


async def test_a_quota_that_is_right_is_not_written() -> None:
    async with control_plane() as plane:
        await plane.client.resource_quotas.create(quota(pods="5"))
        await plane.server.pod("web")
        await until_used(plane, pods="1/5")
        await plane.clock.advance(61)
        before = (await plane.client.resource_quotas.get("q", "default")).metadata.resource_version
        await plane.clock.advance(700)
        assert (await plane.client.resource_quotas.get("q", "default")).metadata.resource_version == before


async def test_what_a_resize_took_and_gave_back_is_counted_at_once() -> None:
    async with control_plane() as plane:
        await plane.client.resource_quotas.create(quota(**{"requests.cpu": "4"}))
        await until_used(plane, **{"requests.cpu": "0/4"})
        made = make_pod("web")
        made.spec.containers[0].resources.requests["cpu"].string = "1"
        pod = await plane.client.pods.create(made)
        for cpu in ("4", "2", "3"):
            pod.metadata.resource_version = ""
            pod.spec.containers[0].resources.requests["cpu"].string = cpu
            await plane.client.pods.update_resize(pod)
            await until_used(plane, **{"requests.cpu": f"{cpu}/4"})
