"""What a container or a caller may do to a node: a flood of log, a full disk, commands that are cut off.

The node stays Ready, and so do the others on it.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.cluster import wait_until
from tests.support.manifests import container, on_node, pod
from tests.support.workspace import Workspace, condition, phase, status_of
from vaina.kinds import NODE

pytestmark = pytest.mark.both_runtimes

MB = 1000**2
#: of one file of a container's log (docs/node.md)
LOG_FILE = 10 * 1024**2


def node_is_well(space: Workspace, name: str) -> bool:
    node = space.api.find(NODE, name)
    assert node is not None
    return {one.type: one.status for one in node.status.conditions} == {
        "MemoryPressure": "False", "DiskPressure": "False", "PIDPressure": "False", "Ready": "True",
    }  # fmt: skip


def kubelet_memory(space: Workspace, node: str) -> int:
    """Return the bytes of memory that a node's kubelet has."""
    status = space.cluster.execute(node, "sh", "-c", "grep VmRSS /proc/$(cat /run/vaina/kubelet.pid)/status")
    return int(status.split()[1]) * 1024


def newest_log(space: Workspace, node: str, uid: str, container_id: str) -> int:
    """Return the size of the file that a container's log is being written to."""
    path = f"/var/lib/docker/containers/{container_id}/{container_id}-json.log"
    if space.runtime == "containerd":
        path = f"/var/lib/vaina/kubelet/logs/*_{uid}/main/0.log"
    # While it is rotated there is none for a moment.
    return int(space.cluster.execute(node, "sh", "-c", f"stat -c %s {path} || echo {2 * LOG_FILE}"))


@pytest.mark.own_node
@pytest.mark.requirement("B16", "B4")
def test_a_hundred_megabytes_of_log_at_once_are_kept_small_and_read_from_their_end(space: Workspace) -> None:
    node = space.node(0)
    flood = f"yes {'x' * 999} | head -c 100000000; while :; do echo afterwards; sleep 1; done"
    before = kubelet_memory(space, node)
    space.apply(pod("flood", container(script=flood), **on_node(node)))
    made = space.running("flood")
    wait_until(lambda: space.logs("flood", tail_lines=1) == "afterwards\n", 60, "all of it is written")
    container_id = status_of(made).container_id.partition("://")[2]
    wait_until(
        lambda: newest_log(space, node, made.metadata.uid, container_id) <= LOG_FILE, 30, "the log is rotated"
    )
    # Whatever part of it is asked for: it goes through the node and is not gathered there.
    assert len(space.logs("flood", limit_bytes=5 * MB)) <= 5 * MB
    # After a rotation the newest file is read from on CRI, as on Kubernetes: it may have no line yet.
    wait_until(lambda: space.logs("flood", tail_lines=1) == "afterwards\n", 20, "its end is shown")
    assert kubelet_memory(space, node) - before < 50 * MB
    assert node_is_well(space, node)


@contextmanager
def small_disk(space: Workspace, node: str) -> Iterator[str]:
    """Have a disk of 4 MB on a node; yields where."""
    path = f"/mnt/{space.namespace}"
    space.cluster.execute(node, "sh", "-c", f"mkdir -p {path} && mount -t tmpfs -o size=4m tmpfs {path}")
    try:
        yield path
    finally:
        space.cluster.execute(node, "sh", "-c", f"umount -l {path} && rmdir {path}")


@pytest.mark.beside_others
@pytest.mark.requirement("B5")
def test_a_full_disk_is_an_error_of_who_writes_to_it(space: Workspace) -> None:
    node = space.node(0)
    fill = "dd if=/dev/zero of=/disk/big bs=64k 2>&1 | tee /dev/termination-log | grep -q 'No space left' && exit 28"
    mounted = {"volumeMounts": [{"name": "disk", "mountPath": "/disk"}]}
    with small_disk(space, node) as path:
        disks = {
            "of-the-node": {"hostPath": {"path": path, "type": "Directory"}},
            "of-memory": {"emptyDir": {"medium": "Memory", "sizeLimit": "4Mi"}},
        }
        for name, disk in disks.items():
            volumes = [{"name": "disk", **disk}]
            fills = pod(name, container(script=fill, **mounted), volumes=volumes, restartPolicy="Never")
            space.apply({**fills, "spec": {**fills["spec"], **on_node(node)}})
        for name in disks:
            ended = status_of(space.wait(name, phase("Failed"), "has failed")).state.terminated
            assert (ended.exit_code, "No space left on device" in ended.message) == (28, True)
        # It is full still: whoever reads what is there is none the worse, and neither is the node.
        volumes = [{"name": "disk", **disks["of-the-node"]}]
        space.start(pod("reader", container(**mounted), volumes=volumes, **on_node(node)))
        assert int(space.shell("reader", "stat -c %s /disk/big")) > 3 * MB
        assert space.exec("reader", "sh", "-c", "echo x >/disk/more").code != 0
        assert node_is_well(space, node)
        for name in (*disks, "reader"):
            space.delete(name, grace=0)
            space.gone(name)


@pytest.mark.both_runtimes
@pytest.mark.beside_others
@pytest.mark.requirement("B16")
def test_a_command_that_is_cut_off_leaves_no_process(space: Workspace) -> None:
    space.start(pod("host", container()))
    commands = (["sleep", "4711"], ["yes"], ["-i", "sh", "-c", "sleep 4712 & wait"])

    def processes() -> str:
        return space.shell("host", "ps -o args")

    running = []
    try:
        for words in commands:
            options = [word for word in words[:1] if word == "-i"]
            command = ["exec", "-n", space.namespace, *options, "host", "--", *words[len(options) :]]
            running.append(
                subprocess.Popen(
                    [sys.executable, "-m", "cli", *command], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                    env={**space.cluster.command_env, "PATH": os.defpath},
                )
            )  # fmt: skip
        wait_until(
            lambda: all(f"{words}\n" in f"{processes()}\n" for words in ("sleep 4711", "yes", "sleep 4712")),
            40,
            "the commands run",
        )
    finally:
        for process in running:
            process.kill()
            process.communicate()
    wait_until(
        lambda: not {"sleep 4711", "yes", "sleep 4712"} & set(processes().splitlines()), 20, "they have ended"
    )
    assert status_of(space.pod("host")).restart_count == 0
    assert condition(space.pod("host"), "Ready") == "True"
