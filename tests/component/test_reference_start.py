"""The start of kube-apiserver, cut short.

A script that never comes to be ready stands for it, so that no binary of Kubernetes is needed.
"""

import asyncio
import tempfile
from pathlib import Path

import pytest

from bench.etcd import find_etcd
from bench.reference.cluster import KubeCluster
from bench.reference.programs import Program
from vaina.clock import SystemClock

pytestmark = [
    pytest.mark.component,
    pytest.mark.timeout(60),
    pytest.mark.skipif(find_etcd() is None, reason="no etcd: run `make test-component`, which fetches it"),
]
CLOCK = SystemClock()


async def test_who_gives_up_the_start_need_not_wait_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    path = tmp_path / "kube-apiserver"
    path.write_text("#!/bin/sh\nexec sleep 300\n")
    path.chmod(0o755)
    program = Program("kube-apiserver", path, "v1.37.2", "")
    async with asyncio.TaskGroup() as group:
        starting = group.create_task(KubeCluster(program, program, fsync=False).__aenter__())
        while not names(tmp_path, "vaina-reference-*/apiserver.log"):
            await CLOCK.sleep(0.02)
        starting.cancel()
    assert starting.cancelled()
    assert names(tmp_path, "*") == ["kube-apiserver"]


def names(folder: Path, pattern: str) -> list[str]:
    return [path.name for path in folder.glob(pattern)]
