"""Claims on a node: what they stand for, and who may not have them."""
# A test may look at files in place:
# ruff: noqa: ASYNC240

import os
from pathlib import Path
from typing import Any

import pytest

from kubelet.containers.env import PodFacts
from kubelet.pod.directory import PodDirectory
from kubelet.runtime.records import Uid
from kubelet.volumes.interface import VolumeFailed
from kubelet.volumes.manager import VolumeManager
from kubelet.volumes.plugins.claimed import give_to_group
from tests.unit.kubelet.volumes.test_manager import Objects
from vaina.api.core.v1 import persistent_volume_pb2, pod_pb2
from vaina.objects.local_path import MADE_ANNOTATION, PROVISIONED_BY, PROVISIONER
from vaina.testing.builders import make_pod

FACTS = PodFacts("10.244.1.2", "192.0.2.1", "node-1")
UNABLE = (
    "Unable to attach or mount volumes: unmounted volumes=[data], unattached volumes=[], "
    "failed to process volumes=[data]: "
)


def new_pod(name: str = "web", claim: str = "data") -> pod_pb2.Pod:
    pod = make_pod(name)
    pod.spec.volumes.add(name="data").volume_source.persistent_volume_claim.claim_name = claim
    pod.spec.containers[0].volume_mounts.add(name="data", mount_path="/data")
    return pod


