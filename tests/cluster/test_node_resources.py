"""What a node shares out, and what it does when a Pod takes more.

Cgroups, process ids, memory, local storage, pressure.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.cluster import Cluster, wait_until
from tests.support.manifests import container, pod
from tests.support.workspace import Workspace, condition, phase, status_of
from vaina.kinds import EVENT, NODE
from vaina.objects.quantity import value

MI = 1024**2
#: of every Pod (tests/support/cluster_plugin.py)
PIDS = 300


def cgroup_file(space: Workspace, node: str, uid: str, version_1: str, version_2: str) -> str:
    """Read a file of a Pod's cgroup, in either version of the kernel's interface."""
    script = (
        f"cat $(find /sys/fs/cgroup/{version_1.partition('.')[0]}/vaina/{node} /sys/fs/cgroup/vaina/{node} "
        f"-path '*pod{uid}/{version_1}' -o -path '*pod{uid}/{version_2}' 2>/dev/null | head -1)"
    )
    return space.cluster.execute(node, "sh", "-c", script).strip()


@pytest.mark.beside_others
@pytest.mark.requirement("B4")
def test_a_pod_has_a_cgroup_of_its_own_with_its_limits_and_leaves_none(space: Workspace) -> None:
    limits = {"cpu": "200m", "memory": "64Mi"}
    [one] = space.start(pod("limited", container(resources={"limits": limits})))
    node, uid = one.spec.node_name, one.metadata.uid
    assert int(cgroup_file(space, node, uid, "memory.limit_in_bytes", "memory.max")) == 64 * MI
    assert cgroup_file(space, node, uid, "pids.max", "pids.max") == str(PIDS)
    assert cgroup_file(space, node, uid, "cpu.cfs_quota_us", "cpu.max").split()[0] == "20000"
    assert one.status.qos_class == "Guaranteed"

    space.delete("limited", grace=0)
    space.gone("limited", uid=uid)

    find = f"find /sys/fs/cgroup -path '*/vaina/{node}/*pod{uid}' -type d 2>/dev/null || true"
    wait_until(
        lambda: not space.cluster.execute(node, "sh", "-c", find).strip(), 20, "the Pod's cgroups are gone"
    )


@pytest.mark.beside_others
@pytest.mark.both_runtimes
@pytest.mark.requirement("B4")
def test_a_fork_bomb_a_glutton_and_a_full_volume_end_alone(space: Workspace) -> None:
    # Both wait for a word: among 300 processes that fight for one emulated processor no container would be
    # started in time.
    wait = "until [ -e /tmp/go ]; do sleep 0.1; done; "
    space.start(
        pod("bystander", container(), nodeName=space.node(0)),
        pod(
            "bomb",
            # Ever more of itself, each a while: without a limit that would be all process ids of the machine.
            container(script=wait + "b() { sleep 600 & b | b; }; b", resources={"limits": {"cpu": "200m"}}),
            restartPolicy="Never",
            nodeName=space.node(0),
        ),
        pod(
            "glutton",
            container(
                script=wait + "x=a; while :; do x=$x$x; done", resources={"limits": {"memory": "24Mi"}}
            ),
            restartPolicy="Never",
        ),
    )
    filler = container(
        script="dd if=/dev/zero of=/scratch/big bs=1M count=8; sleep 3600",
        volumeMounts=[{"name": "scratch", "mountPath": "/scratch"}],
    )
    scratch = {"name": "scratch", "emptyDir": {"sizeLimit": "4Mi"}}
    space.apply(pod("filler", filler, volumes=[scratch]))
    for name in ("bomb", "glutton"):
        space.shell(name, "touch /tmp/go")
    eaten = space.wait("glutton", phase("Failed"), "is killed for its memory")
    end = status_of(eaten).state.terminated
    assert (end.reason, end.exit_code) == ("OOMKilled", 137)

    evicted = space.wait("filler", phase("Failed"), "is evicted")
    words = 'Usage of EmptyDir volume "scratch" exceeds the limit "4Mi". '
    assert (evicted.status.reason, evicted.status.message) == ("Evicted", words)
    assert space.event("filler", "Evicted").message == words

    wait_until(lambda: "can't fork" in space.logs("bomb"), 40, "the fork bomb has met its limit")
    # Everybody else goes on, on the same node too.
    space.ready("bystander")
    assert space.shell("bystander", "echo alive") == "alive"
    node = space.api.find(NODE, space.pod("bystander").spec.node_name)
    assert node is not None
    assert {item.type: item.status for item in node.status.conditions} == {
        "MemoryPressure": "False", "DiskPressure": "False", "PIDPressure": "False", "Ready": "True",
    }  # fmt: skip
    space.delete("bomb", grace=0)
    space.gone("bomb")


@contextmanager
def settings(cluster: Cluster, node: str, **values: str) -> Iterator[None]:
    """Have a node's kubelet run with other settings for the length of a `with` block."""
    lines = "".join(f"export VAINA_{name.upper()}='{text}'\n" for name, text in values.items())
    cluster.execute(node, "sh", "-c", 'printf "%s" "$0" >/run/vaina/kubelet.env', lines)
    cluster.kill_kubelet(node)
    try:
        yield
    finally:
        cluster.execute(node, "rm", "/run/vaina/kubelet.env")
        cluster.kill_kubelet(node)


@pytest.mark.requirement("C2")
def test_a_node_short_of_memory_says_so_and_evicts_who_uses_most_above_its_request(space: Workspace) -> None:
    [modest] = space.start(pod("modest", container(), nodeName=space.cluster.nodes[0]))
    name = modest.spec.node_name
    [measured] = wait_until(
        lambda: [
            item for item in space.api.call(space.api.clients.metrics.nodes()) if item.metadata.name == name
        ],
        40,
        "the node was measured",
    )
    node = space.api.find(NODE, name)
    assert node is not None
    left = value(node.status.capacity["memory"].string) - value(measured.usage["memory"].string)
    # Below what is left by so much that it takes a Pod of 400 MB to get there.
    threshold = f"memory.available<{(left - 200 * MI) // MI}Mi"
    with settings(space.cluster, name, eviction_hard=threshold, eviction_pressure_transition_seconds="3"):
        space.apply(
            pod(
                "greedy",
                container(
                    script="dd if=/dev/zero of=/scratch/big bs=1M count=400; sleep 3600",
                    volumeMounts=[{"name": "scratch", "mountPath": "/scratch"}],
                ),
                volumes=[{"name": "scratch", "emptyDir": {"medium": "Memory"}}],
                nodeName=name,
            )
        )
        evicted = space.wait("greedy", phase("Failed"), "is evicted", timeout=60)
        assert evicted.status.reason == "Evicted"
        assert evicted.status.message.startswith("The node was low on resource: memory. Threshold quantity: ")
        assert "Container main was using " in evicted.status.message
        assert condition(evicted, "DisruptionTarget") == "True"

        def pressure(wanted: str) -> None:
            space.api.wait(
                NODE, name,
                lambda one: any((c.type, c.status) == ("MemoryPressure", wanted) for c in one.status.conditions),
                f"has MemoryPressure {wanted}", timeout=60,
            )  # fmt: skip

        # It was under pressure, said so, and is not any more.
        space.api.wait(
            EVENT, name, lambda event: event.reason == "NodeHasInsufficientMemory",
            "has said that its memory is short", namespace="default",
            fields=f"involvedObject.name={name},reason=NodeHasInsufficientMemory",
        )  # fmt: skip
        pressure("False")
        assert space.pod("modest").status.phase == "Running"
