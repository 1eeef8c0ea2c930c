"""The kinds of volumes, and docs/checklists/new-volume.md, followed."""
# A test may look at files in place:

import importlib
import inspect
import pkgutil
from pathlib import Path
from typing import Any

import pytest

import kubelet.volumes.plugins
from kubelet.containers.env import PodFacts
from kubelet.pod.directory import volume_mounts
from kubelet.runtime.records import Mount, Uid
from kubelet.volumes.interface import ApiObjects, PodVolume, Reference, VolumeFailed, VolumePlugin
from kubelet.volumes.manager import VolumeManager
from kubelet.volumes.plugins.table import _UNSUPPORTED, PLUGINS, plugin_of
from tests.support.apiserver import make_apiserver
from vaina.api.core.v1 import volume_pb2
from vaina.testing.builders import make_pod

FACTS = PodFacts("10.244.1.2", "192.0.2.1", "node-1")


def volume(kind: str, **fields: Any) -> volume_pb2.Volume:
    made = volume_pb2.Volume(name="data")
    source = getattr(made.volume_source, kind)
    source.SetInParent()
    for name, value in fields.items():
        setattr(source, name, value)
    return made


@pytest.mark.parametrize(
    ("looked_at", "expected"),
    [
        (volume("config_map"), True),
        (volume("secret"), True),
        (volume("projected"), True),
        (volume("downward_api"), True),
        (volume("empty_dir"), False),
        (volume("host_path", path="/x"), False),
        (volume("persistent_volume_claim", claim_name="a"), False),
        (volume("persistent_volume_claim", claim_name="a", read_only=True), True),
        (volume("ephemeral"), False),
    ],
)
def test_what_containers_may_only_read(looked_at: volume_pb2.Volume, expected: bool) -> None:
    assert plugin_of(looked_at).is_read_only(looked_at) is expected


def test_what_a_volume_is_made_of() -> None:
    volume = volume_pb2.Volume(name="all")
    sources = volume.volume_source.projected.sources
    sources.add().config_map.local_object_reference.name = "paint"
    sources.add().secret.local_object_reference.name = "keys"
    sources.add().downward_api.SetInParent()

    pod = make_pod(namespace="here")
    claimed, own = volume_pb2.Volume(name="disk"), volume_pb2.Volume(name="own")
    claimed.volume_source.persistent_volume_claim.claim_name = "data"
    own.volume_source.ephemeral.SetInParent()

    assert plugin_of(volume).references(pod, volume) == {
        Reference("ConfigMap", "here", "paint"), Reference("Secret", "here", "keys"),
    }  # fmt: skip
    assert plugin_of(claimed).references(pod, claimed) == {Reference("PersistentVolumeClaim", "here", "data")}
    assert plugin_of(own).references(pod, own) == {Reference("PersistentVolumeClaim", "here", "web-own")}
    scratch = volume_pb2.Volume(name="scratch")
    assert plugin_of(scratch).references(pod, scratch) == frozenset()


class GitRepo(VolumePlugin):
    """A new kind: it has a file of its own, and is made anew wherever it is not."""

    directory = "kubernetes.io~git-repo"

    def is_set_up(self, volume: volume_pb2.Volume, path: Path) -> bool:
        return (path / "HEAD").exists()

    def is_read_only(self, volume: volume_pb2.Volume) -> bool:
        return True

    async def set_up(self, wanted: PodVolume) -> None:
        wanted.path.mkdir(parents=True, exist_ok=True)
        (wanted.path / "HEAD").write_text(wanted.volume.volume_source.git_repo.revision)


async def test_a_new_kind_is_one_file_and_one_row(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pod = make_pod()
    pod.spec.volumes.add(name="code").volume_source.git_repo.revision = "main"
    pod.spec.containers[0].volume_mounts.add(name="code", mount_path="/code")
    uid, volumes = Uid(pod.metadata.uid), VolumeManager(tmp_path, ApiObjects(make_apiserver().client))
    with pytest.raises(VolumeFailed, match="volumes of kind gitRepo are not supported by this node"):
        await volumes.prepare(pod, ["code"], FACTS)
    assert await volumes.mounted(pod) == frozenset()

    monkeypatch.setitem(PLUGINS, "git_repo", GitRepo())
    await volumes.prepare(pod, ["code"], FACTS)
    await volumes.mount(pod, ["code"], FACTS)

    assert await volumes.mounted(pod) == {"code"}
    path = tmp_path / "pods" / uid / "volumes" / "kubernetes.io~git-repo" / "code"
    assert (path / "HEAD").read_text() == "main"
    mounts = volume_mounts(pod, pod.spec.containers[0], {}, volumes, tmp_path / "pods" / uid)
    assert mounts == [Mount(str(path), "/code", True, False, "None")]
    await volumes.unmount(uid)
    assert not path.exists()


def test_each_kind_has_its_row_and_each_row_is_a_source() -> None:
    kinds = set()
    for found in pkgutil.iter_modules(kubelet.volumes.plugins.__path__, "kubelet.volumes.plugins."):
        module = importlib.import_module(found.name)
        kinds |= {
            item
            for item in vars(module).values()
            if isinstance(item, type) and issubclass(item, VolumePlugin) and not inspect.isabstract(item)
        }
    assert {type(plugin) for plugin in PLUGINS.values()} == kinds - {type(_UNSUPPORTED)}
    assert set(PLUGINS) <= set(volume_pb2.VolumeSource.DESCRIPTOR.fields_by_name)
