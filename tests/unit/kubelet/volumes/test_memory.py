"""How large a volume in memory may become."""

import errno
import os
from pathlib import Path

import pytest

from kubelet.volumes import mounting
from kubelet.volumes.interface import memory_bytes
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


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")
@pytest.mark.parametrize("has_noswap", [True, False])
def test_what_is_in_memory_is_never_swapped_where_the_kernel_can_promise_that(
    tmp_path: Path, has_noswap: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    mount = mounting._mount

    def old_kernel(source: str, target: str, kind: str | None, flags: int, options: str | None) -> None:
        if options is not None and "noswap" in options:
            raise OSError(errno.EINVAL, "mount: Invalid argument", target)
        mount(source, target, kind, flags, options)

    if not has_noswap:
        monkeypatch.setattr(mounting, "_mount", old_kernel)
    mounting.tmpfs(tmp_path, size_bytes=65536, mode=0o1777)
    try:
        [line] = [line for line in Path("/proc/mounts").read_text().splitlines() if f" {tmp_path} " in line]
        assert "size=64k" in line
        assert has_noswap or "noswap" not in line
    finally:
        mounting.unmount(tmp_path)
