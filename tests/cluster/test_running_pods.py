"""What is done to a Pod while it runs: a debug container, other CPU and memory.

And the order in which its containers end.
"""

import json
from functools import partial

import pytest

from tests.cluster.test_node_resources import cgroup_file
from tests.support.cluster import wait_until
from tests.support.manifests import IMAGE, container, pod
from tests.support.workspace import Workspace, condition, status_of
from vaina.api.core.v1 import pod_pb2
from vaina.clock import seconds_of
from vaina.kinds import POD
from vaina.objects.conditions import get_condition

pytestmark = [pytest.mark.both_runtimes, pytest.mark.beside_others]

#: the quota, or "max", of whoever asks, in either version of cgroups
QUOTA = "cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null || cut -d' ' -f1 /sys/fs/cgroup/cpu.max"
MEMORY = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max"


def patch(space: Workspace, name: str, subresource: str, spec: dict[str, object]) -> None:
    """Change a part of a Pod."""
    pods = space.api.clients.pods
    text = json.dumps({"spec": spec})
    space.api.call(pods.patch(name, text, namespace=space.namespace, subresource=subresource))


@pytest.mark.requirement("B12")
def test_a_debug_container_sees_the_processes_of_its_target(space: Workspace) -> None:
    [before] = space.start(pod("patient", container("main", "exec sleep 4242"), container("other")))
    shell = {"name": "shell", "image": IMAGE, "command": ["sleep", "3600"], "targetContainerName": "main"}
    patch(space, "patient", "ephemeralcontainers", {"ephemeralContainers": [shell]})
    now = space.wait(
        "patient",
        lambda p: any(one.state.HasField("running") for one in p.status.ephemeral_container_statuses),
        "has a debug container that runs",
    )
    seen = space.shell("patient", "ps -o args", "shell")
    assert "sleep 4242" in seen
    assert seen.count("sleep 3600") == 1
    # It shares the Pod's network, and changes nothing about the Pod.
    assert now.status.pod_ip in space.shell("patient", "ip -4 addr show eth0", "shell")
    assert (now.status.phase, condition(now, "Ready")) == ("Running", "True")
    assert [one.restart_count for one in now.status.container_statuses] == [0, 0]
    assert now.metadata.uid == before.metadata.uid


@pytest.mark.requirement("B4")
def test_a_resize_changes_the_cgroup_and_starts_nothing_again(space: Workspace) -> None:
    small = {"requests": {"cpu": "50m", "memory": "16Mi"}, "limits": {"cpu": "100m", "memory": "32Mi"}}
    [before] = space.start(pod("growing", container(resources=small)))
    assert [space.shell("growing", what) for what in (QUOTA, MEMORY)] == ["10000", str(32 << 20)]
    large = {"requests": {"cpu": "100m", "memory": "16Mi"}, "limits": {"cpu": "200m", "memory": "64Mi"}}
    patch(space, "growing", "resize", {"containers": [{"name": "main", "resources": large}]})
    after = space.wait(
        "growing",
        lambda p: (
            status_of(p).resources.limits["cpu"].string == "200m" and not condition(p, "PodResizeInProgress")
        ),
        "is resized",
    )
    assert [space.shell("growing", what) for what in (QUOTA, MEMORY)] == ["20000", str(64 << 20)]
    assert status_of(after).restart_count == 0
    assert status_of(after).container_id == status_of(before).container_id
    assert status_of(after).allocated_resources["cpu"].string == "100m"


def limited(memory: int) -> dict[str, dict[str, str]]:
    return {"requests": {"memory": "4Mi"}, "limits": {"memory": f"{memory}Mi"}}


@pytest.mark.requirement("B4")
def test_a_resize_below_what_is_used_is_refused_and_kills_nobody(space: Workspace) -> None:
    """Version 2's kernel would take such a limit, of the container or of the Pod, and kill for it at once."""
    eater = container(
        script="head -c 45000000 /dev/zero >/eaten/it; touch /tmp/full; sleep 3600",
        resources=limited(64),
        volumeMounts=[{"name": "eaten", "mountPath": "/eaten"}],
        readinessProbe={"exec": {"command": ["ls", "/tmp/full"]}, "periodSeconds": 1},
    )
    eaten = {"name": "eaten", "emptyDir": {"medium": "Memory"}}
    [before] = space.start(pod("full", eater, container("idle", resources=limited(64)), volumes=[eaten]))
    node, uid = before.spec.node_name, before.metadata.uid

    def resize(**sizes: int) -> None:
        wanted = [{"name": name, "resources": limited(size)} for name, size in sizes.items()]
        patch(space, "full", "resize", {"containers": wanted})

    def refused(words: str) -> None:
        def is_refused(one: pod_pb2.Pod) -> bool:
            found = get_condition(one.status, "PodResizeInProgress")
            return found is not None and found.reason == "Error" and words in found.message

        space.wait("full", is_refused, f"is told: {words}")

    def pod_limit() -> int:
        return int(cgroup_file(space, node, uid, "memory.limit_in_bytes", "memory.max")) >> 20

    resize(main=32)
    refused(
        'cannot decrease memory limits: attempting to set container "main" memory limit (33554432) below current'
    )
    # The node looks after its cgroups meanwhile: it removes those of strangers last.
    top = f"$(ls -d /sys/fs/cgroup/memory/vaina/{node}/kubepods /sys/fs/cgroup/vaina/{node}/kubepods 2>/dev/null)"
    for stranger in (f"{top}/podstranger-1", f"{top}/podstranger-2"):
        space.cluster.execute(node, "sh", "-c", f"mkdir {stranger}")
        gone = partial(
            space.cluster.execute, node, "sh", "-c", f"ls -d {stranger} >/dev/null 2>&1 || echo gone"
        )
        wait_until(gone, 30, "strangers are removed")
    assert (int(space.shell("full", MEMORY, "main")) >> 20, pod_limit()) == (64, 128)

    resize(main=32, idle=8)
    refused(f"attempting to set pod memory limit ({40 << 20}) below current usage (")
    assert pod_limit() == 128

    space.shell("full", ": >/eaten/it", "main")
    after = space.wait(
        "full",
        lambda p: (
            status_of(p).resources.limits["memory"].string == "32Mi"
            and not condition(p, "PodResizeInProgress")
        ),
        "is resized, now that it uses less",
    )
    assert (int(space.shell("full", MEMORY, "main")) >> 20, pod_limit()) == (32, 40)
    assert [one.restart_count for one in after.status.container_statuses] == [0, 0]


@pytest.mark.requirement("B11")
def test_sidecars_end_after_the_main_container_in_the_reverse_of_their_order(space: Workspace) -> None:
    # Each ends more than a second after it was asked to: times in a status are of whole seconds.
    script = "trap 'sleep 1.1; exit 0' TERM; while :; do sleep 0.1; done"
    sidecars = [{**container(name, script), "restartPolicy": "Always"} for name in ("first", "second")]
    space.start(pod("family", container("main"), initContainers=sidecars))
    with space.api.history(POD, space.namespace) as history:
        space.delete("family", grace=20)
        space.gone("family")
    last = history.of("family")[-1].object.status
    ends = {
        one.name: one.state.terminated
        for one in (*last.init_container_statuses, *last.container_statuses)
        if one.state.HasField("terminated")
    }
    assert {name: end.exit_code for name, end in ends.items()} == {"main": 0, "first": 0, "second": 0}
    times = [seconds_of(ends[name].finished_at) for name in ("main", "second", "first")]
    assert times[0] < times[1] < times[2]
