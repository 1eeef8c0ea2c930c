"""Which images a node shows, and which may go."""

import random
from dataclasses import dataclass, field
from ipaddress import IPv4Network

import pytest

from kubelet.images.inventory import (
    ImagePolicy,
    ImageRecord,
    bytes_to_free,
    candidates,
    detect,
    node_images,
)
from kubelet.images.manager import ImageCollector
from kubelet.machine.machine import FilesystemUse
from kubelet.runtime.hollow.program import Stages
from kubelet.runtime.hollow.runtime import HollowImages, HollowRuntime
from kubelet.runtime.records import IMAGES_ANNOTATION, ContainerConfig, ImageState, SandboxConfig, Uid
from vaina.testing.clock import FakeClock

POLICY = ImagePolicy()
NOW = 10_000.0


def image(name: str, size: int = 10, *, pinned: bool = False) -> ImageState:
    return ImageState(name, (f"{name}:latest",), size_bytes=size, pinned=pinned)


@pytest.mark.requirement("B17")
def test_a_node_shows_its_fifty_largest_images() -> None:
    shown = node_images([image(f"i{number}", number) for number in range(60)])

    assert [item.size_bytes for item in shown] == list(range(59, 9, -1))
    assert list(shown[0].names) == ["i59:latest"]


def test_an_image_is_shown_by_five_of_its_names_digests_first() -> None:
    named = ImageState("i", tuple(f"t:{n}" for n in range(9)), ("t@sha256:1",), 1)

    assert list(node_images([named])[0].names) == ["t@sha256:1", "t:0", "t:1", "t:2", "t:3"]


@pytest.mark.parametrize(
    ("available", "wanted"),
    [(16, 0), (15, 5), (10, 10), (0, 20), (20, 0), (100, 0), (500, 0)],
)
def test_nothing_goes_below_the_high_threshold_and_then_down_to_the_low_one(
    available: int, wanted: int
) -> None:
    assert bytes_to_free(100, available, POLICY) == wanted


def test_a_high_threshold_of_100_switches_collection_off() -> None:
    assert bytes_to_free(100, 0, ImagePolicy(100)) == 0


def test_a_disk_without_a_size_asks_for_nothing() -> None:
    assert bytes_to_free(0, 0, POLICY) == 0


def test_what_is_used_pinned_or_young_stays_and_the_longest_unused_goes_first() -> None:
    images = [image("used"), image("young"), image("early"), image("late"), image("own", pinned=True)]
    records = {
        "used": ImageRecord(0.0, NOW),
        "young": ImageRecord(NOW - 119, 0.0),
        "late": ImageRecord(0.0, NOW - 5),
        "early": ImageRecord(0.0, NOW - 50),
        "own": ImageRecord(0.0),
    }

    assert [item.id for item in candidates(images, records, POLICY, now=NOW)] == ["early", "late"]


def test_a_first_look_takes_images_for_old_and_a_later_one_for_new() -> None:
    first = detect({}, [image("a")], frozenset(), now=NOW, first_look=True)
    later = detect(first, [image("a"), image("b")], frozenset({"a"}), now=NOW + 1, first_look=False)

    assert first == {"a": ImageRecord(0.0)}
    assert later == {"a": ImageRecord(0.0, NOW + 1), "b": ImageRecord(NOW + 1)}
    assert detect(later, [], frozenset(), now=NOW + 2, first_look=False) == {}


@dataclass
class _Disk:
    use: FilesystemUse
    told: list[tuple[str, str]] = field(default_factory=list)

    def tell(self, reason: str, message: str) -> None:
        self.told.append((reason, message))


class _OnDisk(HollowImages):
    async def image_filesystem(self) -> str:
        return "/images"


async def test_unused_images_go_when_the_disk_is_full_and_a_node_that_stays_full_says_so() -> None:
    clock = FakeClock()
    images = _OnDisk(clock, random.Random(1), Stages())
    for name in ("one", "two"):
        await images.pull_image(name)
    disk = _Disk(FilesystemUse(100, 50, 10, 10))
    runtime = HollowRuntime(clock, random.Random(1), stages=Stages(), cidr=IPv4Network("10.244.0.0/24"))
    collector = ImageCollector(
        images,
        runtime,
        clock,
        POLICY,
        tell=disk.tell,
        count=list,
        records=None,
        measure=lambda _: disk.use,
    )

    await collector.look()
    await collector.collect()
    assert [list(item.names) for item in collector.images] == [["one:latest"], ["two:latest"]]

    disk.use = FilesystemUse(100, 1, 10, 10)
    await collector.collect()
    assert await images.list_images() == []
    assert disk.told == [(
        "FreeDiskSpaceFailed",
        "Failed to garbage collect required amount of images. Attempted to free 19 bytes, "
        "but only found 2 bytes eligible to free.",
    )]  # fmt: skip


async def test_an_image_that_a_volume_shows_is_in_use() -> None:
    clock = FakeClock()
    images = HollowImages(clock, random.Random(1), Stages())
    for name in ("app", "model", "unused"):
        await images.pull_image(name)
    runtime = HollowRuntime(clock, random.Random(1), stages=Stages(), cidr=IPv4Network("10.244.0.0/24"))
    sandbox = SandboxConfig("web", "default", Uid("u"), 0, "web")
    made = await runtime.run_pod_sandbox(sandbox)
    shown = {IMAGES_ANNOTATION: "sha256:model:latest"}
    config = ContainerConfig("app", 0, "sha256:app:latest", "app", annotations=shown)
    await runtime.create_container(made.id, config, sandbox)
    collector = ImageCollector(images, runtime, clock, POLICY, tell=lambda *_: None, count=list, records=None)

    await collector.free()

    assert [state.tags for state in await images.list_images()] == [("app:latest",), ("model:latest",)]
