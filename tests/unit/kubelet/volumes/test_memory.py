"""How large a volume in memory may become."""

import pytest

from kubelet.volumes.plugins.interface import memory_bytes
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
