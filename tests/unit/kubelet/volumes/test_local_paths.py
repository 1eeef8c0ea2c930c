"""Data of this node's volumes go when nobody has them any more, and not before."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from kubelet.volumes import mounting
from kubelet.volumes.tasks import LocalPaths
from tests.support.apiserver import Harness, make_apiserver
from tests.unit.kubelet.volumes.mounts import needs_mounts
from vaina.api.core.v1 import persistent_volume_pb2
from vaina.errors import NotFound
from vaina.objects.local_path import FINALIZER, NODE_ANNOTATION, NODE_LABEL, PROVISIONED_BY, PROVISIONER
from vaina.testing.clock import settle

Volume = persistent_volume_pb2.PersistentVolume
NODE = "node-1"


@dataclass
class World:
    """An apiserver, a node's directory and who uses what in it."""

    server: Harness
    directory: Path
    used: set[str] = field(default_factory=set)
    said: list[tuple[str, str]] = field(default_factory=list)

    def event(self, obj: Any, type: str, reason: str, message: str) -> None:
        self.said.append((reason, message))

    async def volume(self, name: str = "pvc-1", *, policy: str = "Delete", phase: str = "Released") -> Path:
        """Make a volume of this node, with data; return its directory."""
        path = self.directory / name
        made = Volume()
        made.metadata.name = name
        made.metadata.labels[NODE_LABEL] = made.metadata.annotations[NODE_ANNOTATION] = NODE
        made.metadata.annotations[PROVISIONED_BY] = PROVISIONER
        made.metadata.finalizers.append(FINALIZER)
        made.spec.capacity["storage"].string = "1Gi"
        made.spec.access_modes.append("ReadWriteOnce")
        made.spec.persistent_volume_reclaim_policy = policy
        made.spec.persistent_volume_source.local.path = str(path)
        term = made.spec.node_affinity.required.node_selector_terms.add()
        term.match_expressions.add(key="kubernetes.io/hostname", operator="In", values=[NODE])
        stored = await self.server.client.persistent_volumes.create(made)
        await self.phase(stored, phase)
        path.mkdir(parents=True)
        (path / "data").write_text("precious")
        return path

    async def phase(self, volume: Volume, phase: str) -> None:
        volume.status.phase = phase
        await self.server.client.persistent_volumes.update_status(volume)

    async def get(self, name: str = "pvc-1") -> Volume | None:
        try:
            return await self.server.client.persistent_volumes.get(name)
        except NotFound:
            return None

    async def let_go(self) -> bool:
        """Say whether the kubelet has let the volume go.

        The protection of volumes in use is a controller's to take away.
        """
        left = await self.get()
        return left is None or [*left.metadata.finalizers] == ["kubernetes.io/pv-protection"]

    async def until(self, holds: Callable[[], Awaitable[bool]]) -> None:
        for _ in range(2000):
            await settle(100)
            if await holds():
                return
            # The directory is deleted in a thread: let it run.
            await asyncio.to_thread(lambda: None)
            await self.server.clock.advance(1)
        raise AssertionError("never came to be")

    async def a_while(self) -> None:
        for _ in range(40):
            await settle(50)
            await asyncio.to_thread(lambda: None)
            await self.server.clock.advance(1)


@asynccontextmanager
async def kubelet(world: World) -> AsyncIterator[None]:
    paths = LocalPaths(
        world.server.client, world.server.clock, node=NODE, directory=world.directory,
        is_used=world.used.__contains__, events=world,
    )  # fmt: skip
    async with asyncio.TaskGroup() as group:
        task = group.create_task(paths.run())
        try:
            await settle(200)
            yield
        finally:
            task.cancel()


@pytest.fixture
async def world(tmp_path: Path) -> World:
    server = make_apiserver()
    await server.app.bootstrap()
    return World(server, tmp_path / "local-path")


async def test_a_released_volume_goes_with_its_data(world: World) -> None:
    path = await world.volume()
    async with kubelet(world):
        await world.until(world.let_go)
    assert not path.exists()
    assert [*world.directory.iterdir()] == []


@needs_mounts
async def test_what_is_mounted_in_a_volume_stays_when_a_new_kubelet_goes_on_with_its_end(
    world: World, tmp_path: Path
) -> None:
    (world.directory / ".deleted-pvc-1" / "mounted").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "data").write_text("precious")
    mounting.bind(str(tmp_path / "elsewhere"), world.directory / ".deleted-pvc-1" / "mounted")

    async with kubelet(world):

        async def is_done() -> bool:
            return not [*world.directory.iterdir()]

        await world.until(is_done)

    assert (tmp_path / "elsewhere" / "data").read_text() == "precious"


@pytest.mark.parametrize(
    ("policy", "phase"), [("Retain", "Released"), ("Delete", "Bound"), ("Delete", "Available")]
)
async def test_what_is_kept_or_in_use_stays(world: World, policy: str, phase: str) -> None:
    path = await world.volume(policy=policy, phase=phase)
    async with kubelet(world):
        await world.a_while()
    assert (path / "data").read_text() == "precious"
    assert await world.get() is not None


async def test_what_a_pod_still_has_waits_for_it(world: World) -> None:
    path = await world.volume()
    world.used.add(str(path))
    async with kubelet(world):
        await world.a_while()
        assert (path / "data").exists()
        world.used.clear()
        await world.until(world.let_go)
    assert not path.exists()


async def test_a_volume_that_a_person_deletes_keeps_its_data_if_it_was_to_retain_them(world: World) -> None:
    path = await world.volume(policy="Retain")
    await world.server.client.persistent_volumes.delete("pvc-1")
    async with kubelet(world):
        await world.until(world.let_go)
    assert (path / "data").exists()


@pytest.mark.parametrize("path", ["{0}", "/etc", "{0}/a/b", "{0}/.deleted-x"])
async def test_nothing_outside_is_deleted(world: World, path: str, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "key").write_text("of the node")
    inside = await world.volume()
    stored = await world.get()
    assert stored is not None
    await world.server.client.persistent_volumes.delete("pvc-1")
    stored.metadata.name, stored.metadata.uid, stored.metadata.resource_version = "evil", "", ""
    stored.spec.persistent_volume_source.local.path = path.format(world.directory)
    stored.metadata.ClearField("deletion_timestamp")
    evil = await world.server.client.persistent_volumes.create(stored)
    await world.phase(evil, "Released")

    async def complained() -> bool:
        return bool(world.said)

    async with kubelet(world):
        await world.until(complained)
    assert world.said[0][0] == "VolumeFailedDelete"
    assert (elsewhere / "key").exists()
    assert inside.parent.exists()


async def test_a_deletion_that_was_interrupted_goes_on(world: World) -> None:
    path = await world.volume()
    path.rename(world.directory / ".deleted-pvc-1")
    async with kubelet(world):
        await world.until(world.let_go)
    assert [*world.directory.iterdir()] == []


async def test_data_of_which_nobody_knows_are_left(world: World) -> None:
    unknown = world.directory / "pvc-unknown"
    unknown.mkdir(parents=True)
    async with kubelet(world):
        await world.a_while()
    assert unknown.exists()
