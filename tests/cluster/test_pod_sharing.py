"""What the containers of a Pod share, and what they do not: ports, hostname, cgroups."""

import pytest

from tests.support.cluster import wait_until
from tests.support.manifests import container, on_node, pod, web_server
from tests.support.workspace import Workspace, phase, status_of

pytestmark = [pytest.mark.both_runtimes, pytest.mark.beside_others]


@pytest.mark.requirement("B2")
def test_same_port_collides_inside_a_pod_and_not_across_pods(space: Workspace) -> None:
    node = on_node(space.node(0))
    second = container("second", "exec httpd -f -p 8080")
    space.apply(pod("quarrel", web_server("first"), second, **node, restartPolicy="Never"))
    apart = space.start(pod("east", web_server(), **node), pod("west", web_server(), **node))
    assert len({one.status.pod_ip for one in apart}) == 2
    for one in apart:
        assert space.shell("east", f"wget -q -T 5 -O - http://{one.status.pod_ip}:8080/") == "hello"
    lost = space.wait("quarrel", lambda p: any(c.state.HasField("terminated") for c in p.status.container_statuses),
                      "has lost one of its servers")  # fmt: skip
    loser = next(c.name for c in lost.status.container_statuses if c.state.HasField("terminated"))
    assert "Address already in use" in space.logs("quarrel", container=loser)


@pytest.mark.requirement("B3")
def test_containers_see_the_pods_name_as_their_hostname(space: Workspace) -> None:
    pods = space.start(
        pod("named", container("one"), container("two")),
        pod("renamed", container("one"), hostname="other-name"),
    )
    for name in ("one", "two"):
        assert space.shell("named", "hostname", name) == "named"
    assert space.shell("renamed", "hostname") == "other-name"
    resolved = space.shell("named", "grep -w named /etc/hosts", "two").split()
    assert resolved == [pods[0].status.pod_ip, "named"]


@pytest.mark.requirement("B4")
def test_containers_of_a_pod_share_network_and_ipc_and_not_their_processes(space: Workspace) -> None:
    space.start(
        pod("apart", container("one"), container("two")),
        pod("open", container("one"), container("two"), shareProcessNamespace=True),
    )

    def namespace(pod_name: str, kind: str) -> set[str]:
        return {space.shell(pod_name, f"readlink /proc/self/ns/{kind}", name) for name in ("one", "two")}

    shared = {kind: len(namespace("apart", kind)) == 1 for kind in ("net", "ipc", "pid", "mnt")}
    assert shared == {"net": True, "ipc": True, "pid": False, "mnt": False}
    assert len(namespace("open", "pid")) == 1


@pytest.mark.requirement("B4", "B17")
def test_container_that_takes_more_memory_than_its_limit_is_killed_alone(space: Workspace) -> None:
    greedy = container("greedy", "x=a; while :; do x=$x$x; done", resources={"limits": {"memory": "24Mi"}})
    space.apply(pod("hungry", greedy, container("modest"), restartPolicy="Never"))
    killed = space.wait("hungry", lambda p: status_of(p, "greedy").state.HasField("terminated"), "was killed")
    end = status_of(killed, "greedy").state.terminated
    assert (end.reason, end.exit_code) == ("OOMKilled", 137)
    assert status_of(killed, "modest").state.HasField("running")
    assert killed.status.phase == "Running"


#: the quota and the shares (or weight) of the container that asks, in either version of cgroups
CPU = """
if [ -e /sys/fs/cgroup/cpu/cpu.shares ]; then
  cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu/cpu.cfs_period_us /sys/fs/cgroup/cpu/cpu.shares
else
  cat /sys/fs/cgroup/cpu.max /sys/fs/cgroup/cpu.weight
fi
"""


@pytest.mark.requirement("B4", "C2")
def test_cpu_request_and_limit_are_in_the_containers_cgroup(space: Workspace) -> None:
    resources = {"requests": {"cpu": "100m", "memory": "16Mi"}, "limits": {"cpu": "250m", "memory": "32Mi"}}
    [limited] = space.start(pod("limited", container(resources=resources)))
    assert limited.status.qos_class == "Burstable"
    quota, period, shares = (int(word) for word in space.shell("limited", CPU).split())
    assert quota / period == 0.25
    # 100m is 102 of version 1's shares; version 2 has a weight of 1 to 10000 instead.
    assert shares in (102, 4)
    read = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null || true"
    assert int(space.shell("limited", read)) == 32 * 1024 * 1024


@pytest.mark.requirement("B1", "B6")
def test_a_pods_containers_live_and_end_together(space: Workspace) -> None:
    [both] = space.start(pod("union", container("one"), container("two")))
    [containers] = space.node_containers(both.metadata.uid).values()
    assert len(containers) == 3
    space.delete("union")
    space.gone("union")
    # What the engine keeps of ended containers goes after the Pod.
    wait_until(lambda: space.node_containers(both.metadata.uid) == {}, 40, "nothing of it is left")


@pytest.mark.requirement("B8", "B14")
def test_one_failed_container_fails_a_pod_only_when_all_have_ended(space: Workspace) -> None:
    space.apply(
        pod(
            "mixed",
            container("well", "exit 0"),
            container("ill", "exit 1"),
            container("late", "until test -e /tmp/end; do sleep 0.1; done"),
            restartPolicy="Never",
        )
    )
    space.wait(
        "mixed", lambda p: status_of(p, "ill").state.HasField("terminated") and phase("Running")(p), "runs on"
    )
    space.shell("mixed", "touch /tmp/end", "late")
    ended = space.wait("mixed", phase("Succeeded", "Failed"), "has ended")
    assert ended.status.phase == "Failed"
