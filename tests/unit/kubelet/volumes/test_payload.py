"""Files of volumes that are made of objects."""

from collections.abc import Callable

import pytest

from kubelet.containers.env import PodFacts
from kubelet.volumes.payload import File, Files, PayloadError, downward_files, object_files
from vaina.api.core.v1 import config_pb2, volume_pb2
from vaina.testing.builders import make_config_map, make_pod

MODE = 0o644
PAINT = make_config_map("paint", data={"colour": "red"})
PAINT.binary_data["logo"] = b"\x00\x01"
KEYS = config_pb2.Secret(data={"user": b"me", "word": b"secret"})


def items(*pairs: tuple[str, str, int | None]) -> list[volume_pb2.KeyToPath]:
    return [volume_pb2.KeyToPath(key=key, path=path, mode=mode) for key, path, mode in pairs]


def test_without_items_every_key_is_a_file() -> None:
    assert object_files("configmap", "paint", PAINT, [], optional=False, mode=MODE) == {
        "colour": File(b"red", MODE), "logo": File(b"\x00\x01", MODE),
    }  # fmt: skip
    assert object_files("secret", "keys", KEYS, [], optional=False, mode=0o400) == {
        "user": File(b"me", 0o400), "word": File(b"secret", 0o400),
    }  # fmt: skip


def test_items_choose_keys_paths_and_modes() -> None:
    wanted = items(("colour", "deep/er/c", None), ("logo", "l", 0o600))

    assert object_files("configmap", "paint", PAINT, wanted, optional=False, mode=MODE) == {
        "deep/er/c": File(b"red", MODE), "l": File(b"\x00\x01", 0o600),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda optional: object_files("configmap", "paint", None, [], optional=optional, mode=MODE),
            'configmap "paint" not found',
        ),
        (
            lambda optional: object_files("secret", "keys", None, [], optional=optional, mode=MODE),
            'secret "keys" not found',
        ),
        (
            lambda optional: object_files(
                "configmap", "paint", PAINT, items(("none", "n", None)), optional=optional, mode=MODE
            ),
            "configmap references non-existent config key: none",
        ),
        (
            lambda optional: object_files(
                "secret", "keys", KEYS, items(("none", "n", None)), optional=optional, mode=MODE
            ),
            "references non-existent secret key: none",
        ),
    ],
)
def test_what_is_missing_is_told_unless_it_may_be(make: Callable[[bool], Files], message: str) -> None:
    assert make(True) == {}
    with pytest.raises(PayloadError) as refused:
        make(False)

    assert str(refused.value) == message


def test_a_pod_can_read_about_itself() -> None:
    pod = make_pod(labels={"b": "2", "a": 'say "hi"'})
    pod.spec.containers[0].resources.limits["memory"].string = "64Mi"
    about = volume_pb2.DownwardAPIVolumeSource()
    about.items.add(path="name").field_ref.field_path = "metadata.name"
    about.items.add(path="labels").field_ref.field_path = "metadata.labels"
    limit = about.items.add(path="memory", mode=0o400).resource_field_ref
    limit.container_name, limit.resource, limit.divisor.string = "app", "limits.memory", "1Mi"

    assert downward_files(pod, about.items, PodFacts(), mode=MODE) == {
        "name": File(b"web", MODE), "labels": File(b'a="say \\"hi\\""\nb="2"', MODE), "memory": File(b"64", 0o400),
    }  # fmt: skip


def test_a_file_says_the_pods_limit_where_its_container_has_none() -> None:
    pod = make_pod()
    pod.spec.resources.limits["memory"].string = "128Mi"
    about = volume_pb2.DownwardAPIVolumeSource()
    limit = about.items.add(path="memory").resource_field_ref
    limit.container_name, limit.resource, limit.divisor.string = "app", "limits.memory", "1Mi"
    facts = PodFacts(allocatable={"memory": 8 * 1024**3})

    assert downward_files(pod, about.items, facts, mode=MODE)["memory"].data == b"128"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("", 'invalid path: must not be empty: ""'),
        ("/etc/passwd", "invalid path: must be relative path: /etc/passwd"),
        ("../key", "invalid path: must not contain '..': ../key"),
        ("a/../../key", "invalid path: must not contain '..': a/../../key"),
        ("..data", "invalid path: must not start with '..': ..data"),
        ("a" * 256, "invalid path: filenames must be less than or equal to 255 characters"),
        ("ä" * 128, "invalid path: filenames must be less than or equal to 255 characters"),
        ("ä/" * 1366, "invalid path: must be less than or equal to 4096 characters"),
    ],
)
def test_no_file_leaves_its_volume_though_validation_let_it_pass(path: str, words: str) -> None:
    with pytest.raises(PayloadError) as refused:
        object_files("configmap", "paint", PAINT, items(("colour", path, None)), optional=False, mode=MODE)

    assert str(refused.value) == words
