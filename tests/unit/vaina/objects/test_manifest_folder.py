"""Manifests as people write them (tests/data/manifests): read, written, and read again as the same object."""

from pathlib import Path
from typing import Any

import pytest

from vaina.objects.manifest import (
    Decoded,
    decode_documents,
    decode_json,
    encode_json,
    encode_yaml,
    write_json,
)
from vaina.objects.normalise import normalise
from vaina.objects.strategic_merge import strategic_merge, three_way_patch

FOLDER = Path(__file__).resolve().parents[3] / "data" / "manifests"
EXAMPLES = Path(__file__).resolve().parents[4] / "examples"
FILES = [*sorted(FOLDER.iterdir()), *sorted(EXAMPLES.glob("*.yaml"))]


def read(name: str) -> list[Decoded]:
    return decode_documents((FOLDER / name).read_bytes())


def only(name: str) -> Any:
    (found,) = read(name)
    return found.message


def test_the_folder_is_there() -> None:
    assert len(FILES) >= 30


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_manifest_comes_back_the_same(file: Path) -> None:
    found = decode_documents(file.read_bytes())
    assert found
    for one in found:
        assert one.warnings == ()
        wanted = one.message.SerializeToString(deterministic=True)
        assert (
            decode_json(encode_json(one.kind, one.message)).message.SerializeToString(deterministic=True)
            == wanted
        )
        (from_yaml,) = decode_documents(encode_yaml(one.kind, one.message))
        assert from_yaml.message.SerializeToString(deterministic=True) == wanted
        assert decode_json(write_json(one.source)).message.SerializeToString(deterministic=True) == wanted
        normalise(one.message)
        assert one.message.SerializeToString(deterministic=True) == wanted


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_applying_a_manifest_to_nothing_gives_the_manifest(file: Path) -> None:
    for one in decode_documents(file.read_bytes()):
        source = dict(one.source)
        patched = strategic_merge(one.kind, {}, three_way_patch(None, source, {}, one.kind))
        assert decode_json(write_json(patched), kind=one.kind).message == one.message


def test_block_scalars() -> None:
    data = only("05-block-scalars.yaml").data
    assert data["start.sh"].splitlines()[-1] == 'echo "a: b"   # and its spaces'
    assert data["folded"] == "one line in the end\nand a second\n"
    assert data["stripped"] == "no newline after this"
    assert data["kept"] == "two newlines after this\n\n"
    assert data["tabs"] == "a\tb"
    assert data["true"] == "yes"


def test_anchors_and_merges() -> None:
    pod = only("06-anchors.yaml")
    assert dict(pod.metadata.annotations) == {"app": "anchors", "tier": "back"}
    assert dict(pod.spec.node_selector) == {"app": "anchors", "tier": "front"}
    assert [(c.name, c.image, c.env[0].value) for c in pod.spec.containers] == [
        ("one", "busybox", "1"), ("two", "busybox", "1"), ("three", "busybox", "1"),
    ]  # fmt: skip


def test_quantities() -> None:
    resources = only("07-quantities.yaml").spec.containers[0].resources
    assert {key: resources.requests[key].string for key in resources.requests} == {
        "cpu": "500m", "memory": "128974848", "ephemeral-storage": "1k", "hugepages-2Mi": "4Mi", "example.com/gpu": "2",
    }  # fmt: skip
    assert {key: resources.limits[key].string for key in resources.limits} == {
        "cpu": "1500m", "memory": "129M", "ephemeral-storage": "1e3", "hugepages-2Mi": "4194304", "example.com/gpu": "2",
    }  # fmt: skip


def test_octal_modes_are_numbers() -> None:
    volumes = only("08-octal-modes.yaml").spec.volumes
    assert volumes[0].volume_source.config_map.default_mode == 0o644
    assert volumes[0].volume_source.config_map.items[0].mode == 0o400
    assert volumes[1].volume_source.secret.default_mode == 0o400
    assert volumes[1].volume_source.secret.optional
    assert volumes[2].volume_source.projected.default_mode == 0o440


def test_json_with_escapes_and_numbers() -> None:
    pod = only("04-pod.json")
    assert pod.metadata.annotations["note"] == 'café 😀 "quoted"'
    assert pod.spec.containers[0].resources.requests["cpu"].string == "250m"
    assert pod.spec.HasField("termination_grace_period_seconds")


def test_documents_and_lists() -> None:
    assert [one.kind.kind for one in read("18-many-documents.yaml")] == [
        "Namespace",
        "ConfigMap",
        "ReplicaSet",
    ]
    assert [one.kind.kind for one in read("19-list.yaml")] == ["ConfigMap", "Pod"]


def test_secrets() -> None:
    mixed, binary = (one.message for one in read("16-secrets.yaml"))
    assert mixed.data["user"] == b"admin"  # type: ignore[attr-defined]
    assert mixed.data["long"].startswith(b"This is a long text")  # type: ignore[attr-defined]
    assert mixed.string_data["password"] == "p: a#ss & more"  # type: ignore[attr-defined]
    assert binary.data["bytes"] == b"\x00\x01\x02\xff"  # type: ignore[attr-defined]


def test_times() -> None:
    condition = only("20-node.yaml").status.conditions[0]
    assert condition.last_heartbeat_time == condition.last_transition_time
    assert read("21-event-and-lease.yaml")[1].message.spec.renew_time.nanos == 123_456_000  # type: ignore[attr-defined]


def test_windows_line_ends() -> None:
    assert list(only("22-windows.yaml").spec.containers[0].args) == ["-c", "a\r\nb"]


def test_odd_but_good_yaml() -> None:
    pod = only("25-odd-but-good.yaml")
    assert dict(pod.metadata.labels) == {"yes": "no", "on": "off", "false": "n"}
    assert pod.metadata.annotations["plain multi"] == "one two"
    assert pod.metadata.annotations["unicode"] == "éA"
    assert pod.spec.active_deadline_seconds == 1000
    assert pod.spec.containers[1].tty
    assert pod.spec.containers[1].stdin
