"""The namespace controller over a whole control plane.

The order in which things go, and what was left behind.
"""

from tests.support.controlplane import ControlPlane, control_plane
from vaina.kinds import CONFIG_MAP
from vaina.testing.builders import make_config_map, make_namespace, make_pod


async def exists(plane: ControlPlane, name: str) -> bool:
    return name in {item.metadata.name for item in (await plane.client.namespaces.list()).items}


async def test_pods_go_first_and_all_else_stays_until_they_have_gone() -> None:
    async with control_plane() as plane:
        await plane.client.namespaces.create(make_namespace("team"))
        await plane.client.config_maps.create(make_config_map("settings", "team"))
        await plane.add_node("n1")
        await plane.start(await plane.client.pods.create(make_pod("web", namespace="team")), "n1")
        await plane.client.namespaces.delete("team")
        await plane.clock.advance(10)
        (pod,) = await plane.pods("team")
        assert pod.metadata.HasField("deletion_timestamp")
        assert [item.metadata.name for item in (await plane.client.config_maps.list("team")).items] == [
            "settings"
        ]
        conditions = (await plane.client.namespaces.get("team")).status.conditions
        assert [item.message for item in conditions if item.status == "True"] == [
            "Some resources are remaining: pods. has 1 resource instances"
        ]
        await plane.end(pod)

        async def gone() -> bool:
            return not await exists(plane, "team")

        await plane.until(gone)
        assert (await plane.client.config_maps.list("team")).items == []


async def test_a_finalizer_holds_the_namespace_and_is_told() -> None:
    async with control_plane() as plane:
        await plane.client.namespaces.create(make_namespace("team"))
        held = make_config_map("held", "team")
        held.metadata.finalizers.append("example.com/hold")
        await plane.client.config_maps.create(held)
        await plane.client.namespaces.delete("team")
        await plane.clock.advance(5)
        conditions = (await plane.client.namespaces.get("team")).status.conditions
        assert {item.type: item.message for item in conditions if item.status == "True"} == {
            "NamespaceContentRemaining": "Some resources are remaining: configmaps. has 1 resource instances",
            "NamespaceFinalizersRemaining": (
                "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances"
            ),
        }
        await plane.client.config_maps.patch("held", '{"metadata": {"finalizers": null}}', namespace="team")

        async def gone() -> bool:
            return not await exists(plane, "team")

        await plane.until(gone)


async def test_what_lies_in_a_namespace_that_is_gone_is_removed() -> None:
    """As an apiserver leaves it that dies between storing an object and taking it back."""
    async with control_plane() as plane:
        stray, kept = make_config_map("stray", "gone"), make_config_map("kept", "kube-public")
        for obj in (stray, kept):
            obj.metadata.uid = f"uid-of-{obj.metadata.name}"
            key = f"/registry/configmaps/{obj.metadata.namespace}/{obj.metadata.name}"
            data, type_meta = obj.SerializeToString(), (CONFIG_MAP.api_version, CONFIG_MAP.kind)
            await plane.server.storage.create(key, data, type_meta)  # type: ignore[arg-type]  # a Key is a str

        async def left() -> list[str]:
            found = [item.metadata.name for item in (await plane.client.config_maps.list("")).items]
            return found if len(found) == 1 else []

        assert await plane.until(left) == ["kept"]
        await plane.clock.advance(30)
        assert await left() == ["kept"]
