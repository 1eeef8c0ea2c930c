"""Files of ConfigMaps and Secrets follow them, and nothing else is watched."""
# A test may look at files in place:
# ruff: noqa: ASYNC240

import asyncio
from pathlib import Path

import pytest

from kubelet.containers.env import PodFacts
from kubelet.runtime.records import Uid
from kubelet.volumes.interface import ApiObjects, VolumeFailed
from kubelet.volumes.manager import ObjectFollower, VolumeManager
from tests.support.apiserver import Harness, make_apiserver
from vaina.api.core.v1 import pod_pb2
from vaina.testing.builders import make_config_map, make_pod


@pytest.fixture
async def server() -> Harness:
    made = make_apiserver()
    await made.app.bootstrap()
    return made


def new_pod(name: str = "web") -> pod_pb2.Pod:
    pod = make_pod(name)
    volume = pod.spec.volumes.add(name="paint")
    volume.volume_source.config_map.local_object_reference.name = "paint"
    return pod


async def paint(server: Harness, colour: str) -> None:
    stored = await server.client.config_maps.get("paint", "default")
    stored.data["colour"] = colour
    await server.client.config_maps.update(stored)


async def until_reads(server: Harness, path: Path, text: str) -> None:
    # Files are written by threads, which have their turn when the machine gives it.
    async with asyncio.timeout(60):
        while not (path.exists() and path.read_text() == text):
            await asyncio.to_thread(lambda: None)
            await server.clock.advance(0.25)


async def test_a_change_is_seen_without_anybody_asking(server: Harness, tmp_path: Path) -> None:
    await server.client.config_maps.create(make_config_map("paint", data={"colour": "red"}))
    volumes = VolumeManager(tmp_path, ApiObjects(server.client))
    follower = ObjectFollower(server.client, server.clock, volumes.refresh)
    volumes.follow_with(follower, lambda _: None)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(follower.run())
        pod, other = new_pod(), new_pod("other")
        for one in (pod, other):
            await volumes.mount(one, ["paint"], PodFacts())
        files = [Path(volumes.host_path(Uid(one.metadata.uid), one.spec.volumes[0])) for one in (pod, other)]

        await paint(server, "blue")
        for path in files:
            await until_reads(server, path / "colour", "blue")

        # A Pod that is gone is not written to, though its ConfigMap changes for others.
        await volumes.unmount(Uid(pod.metadata.uid))
        await paint(server, "green")
        await until_reads(server, files[1] / "colour", "green")
        assert not files[0].exists()
        task.cancel()


async def test_a_volume_is_followed_on_when_another_is_waited_for_no_more(
    server: Harness, tmp_path: Path
) -> None:
    await server.client.config_maps.create(make_config_map("paint", data={"colour": "red"}))
    volumes = VolumeManager(tmp_path, ApiObjects(server.client))
    follower = ObjectFollower(server.client, server.clock, volumes.refresh)
    volumes.follow_with(follower, lambda _: None)
    pod = new_pod()
    late = pod.spec.volumes.add(name="late")
    late.volume_source.config_map.local_object_reference.name = "late"
    async with asyncio.TaskGroup() as group:
        task = group.create_task(follower.run())
        await volumes.mount(pod, ["paint"], PodFacts())
        with pytest.raises(VolumeFailed):
            await volumes.prepare(pod, ["late"], PodFacts())
        await server.client.config_maps.create(make_config_map("late"))
        await volumes.prepare(pod, ["late"], PodFacts())

        await paint(server, "blue")
        path = Path(volumes.host_path(Uid(pod.metadata.uid), pod.spec.volumes[0]))
        await until_reads(server, path / "colour", "blue")
        task.cancel()
