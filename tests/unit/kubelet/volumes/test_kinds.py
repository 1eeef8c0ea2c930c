"""What follows from a volume's kind."""

from typing import Any

import pytest

from kubelet.volumes.kinds import claim_name, is_read_only, memory_bytes
from vaina.api.core.v1 import volume_pb2
from vaina.testing.builders import make_pod

MI = 2**20


@pytest.mark.parametrize(
    ("limit", "containers", "node", "expected"),
    [
        ("", ["64Mi"], 1000 * MI, 64 * MI),
        ("16Mi", ["64Mi"], 1000 * MI, 16 * MI),
        ("128Mi", ["64Mi"], 1000 * MI, 64 * MI),
        ("128Mi", ["64Mi", "32Mi"], 1000 * MI, 96 * MI),
        ("", ["64Mi", ""], 1000 * MI, 1000 * MI),
        ("16Mi", [""], 1000 * MI, 16 * MI),
        ("0", [""], 1000 * MI, 1000 * MI),
        ("", [""], 0, 0),
    ],
)
def test_how_large_memory_may_become(limit: str, containers: list[str], node: int, expected: int) -> None:
    pod = make_pod()
    del pod.spec.containers[:]
    for number, memory in enumerate(containers):
        container = pod.spec.containers.add(name=f"c{number}")
        if memory:
            container.resources.limits["memory"].string = memory

    assert memory_bytes(pod, limit, {"memory": node} if node else {}) == expected


def test_memory_is_bounded_by_what_the_pod_as_a_whole_may_use() -> None:
    pod = make_pod()
    pod.spec.resources.limits["memory"].string = "32Mi"

    assert memory_bytes(pod, "", {"memory": 1000 * MI}) == 32 * MI


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
    assert is_read_only(looked_at) is expected


def test_an_ephemeral_volume_has_a_claim_named_after_pod_and_volume() -> None:
    assert claim_name(make_pod("web"), volume("ephemeral")) == "web-data"
    assert claim_name(make_pod("web"), volume("persistent_volume_claim", claim_name="mine")) == "mine"
