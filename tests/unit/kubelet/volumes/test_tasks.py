"""What deletes the data of volumes and of Pods that are gone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from kubelet.runtime.records import Uid
from kubelet.volumes import mounting
from kubelet.volumes.tasks import LocalPaths, OrphanedDirectories
from tests.support.apiserver import Harness, make_apiserver
from tests.unit.kubelet.volumes.mounts import needs_mounts
from vaina.api.core.v1 import persistent_volume_pb2
from vaina.errors import NotFound
from vaina.objects.local_path import FINALIZER, NODE_ANNOTATION, NODE_LABEL, PROVISIONED_BY, PROVISIONER
from vaina.testing.clock import FakeClock, settle

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
        async with asyncio.timeout(60):
            while not await holds():
                # The directory is deleted in a thread: let it run.
                await asyncio.to_thread(lambda: None)
                await self.server.clock.advance(1)

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


class Node:
    """A kubelet's root, and the Pods that it looks after."""

    def __init__(self, root: Path) -> None:
        self.pods = root / "pods"
        self.known: set[Uid] | None = set()
        #: what the kubelet says when it is asked more often
        self.next: list[set[Uid]] = []
        self.aside = root / "orphans"
        self.sweeper = OrphanedDirectories(root, FakeClock(), self.looked_after)

    def looked_after(self) -> set[Uid] | None:
        known = self.known
        if self.next:
            self.known = self.next.pop(0)
        return known

    def pod(self, name: str) -> Path:
        path = self.pods / name / "volumes/kubernetes.io~empty-dir/data"
        path.mkdir(parents=True)
        return path

    def left(self) -> list[str]:
        return sorted(path.name for path in self.pods.iterdir())


async def test_what_belongs_to_nobody_twice_is_removed(tmp_path: Path) -> None:
    node = Node(tmp_path)
    await node.sweeper.look()
    (tmp_path / "precious").mkdir()
    claims = node.pod("gone").parents[1] / "kubernetes.io~local-volume"
    claims.mkdir()
    (claims / "data").symlink_to(tmp_path / "precious")
    node.pod("lives")
    node.known = {Uid("lives")}

    await node.sweeper.look()
    assert node.left() == ["gone", "lives"]
    await node.sweeper.look()

    assert node.left() == ["lives"]
    assert list(node.aside.iterdir()) == []
    assert (tmp_path / "precious").is_dir(), "a claim's data are no part of a Pod"


async def test_a_pod_that_just_came_is_left_alone(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.pod("new")
    await node.sweeper.look()
    node.known = {Uid("new")}
    await node.sweeper.look()
    assert node.left() == ["new"]


async def test_a_static_pod_that_comes_back_while_others_are_looked_at_is_left_alone(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.pod("gone")
    node.pod("returns")
    await node.sweeper.look()
    node.next = [set(), {Uid("returns")}]
    await node.sweeper.look()
    assert node.left() == ["returns"]


async def test_what_was_moved_aside_by_a_kubelet_that_died_is_removed(tmp_path: Path) -> None:
    node = Node(tmp_path)
    (node.aside / "gone" / "volumes").mkdir(parents=True)
    await node.sweeper.look()
    assert list(node.aside.iterdir()) == []


async def test_nothing_is_removed_before_all_pods_are_known(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.pod("unknown")
    node.known = None
    await node.sweeper.look()
    await node.sweeper.look()
    assert node.left() == ["unknown"]


@needs_mounts
async def test_mounts_of_what_is_removed_are_undone(tmp_path: Path) -> None:
    node = Node(tmp_path)
    mounting.tmpfs(node.pod("gone"), size_bytes=65536, mode=0o777)
    await node.sweeper.look()
    await node.sweeper.look()
    assert node.left() == []
    assert mounting.mounts_below(tmp_path) == []