def test_a_file_that_becomes_a_link_meanwhile_leads_the_kubelet_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever writes in a volume may change it while it is given to a group."""
    outside, volume = tmp_path / "outside", tmp_path / "volume"
    outside.write_text("the node's")
    outside.chmod(0o600)
    volume.mkdir()
    (volume / "file").write_text("the pod's")
    chown = os.chown

    def swap(name: str, *args: int, **how: Any) -> None:
        chown(name, *args, **how)
        if name == "file":
            (volume / "file").unlink()
            (volume / "file").symlink_to(outside)

    monkeypatch.setattr(os, "chown", swap)

    give_to_group(volume, os.getgid(), "Always")

    assert outside.stat().st_mode & 0o777 == 0o600


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    """A claim that is bound to a volume which was made for it, and never mounted."""
    claim = persistent_volume_pb2.PersistentVolumeClaim()
    claim.metadata.name, claim.metadata.namespace, claim.metadata.uid = "data", "default", "uid-claim"
    claim.spec.volume_name, claim.status.phase = "disk", "Bound"
    volume = persistent_volume_pb2.PersistentVolume()
    volume.metadata.name = "disk"
    volume.metadata.annotations[PROVISIONED_BY] = PROVISIONER
    volume.spec.access_modes.append("ReadWriteOnce")
    volume.spec.persistent_volume_source.local.path = str(tmp_path / "disks/disk")
    volume.spec.claim_ref.uid = "uid-claim"
    return Objects(claims={"data": claim}, volumes={"disk": volume})


@pytest.fixture
def volumes(tmp_path: Path, objects: Objects) -> VolumeManager:
    return VolumeManager(tmp_path, objects)


async def why_not(volumes: VolumeManager, pod: pod_pb2.Pod) -> str:
    with pytest.raises(VolumeFailed) as refused:
        await volumes.mount(pod, ["data"], FACTS)
    assert await volumes.mounted(pod) == frozenset()
    return str(refused.value)


async def test_the_data_of_a_claim_outlive_the_pod(
    volumes: VolumeManager, objects: Objects, tmp_path: Path
) -> None:
    first, second = new_pod("first"), new_pod("second")
    await volumes.mount(first, ["data"], FACTS)
    path = Path(volumes.host_path(Uid(first.metadata.uid), first.spec.volumes[0]))
    assert path == tmp_path / "disks/disk"
    assert path.stat().st_mode & 0o777 == 0o777
    (path / "note").write_text("still here")

    await volumes.unmount(Uid(first.metadata.uid))
    await PodDirectory(tmp_path, volumes).remove(Uid(first.metadata.uid))
    await volumes.mount(second, ["data"], FACTS)

    assert await volumes.mounted(first) == frozenset()
    assert await VolumeManager(tmp_path, objects).mounted(second) == {"data"}, "a new kubelet knows it"
    assert (path / "note").read_text() == "still here"


async def test_a_directory_is_made_once_and_never_again(volumes: VolumeManager, objects: Objects) -> None:
    pod = new_pod()
    await volumes.mount(pod, ["data"], FACTS)
    assert objects.volumes["disk"].metadata.annotations[MADE_ANNOTATION] == "true"
    await volumes.unmount(Uid(pod.metadata.uid))
    path = objects.volumes["disk"].spec.persistent_volume_source.local.path
    os.rmdir(path)

    words = await why_not(volumes, pod)

    assert words == (
        f'MountVolume.NewMounter initialization failed for volume "disk" : path "{path}" does not exist'
    )


async def test_a_volume_of_another_node_is_neither_mounted_nor_made(
    volumes: VolumeManager, objects: Objects
) -> None:
    volume = objects.volumes["disk"]
    term = volume.spec.node_affinity.required.node_selector_terms.add()
    term.match_expressions.add(key="kubernetes.io/hostname", operator="In", values=["node-2"])

    assert await why_not(volumes, new_pod()) == (
        'MountVolume.NodeAffinity check failed for volume "disk" : no matching NodeSelectorTerms'
    )
    assert not Path(volume.spec.persistent_volume_source.local.path).exists()

    term.match_expressions[0].values.append("node-1")
    await volumes.mount(new_pod(), ["data"], FACTS)


async def test_a_volume_that_a_person_made_has_to_be_there(volumes: VolumeManager, objects: Objects) -> None:
    objects.volumes["disk"].metadata.annotations.clear()

    assert "does not exist" in await why_not(volumes, new_pod())


async def test_a_host_path_volume_is_shown_in_its_place(
    volumes: VolumeManager, objects: Objects, tmp_path: Path
) -> None:
    source = objects.volumes["disk"].spec.persistent_volume_source
    source.host_path.path, source.host_path.type = str(tmp_path / "here"), "DirectoryOrCreate"
    source.ClearField("local")
    pod = new_pod()

    await volumes.mount(pod, ["data"], FACTS)

    assert volumes.host_path(Uid(pod.metadata.uid), pod.spec.volumes[0]) == str(tmp_path / "here")
    assert (tmp_path / "here").is_dir()


async def test_a_claim_without_its_object_is_told(volumes: VolumeManager, objects: Objects) -> None:
    assert await why_not(volumes, new_pod(claim="nothing")) == UNABLE + (
        "error processing PVC default/nothing: failed to fetch PVC from API server: "
        'persistentvolumeclaims "nothing" not found'
    )
    objects.claims["data"].status.phase = "Pending"
    assert await why_not(volumes, new_pod()) == UNABLE + "error processing PVC default/data: PVC is not bound"
    objects.claims["data"].metadata.deletion_timestamp.seconds = 1
    assert await why_not(volumes, new_pod()) == (
        UNABLE + "error processing PVC default/data: PVC is being deleted"
    )


async def test_a_volume_that_is_somebody_elses_is_not_mounted(
    volumes: VolumeManager, objects: Objects
) -> None:
    objects.volumes["disk"].spec.claim_ref.uid = "uid-other"
    assert await why_not(volumes, new_pod()) == UNABLE + (
        "error processing PVC default/data: found PV object disk but its pv.Spec.ClaimRef.UID uid-other "
        "does not point to claim.UID uid-claim"
    )
    objects.volumes["disk"].spec.ClearField("claim_ref")
    assert "has a nil pv.Spec.ClaimRef" in await why_not(volumes, new_pod())
    del objects.volumes["disk"]
    assert 'persistentvolumes "disk" not found' in await why_not(volumes, new_pod())


async def test_a_volume_for_one_pod_is_not_given_to_a_second(
    volumes: VolumeManager, objects: Objects
) -> None:
    objects.volumes["disk"].spec.access_modes[:] = ["ReadWriteOncePod"]
    first, second = new_pod("first"), new_pod("second")
    await volumes.mount(first, ["data"], FACTS)

    assert await why_not(volumes, second) == (
        'MountVolume.SetUp failed for volume "disk" : '
        "volume uses the ReadWriteOncePod access mode and is already in use by another pod"
    )
    await volumes.mount(first, ["data"], FACTS)
    await volumes.unmount(Uid(first.metadata.uid))
    await volumes.mount(second, ["data"], FACTS)


async def test_an_ephemeral_volume_has_the_pods_own_claim(volumes: VolumeManager, objects: Objects) -> None:
    pod = make_pod()
    pod.spec.volumes.add(name="data").volume_source.ephemeral.volume_claim_template.SetInParent()
    claim = objects.claims["web-data"] = objects.claims.pop("data")
    claim.metadata.name = "web-data"
    assert await why_not(volumes, pod) == UNABLE + (
        "PVC default/web-data was not created for pod default/web (pod is not owner)"
    )

    claim.metadata.owner_references.add(uid=pod.metadata.uid, controller=True)
    await volumes.mount(pod, ["data"], FACTS)

    assert await volumes.mounted(pod) == {"data"}


@pytest.mark.parametrize("read_only", [False, True])
async def test_a_claim_may_be_read_only(volumes: VolumeManager, tmp_path: Path, read_only: bool) -> None:
    pod = new_pod()
    pod.spec.volumes[0].volume_source.persistent_volume_claim.read_only = read_only
    await volumes.mount(pod, ["data"], FACTS)

    mount, *_ = await PodDirectory(tmp_path, volumes).mounts(
        pod, pod.spec.containers[0], attempt=0, pod_ip="", env={}
    )

    assert (mount.host_path, mount.readonly) == (str(tmp_path / "disks/disk"), read_only)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("policy", ["", "Always", "OnRootMismatch"])
async def test_the_files_of_a_claim_belong_to_the_pods_group(
    volumes: VolumeManager, objects: Objects, tmp_path: Path, policy: str
) -> None:
    disk = tmp_path / "disks/disk"
    (disk / "deep").mkdir(parents=True)
    (disk / "deep/file").write_text("x")
    (disk / "deep/file").chmod(0o600)
    (disk / "out").symlink_to("/etc/hostname")
    before = os.stat("/etc/hostname")
    pod = new_pod()
    pod.spec.security_context.fs_group = 2000
    pod.spec.security_context.fs_group_change_policy = policy

    await volumes.mount(pod, ["data"], FACTS)

    assert (disk / "deep/file").stat().st_gid == 2000
    assert (disk / "deep/file").stat().st_mode & 0o7777 == 0o660
    assert disk.stat().st_mode & 0o2070 == 0o2070
    assert (disk / "deep").stat().st_mode & 0o2070 == 0o2070
    after = os.stat("/etc/hostname")
    assert (after.st_gid, after.st_mode) == (before.st_gid, before.st_mode), "links are not followed"

    (disk / "deep/file").chmod(0o600)
    await volumes.mount(pod, ["data"], FACTS)
    changed = (disk / "deep/file").stat().st_mode & 0o7777
    assert changed == (0o600 if policy == "OnRootMismatch" else 0o660)
