"""Volumes on a file system."""
# A test may look at files in place:
# ruff: noqa: ASYNC240

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kubelet.containers.env import ConfigProblem, PodFacts
from kubelet.pod.directory import MAX_ENV_FILE, PodDirectory
from kubelet.runtime.records import ContainerPhase, ContainerState, Mount, Uid
from kubelet.volumes import mounting
from kubelet.volumes.interface import ApiObjects, VolumeFailed
from kubelet.volumes.manager import VolumeManager
from tests.unit.kubelet.volumes.mounts import needs_mounts
from vaina.api.core.v1 import config_pb2, node_pb2, persistent_volume_pb2, pod_pb2, volume_pb2
from vaina.objects.local_path import MADE_ANNOTATION
from vaina.testing.builders import make_config_map, make_node, make_pod

FACTS = PodFacts("10.244.1.2", "192.0.2.1", "node-1")
UID = Uid("uid-default-web")


@dataclass
class Objects(ApiObjects):
    """A few objects."""

    config_maps: dict[str, config_pb2.ConfigMap] = field(default_factory=dict)
    secrets: dict[str, config_pb2.Secret] = field(default_factory=dict)
    claims: dict[str, persistent_volume_pb2.PersistentVolumeClaim] = field(default_factory=dict)
    volumes: dict[str, persistent_volume_pb2.PersistentVolume] = field(default_factory=dict)
    #: uids of Pods of which nothing is kept any more
    forgotten: list[Uid] = field(default_factory=list)

    async def token(self, pod: pod_pb2.Pod, wanted: volume_pb2.ServiceAccountTokenProjection) -> bytes:
        return f"{pod.spec.service_account_name} for {wanted.audience}".encode()

    def forget(self, uid: Uid) -> None:
        self.forgotten.append(uid)

    async def config_map(self, namespace: str, name: str) -> config_pb2.ConfigMap | None:
        return self.config_maps.get(name)

    async def secret(self, namespace: str, name: str) -> config_pb2.Secret | None:
        return self.secrets.get(name)

    async def claim(self, namespace: str, name: str) -> persistent_volume_pb2.PersistentVolumeClaim | None:
        return self.claims.get(name)

    async def volume(self, name: str) -> persistent_volume_pb2.PersistentVolume | None:
        return self.volumes.get(name)

    async def node(self, name: str) -> node_pb2.Node | None:
        return make_node(name, labels={"kubernetes.io/hostname": name})

    async def mark_made(self, volume: persistent_volume_pb2.PersistentVolume) -> None:
        made = persistent_volume_pb2.PersistentVolume()
        made.CopyFrom(volume)
        made.metadata.annotations[MADE_ANNOTATION] = "true"
        self.volumes[volume.metadata.name] = made


def with_volume(name: str) -> pod_pb2.Pod:
    pod = make_pod()
    pod.spec.volumes.add(name=name)
    return pod


def config_pod() -> pod_pb2.Pod:
    pod = with_volume("config")
    source = pod.spec.volumes[0].volume_source.config_map
    source.local_object_reference.name = "paint"
    return pod


@pytest.fixture
def objects() -> Objects:
    return Objects({"paint": make_config_map("paint", data={"colour": "red"})})


@pytest.fixture
def volumes(tmp_path: Path, objects: Objects) -> Iterator[VolumeManager]:
    yield VolumeManager(tmp_path, objects)
    for path in mounting.mounts_below(tmp_path):
        mounting.unmount(path)


def of_secrets(kind: str) -> pod_pb2.Pod:
    """Make a Pod with a volume that shows what is nobody else's business."""
    pod = with_volume("keys")
    source = pod.spec.volumes[0].volume_source
    match kind:
        case "secret":
            source.secret.secret_name, source.secret.default_mode = "keys", 0o440
        case "projected":
            source.projected.default_mode = 0o440
            source.projected.sources.add().secret.local_object_reference.name = "keys"
        case _:
            source.downward_api.default_mode = 0o440
            source.downward_api.items.add(path="user").field_ref.field_path = "metadata.name"
    return pod


