"""`python -m bench.reference` with the real programs of Kubernetes.

Both sides of a load, and what is left of it.

They are given by path, as users give them: KUBE_APISERVER and KUBE_SCHEDULER in the environment.
"""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from bench.load.report import Report
from bench.reference.cluster import KubeCluster
from bench.reference.programs import find_program
from bench.reference.raw import Side, decode
from tests.support.apiserver_process import ROOT
from tests.support.cluster_plugin import setting
from tests.support.signals import heard
from vaina.api.core.v1.node_pb2 import Node
from vaina.api.meta.v1.meta_pb2 import ObjectMeta
from vaina.client.clientset import Clientset
from vaina.clock import SystemClock
from vaina.errors import Conflict, NotFound

NAMES = ("apiserver", "scheduler")
PROGRAMS = [setting("KUBE_APISERVER"), setting("KUBE_SCHEDULER")]
pytestmark = [
    pytest.mark.component,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        not all(PROGRAMS),
        reason="needs kube-apiserver and kube-scheduler by path (KUBE_APISERVER, KUBE_SCHEDULER): no package registry offers them",
    ),
]
CLOCK = SystemClock()
PATIENCE_SECONDS = 60.0


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where processes put what is temporary: nothing of it is left."""
    made = tmp_path / "temporary"
    made.mkdir()
    yield made
    assert list(made.iterdir()) == []


def command(folder: Path, output: Path, *arguments: str) -> list[str]:
    apiserver, scheduler = PROGRAMS
    return [
        "env", f"TMPDIR={folder}", sys.executable, "-m", "bench.reference", f"--kube-apiserver={apiserver}",
        f"--kube-scheduler={scheduler}", "--no-fsync", f"--output={output}", *arguments,
    ]  # fmt: skip


def assert_measured(side: Side, pods: list[int], bindings: list[int]) -> None:
    def one(report: Report) -> int:
        [found] = report.measurements
        assert found.bound == found.pods
        assert set(found.processes) == {"load", "etcd", "apiserver", "scheduler"}
        assert found.scheduled_events == found.pods
        return found.pods

    assert [one(report) for report in side.reports] == pods
    judged = [report.verification for report in side.reports]
    assert [(one.reason, one.bindings) for one in judged if one] == [("", n) for n in bindings]


def test_both_sides_of_a_load_are_measured_and_judged(tmp_path: Path, folder: Path) -> None:
    output = tmp_path / "raw.json"
    done = subprocess.run(
        command(folder, output, "SchedulingBasic/5Nodes_20Pods", "MixedApps/12Apps", "--repeat=2"),
        cwd=ROOT, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    basic, mixed = decode(output.read_bytes()).entries
    assert (basic.workload, mixed.workload) == ("SchedulingBasic/5Nodes_20Pods", "MixedApps/12Apps")
    for side in (basic.reference, basic.vaina):
        assert side is not None
        assert_measured(side, [20, 20], [25, 25])
    for side in (mixed.reference, mixed.vaina):
        assert side is not None
        assert_measured(side, [60, 60], [60, 60])
    assert (basic.fsync, basic.reference.tls, basic.vaina and basic.vaina.tls) == (False, True, False)
    there = basic.reference.programs
    assert there["kube-apiserver"].version.startswith("v1.")
    assert "--bind-address=127.0.0.1" in there["kube-scheduler"].flags
    assert str(folder) not in output.read_text()
    lines = [line.split(" | ")[0] for line in done.stdout.splitlines() if line.startswith("| ")]
    assert lines[2:] == ["| SchedulingBasic/5Nodes_20Pods", "| MixedApps/12Apps"]


def test_both_sides_show_certificates(tmp_path: Path, folder: Path) -> None:
    output = tmp_path / "raw.json"
    done = subprocess.run(
        command(folder, output, "SchedulingBasic/5Nodes_20Pods", "--tls=both"),
        cwd=ROOT, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    [basic] = decode(output.read_bytes()).entries
    for side in (basic.reference, basic.vaina):
        assert side is not None
        assert_measured(side, [20], [25])
        assert side.tls


@pytest.mark.parametrize("name", ["kube-apiserver", "kube-scheduler"])
def test_a_program_that_does_not_start_is_told_with_its_words(
    tmp_path: Path, folder: Path, name: str
) -> None:
    broken = tmp_path / "broken"
    broken.write_text(
        "#!/bin/sh\n"
        'case "$1" in --version) echo Kubernetes v1.37.2;;\n'
        '--help) printf -- "--etcd-servers x\\n--config x\\n--secure-port x\\n";;\n'
        '*) printf "no such \\033[2Jport\\n" >&2; exit 1;; esac\n'
    )
    broken.chmod(0o755)
    done = subprocess.run(
        command(folder, tmp_path / "raw.json", "SchedulingBasic/5Nodes", f"--{name}={broken}"),
        cwd=ROOT, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert f"error: {name} does not start:\nno such ^[[2Jport" in done.stderr
    assert not (tmp_path / "raw.json").exists()


async def test_who_deletes_one_object_leaves_the_one_that_came_after(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    programs = [find_program(f"kube-{name}", path) for name, path in zip(NAMES, PROGRAMS, strict=True)]
    async with (
        KubeCluster(*programs, fsync=False) as cluster,
        Clientset(cluster.transport(), timeout=PATIENCE_SECONDS) as client,
    ):
        node = await client.nodes.create(Node(metadata=ObjectMeta(name="a")))
        with pytest.raises(Conflict):
            await client.nodes.delete("a", uid="of-another")
        await client.nodes.delete("a", uid=node.metadata.uid, dry_run=True)
        assert (await client.nodes.get("a")).metadata.uid == node.metadata.uid
        await client.nodes.delete("a", uid=node.metadata.uid, grace_period_seconds=0)
        with pytest.raises(NotFound):
            await client.nodes.get("a")


async def test_what_is_ended_leaves_nothing(tmp_path: Path, folder: Path) -> None:
    with heard(signal.SIGTERM):
        process = await asyncio.create_subprocess_exec(
            *command(folder, tmp_path / "raw.json", "SchedulingBasic/5Nodes", "--repeat=20"),
            cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    try:
        await until_scheduled(folder)
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 128 + signal.SIGTERM
        assert using(folder) == []
    finally:
        for pid in using(folder):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


async def until_scheduled(folder: Path) -> None:
    """Return when kube-scheduler has been started."""
    end = CLOCK.monotonic() + PATIENCE_SECONDS
    while not [name for place, _, names in os.walk(folder) for name in names if name == "scheduler.log"]:
        assert CLOCK.monotonic() < end
        await CLOCK.sleep(0.02)


def using(folder: Path) -> list[int]:
    """Return the processes that were told of this folder in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        # One that has just ended, or is somebody else's, is none of ours.
        with suppress(OSError):
            if f"TMPDIR={folder}".encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append(int(process.name))
    return found
