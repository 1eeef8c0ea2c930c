"""Directories of Pods that nobody looks after go; all others stay."""
# A test may look at files in place:

from pathlib import Path

from kubelet.runtime.records import Uid
from kubelet.volumes import mounting
from kubelet.volumes.tasks import OrphanedDirectories
from tests.unit.kubelet.volumes.mounts import needs_mounts
from vaina.testing.clock import FakeClock


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