@needs_mounts
@pytest.mark.parametrize("kind", ["secret", "projected", "downward_api"])
async def test_what_is_nobody_elses_business_lies_in_memory_and_leaves_no_mount(
    objects: Objects, volumes: VolumeManager, tmp_path: Path, kind: str
) -> None:
    objects.secrets["keys"] = config_pb2.Secret(data={"user": b"web"})
    pod = of_secrets(kind)
    pod.spec.security_context.fs_group = 1234
    facts = PodFacts("10.244.1.2", "192.0.2.1", "node-1", {"memory": 1024**2})
    await volumes.mount(pod, ["keys"], facts)

    path = Path(volumes.host_path(UID, pod.spec.volumes[0]))
    assert mounting.mounts_below(tmp_path) == [str(path)]
    assert os.statvfs(path).f_blocks * os.statvfs(path).f_frsize == 1024**2
    assert path.stat().st_mode & 0o7777 == 0o1777
    file = path / "user"
    assert (file.read_text(), file.stat().st_mode & 0o777, file.stat().st_gid) == ("web", 0o440, 1234)
    on_the_way = [one for one in path.parents if one.is_relative_to(tmp_path / "pods")]
    assert [one.stat().st_mode & 0o777 for one in on_the_way] == [0o750] * 4

    # A kubelet that was started again finds it, and does not lay a second one over it.
    again = VolumeManager(tmp_path, objects)
    assert await again.mounted(pod) == {"keys"}
    objects.secrets["keys"] = config_pb2.Secret(data={"user": b"web!"})
    await again.mount(pod, ["keys"], facts)
    assert mounting.mounts_below(tmp_path) == [str(path)]
    assert file.read_text().startswith("web")
    await again.unmount(UID)
    assert mounting.mounts_below(tmp_path) == []
    assert await again.mounted(pod) == frozenset()
    assert not path.exists()


@needs_mounts
@pytest.mark.parametrize(
    ("user", "group", "want"),
    [(None, None, (0o644, 0, 0)), (1000, None, (0o600, 1000, 0)), (1000, 7, (0o640, 1000, 7))],
)
async def test_a_token_belongs_to_the_user_of_the_pod_and_goes_with_it(
    objects: Objects, volumes: VolumeManager, user: int | None, group: int | None, want: tuple[int, int, int]
) -> None:
    pod = with_volume("access")
    token = pod.spec.volumes[0].volume_source.projected.sources.add().service_account_token
    token.path, token.audience, pod.spec.service_account_name = "token", "vault", "robot"
    if user is not None:
        pod.spec.security_context.run_as_user = user
    if group is not None:
        pod.spec.security_context.fs_group = group
    await volumes.mount(pod, ["access"], FACTS)
    file = Path(volumes.host_path(UID, pod.spec.volumes[0])) / "token"
    stat = file.stat()
    assert (stat.st_mode & 0o777, stat.st_uid, stat.st_gid) == want
    assert file.read_text() == "robot for vault"
    await volumes.unmount(UID)
    assert objects.forgotten == [UID]


async def test_the_first_volume_of_a_node_makes_its_root(tmp_path: Path, objects: Objects) -> None:
    volumes = VolumeManager(tmp_path / "not" / "there", objects)

    await volumes.mount(config_pod(), ["config"], FACTS)

    assert await volumes.mounted(config_pod()) == {"config"}


@needs_mounts
async def test_what_lost_its_memory_with_the_machine_is_written_anew(
    objects: Objects, volumes: VolumeManager
) -> None:
    objects.secrets["keys"] = config_pb2.Secret(data={"user": b"web"})
    pod = of_secrets("secret")
    await volumes.mount(pod, ["keys"], FACTS)
    path = volumes.host_path(UID, pod.spec.volumes[0])
    mounting.unmount(path)
    assert await volumes.mounted(pod) == frozenset()

    await volumes.mount(pod, ["keys"], FACTS)

    assert Path(path, "user").read_text() == "web"


async def test_an_empty_dir_is_there_until_it_is_unmounted(volumes: VolumeManager) -> None:
    pod = with_volume("data")
    pod.spec.volumes[0].volume_source.empty_dir.SetInParent()
    path = Path(volumes.host_path(UID, pod.spec.volumes[0]))
    assert await volumes.mounted(pod) == frozenset()

    await volumes.mount(pod, ["data"], FACTS)
    (path / "file").write_text("x")
    await volumes.mount(pod, ["data"], FACTS)

    assert await volumes.mounted(pod) == {"data"}
    assert path.stat().st_mode & 0o777 == 0o777
    assert (path / "file").read_text() == "x"
    await volumes.unmount(UID)
    assert await volumes.mounted(pod) == frozenset()
    assert not path.exists()


