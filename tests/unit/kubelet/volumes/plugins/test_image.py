"""Where the files of an image volume come from: the runtime, or a directory of the node."""

from pathlib import Path

import pytest

from kubelet.containers.env import ConfigProblem
from kubelet.pod.directory import volume_mounts
from kubelet.runtime.records import Mount, Uid
from kubelet.volumes.interface import ApiObjects
from kubelet.volumes.manager import VolumeManager
from tests.support.apiserver import make_apiserver
from tests.unit.kubelet.volumes.mounts import needs_mounts
from vaina.api.core.v1 import pod_pb2
from vaina.testing.builders import make_pod


def mounts_of(root: Path, images: dict[str, str], part: str = "") -> list[Mount]:
    volumes = VolumeManager(root, ApiObjects(make_apiserver().client))
    pod = pod_showing(part)
    return volume_mounts(pod, pod.spec.containers[0], {}, volumes, root / "pods" / pod.metadata.uid, images)


def pod_showing(part: str = "") -> pod_pb2.Pod:
    pod = make_pod()
    pod.spec.volumes.add(name="model").volume_source.image.reference = "models/small:1"
    pod.spec.containers[0].volume_mounts.add(name="model", mount_path="/model", sub_path=part)
    return pod


def unpacked(root: Path) -> Path:
    directory = root / "pods" / make_pod().metadata.uid / "volumes" / "kubernetes.io~image" / "model"
    directory.mkdir(parents=True)
    return directory


def test_a_runtime_that_can_mounts_the_image_or_a_part_of_it(tmp_path: Path) -> None:
    assert mounts_of(tmp_path, {"model": "sha256:m"}) == [
        Mount("", "/model", readonly=True, image="sha256:m")
    ]
    assert mounts_of(tmp_path, {"model": "sha256:m"}, "weights") == [
        Mount("", "/model", readonly=True, image="sha256:m", sub_path="weights")
    ]
    with pytest.raises(ConfigProblem, match=r"must not contain '\.\.'"):
        mounts_of(tmp_path, {"model": "sha256:m"}, "../etc")


def test_the_files_of_another_are_mounted_from_the_node_to_be_read(tmp_path: Path) -> None:
    directory = unpacked(tmp_path)
    assert mounts_of(tmp_path, {}) == [Mount(str(directory), "/model", readonly=True)]


@needs_mounts
def test_a_part_that_the_image_does_not_have_is_not_made_in_it(tmp_path: Path) -> None:
    directory = unpacked(tmp_path)
    with pytest.raises(
        ConfigProblem, match='failed to prepare subPath for volumeMount "model" of container "app"'
    ):
        mounts_of(tmp_path, {}, "weights")
    assert list(directory.iterdir()) == []


async def test_its_directory_goes_with_its_pod(tmp_path: Path) -> None:
    (unpacked(tmp_path) / "weights").write_text("w")
    volumes, pod = VolumeManager(tmp_path, ApiObjects(make_apiserver().client)), pod_showing()
    assert await volumes.mounted(pod) == {"model"}

    await volumes.unmount(Uid(pod.metadata.uid))

    assert not (tmp_path / "pods" / pod.metadata.uid / "volumes").exists()