async def test_a_config_map_shows_as_files(volumes: VolumeManager) -> None:
    pod = config_pod()

    await volumes.mount(pod, ["config"], FACTS)

    path = Path(volumes.host_path(UID, pod.spec.volumes[0]))
    assert path.parts[-2:] == ("kubernetes.io~configmap", "config")
    assert (path / "colour").read_text() == "red"
    assert (path / "colour").stat().st_mode & 0o777 == 0o644
    assert os.readlink(path / "colour") == "..data/colour"
    assert await volumes.mounted(pod) == {"config"}


async def test_a_change_of_the_config_map_replaces_all_files_at_once(
    volumes: VolumeManager, objects: Objects
) -> None:
    pod = config_pod()
    await volumes.mount(pod, ["config"], FACTS)
    path = Path(volumes.host_path(UID, pod.spec.volumes[0]))
    before = os.readlink(path / "..data")
    await volumes.mount(pod, ["config"], FACTS)
    assert os.readlink(path / "..data") == before

    objects.config_maps["paint"] = make_config_map("paint", data={"gloss": "no"})
    await volumes.mount(pod, ["config"], FACTS)

    assert os.readlink(path / "..data") != before
    assert sorted(entry.name for entry in path.iterdir() if not entry.name.startswith("..")) == ["gloss"]
    assert (path / "gloss").read_text() == "no"
    assert not (path / before).exists()


async def test_a_config_map_that_is_missing_is_told_as_upstream_does(
    volumes: VolumeManager, objects: Objects
) -> None:
    objects.config_maps.clear()

    with pytest.raises(VolumeFailed) as refused:
        await volumes.mount(config_pod(), ["config"], FACTS)

    assert str(refused.value) == 'MountVolume.SetUp failed for volume "config" : configmap "paint" not found'
    assert await volumes.mounted(config_pod()) == frozenset()


async def test_projected_sources_come_together(volumes: VolumeManager, objects: Objects) -> None:
    objects.secrets["keys"] = config_pb2.Secret(data={"user": b"me"})
    pod = with_volume("all")
    projected = pod.spec.volumes[0].volume_source.projected
    projected.sources.add().config_map.local_object_reference.name = "paint"
    projected.sources.add().secret.local_object_reference.name = "keys"
    item = projected.sources.add().downward_api.items.add(path="about/name")
    item.field_ref.field_path = "metadata.name"

    await volumes.mount(pod, ["all"], FACTS)

    path = Path(volumes.host_path(UID, pod.spec.volumes[0]))
    read = {name: (path / name).read_text() for name in ("colour", "user", "about/name")}
    assert read == {"colour": "red", "user": "me", "about/name": "web"}


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("Directory", "host doesn't exist"),
        ("DirectoryOrCreate", None),
        ("FileOrCreate", None),
        ("", None),
    ],
)
async def test_a_host_path_is_what_it_is_said_to_be(
    volumes: VolumeManager, tmp_path: Path, kind: str, words: str | None
) -> None:
    path = tmp_path / "host"
    pod = with_volume("host")
    source = pod.spec.volumes[0].volume_source.host_path
    source.path, source.type = str(path), kind
    if words is None:
        await volumes.mount(pod, ["host"], FACTS)
        assert path.is_file() if kind == "FileOrCreate" else path.is_dir()
        await volumes.unmount(UID)
        assert path.exists(), "what is the node's stays"
        return

    with pytest.raises(VolumeFailed) as refused:
        await volumes.mount(pod, ["host"], FACTS)

    assert words in str(refused.value)


async def test_a_path_that_no_system_call_takes_is_told_and_not_met_over_and_over(
    volumes: VolumeManager, tmp_path: Path
) -> None:
    host, config = with_volume("host"), config_pod()
    host.spec.volumes[0].volume_source.host_path.path = "/a\0b"
    config.spec.volumes[0].volume_source.config_map.items.add(key="colour", path="a\0b")
    for pod, name in ((host, "host"), (config, "config")):
        with pytest.raises(VolumeFailed, match=f'MountVolume.SetUp failed for volume "{name}"'):
            await volumes.mount(pod, [name], FACTS)

    parts = with_volume("scratch")
    parts.spec.containers[0].volume_mounts.add(name="scratch", mount_path="/x", sub_path="a\0b")
    await volumes.mount(parts, ["scratch"], FACTS)
    with pytest.raises(ConfigProblem, match="failed to create subPath directory"):
        await mounts_of(PodDirectory(tmp_path, volumes), parts)


async def mounts_of(directory: PodDirectory, pod: pod_pb2.Pod) -> tuple[Mount, ...]:
    return await directory.mounts(
        pod, pod.spec.containers[0], attempt=1, pod_ip="10.244.1.2", env={"PART": "a"}
    )


async def test_a_container_gets_its_volumes_its_hosts_file_and_a_place_for_its_last_words(
    volumes: VolumeManager, tmp_path: Path
) -> None:
    directory = PodDirectory(tmp_path, volumes)
    pod = config_pod()
    pod.spec.containers[0].volume_mounts.add(name="config", mount_path="/etc/paint", read_only=True)
    pod.spec.host_aliases.add(ip="192.0.2.7", hostnames=["seven"])

    volume, log, hosts = await mounts_of(directory, pod)

    path = volumes.host_path(UID, pod.spec.volumes[0])
    assert volume == Mount(path, "/etc/paint", readonly=True)
    assert log.container_path == "/dev/termination-log"
    assert hosts.container_path == "/etc/hosts"
    text = Path(hosts.host_path).read_text()
    assert "10.244.1.2\tweb\n" in text
    assert "192.0.2.7\tseven\n" in text
    Path(log.host_path).write_text("the end")
    state = ContainerState("c", "s", UID, "app", 1, ContainerPhase.EXITED, "", "", 0.0)
    assert await directory.last_words(state) == "the end"
    Path(log.host_path).write_text("a" * 5000 + "the end")
    assert await directory.last_words(state) == "a" * 4089 + "the end"
    await directory.remove(UID)
    assert await directory.last_words(state) == ""


@needs_mounts
async def test_a_part_of_a_volume_is_made_when_it_is_not_there(
    volumes: VolumeManager, tmp_path: Path
) -> None:
    pod = with_volume("data")
    await volumes.mount(pod, ["data"], FACTS)
    pod.spec.containers[0].volume_mounts.add(name="data", mount_path="/data", sub_path_expr="logs/$(PART)")

    mount, *_ = await mounts_of(PodDirectory(tmp_path, volumes), pod)

    Path(mount.host_path, "line").write_text("x")
    assert (Path(volumes.host_path(UID, pod.spec.volumes[0])) / "logs/a/line").read_text() == "x"
    await volumes.unmount(UID)
    assert not mounting.mounts_below(tmp_path)


async def test_a_link_does_not_lead_out_of_a_volume(volumes: VolumeManager, tmp_path: Path) -> None:
    pod = with_volume("data")
    await volumes.mount(pod, ["data"], FACTS)
    (Path(volumes.host_path(UID, pod.spec.volumes[0])) / "out").symlink_to("/etc")
    pod.spec.containers[0].volume_mounts.add(name="data", mount_path="/data", sub_path="out")

    with pytest.raises(ConfigProblem):
        await mounts_of(PodDirectory(tmp_path, volumes), pod)


async def test_a_file_of_variables_is_read_out_of_its_volume_and_nothing_else(
    volumes: VolumeManager, tmp_path: Path
) -> None:
    pod, directory = with_volume("data"), PodDirectory(tmp_path, volumes)
    await volumes.mount(pod, ["data"], FACTS)
    root = Path(volumes.host_path(UID, pod.spec.volumes[0]))
    (root / "config").mkdir()
    (root / "config" / "app.env").write_text("A='x'\n")
    (root / "here").symlink_to("config/app.env")
    for path in ("config/app.env", "here"):
        assert await directory.env_file(pod, "data", path) == "A='x'\n"
    assert await directory.env_file(pod, "data", "config/none.env") is None

    (root / "out").symlink_to("/etc/hostname")
    os.mkfifo(root / "pipe")
    (root / "large").write_bytes(b"x" * (MAX_ENV_FILE + 1))
    for path in ("out", "pipe", "large", "config", "a\0b"):
        with pytest.raises(ConfigProblem, match="couldn't parse env file"):
            await directory.env_file(pod, "data", path)
    with pytest.raises(ConfigProblem, match='cannot find the volume "other" referenced by FileKeyRef'):
        await directory.env_file(pod, "other", "app.env")
