"""The rights of containers: who they run as, what they may do, and whose namespaces they share."""

from collections.abc import Iterator

import pytest

from tests.support.api import Api
from tests.support.cluster import Cluster
from tests.support.manifests import container, pod
from tests.support.workspace import Workspace, phase, status_of
from vaina.errors import ApiError

pytestmark = pytest.mark.beside_others

SYS_ADMIN = 1 << 21


@pytest.mark.requirement("B13")
def test_a_privileged_container_does_what_only_one_can(space: Workspace) -> None:
    space.start(pod("plain", container()), pod("privileged", container(securityContext={"privileged": True})))
    # To mount, to change the kernel's settings, and whatever else takes CAP_SYS_ADMIN.
    mount = "mkdir -p /mnt && mount -t tmpfs none /mnt && grep -c ' /mnt tmpfs' /proc/mounts && umount /mnt"
    rights = "awk '/^CapEff/ {print $2}' /proc/self/status"
    setting = "echo 1 >/proc/sys/net/ipv4/ip_forward"
    assert space.shell("privileged", mount) == "1"
    assert space.exec("plain", "sh", "-c", mount).code != 0
    assert int(space.shell("privileged", rights), 16) & SYS_ADMIN
    assert not int(space.shell("plain", rights), 16) & SYS_ADMIN
    space.shell("privileged", setting)
    assert space.exec("plain", "sh", "-c", setting).code != 0


@pytest.mark.requirement("B13")
def test_where_no_label_says_otherwise_no_pod_gets_out_of_itself(
    cluster: Cluster, api: Api, numbers: Iterator[int]
) -> None:
    space = Workspace(cluster, api, f"baseline-{next(numbers)}")
    space.open(pod_security="")
    with pytest.raises(ApiError, match=r'violates PodSecurity "baseline:latest": privileged'):
        space.apply(pod("privileged", container(securityContext={"privileged": True})))
    with pytest.raises(ApiError, match=r'violates PodSecurity "baseline:latest": host namespaces'):
        space.apply(pod("on-host", container(), hostNetwork=True))
    space.start(pod("plain", container()))
    space.close()


@pytest.mark.requirement("B13")
@pytest.mark.both_runtimes
def test_a_privileged_container_has_the_nodes_devices(space: Workspace) -> None:
    node = space.node(0)
    space.start(
        pod("plain", container(), nodeName=node),
        pod("privileged", container(securityContext={"privileged": True}), nodeName=node),
    )
    listed = "find /dev -type c -name 'fuse' -o -type c -name tun -o -type c -name kmsg | sort"
    # What the kernel of the machine has now: modules are its owner's.
    there = space.cluster.execute(node, "sh", "-c", listed).split()
    assert "/dev/kmsg" in there
    assert space.shell("privileged", listed).split() == there
    assert space.shell("plain", listed) == ""
    # As told: read-only at first, and its own to change.
    space.shell("privileged", "mount -o remount,rw /sys && grep -q '^sysfs /sys sysfs rw' /proc/mounts")


@pytest.mark.requirement("B4")
def test_containers_run_as_their_security_context_says(space: Workspace) -> None:
    strict = {
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    whole = {
        "runAsUser": 1000,
        "runAsGroup": 3000,
        "supplementalGroups": [4000],
        "fsGroup": 5000,
        "sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "81"}],
    }
    own = container("own", securityContext={"runAsUser": 2000})
    space.start(pod("strict", container(securityContext=strict), own, securityContext=whole))
    assert space.shell("strict", "id -u; id -g; id -G", "main").split() == [
        "1000",
        "3000",
        "3000",
        "4000",
        "5000",
    ]
    assert space.shell("strict", "id -u; id -g", "own").split() == ["2000", "3000"]
    assert space.exec("strict", "touch", "/file", container="main").code != 0
    status = dict(
        line.split(":\t", 1) for line in space.shell("strict", "cat /proc/1/status", "main").splitlines()
    )
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    # Bit 10 alone: NET_BIND_SERVICE.
    assert int(status["CapBnd"], 16) == 1 << 10
    # Without a profile there is none, as elsewhere.
    assert "Seccomp:\t0" in space.shell("strict", "cat /proc/1/status", "own")
    assert space.shell("strict", "cat /proc/sys/net/ipv4/ip_unprivileged_port_start", "main") == "81"


@pytest.mark.requirement("B4")
def test_what_a_node_does_not_allow_is_refused_in_upstreams_words(space: Workspace) -> None:
    space.apply(
        pod("tuned", container(), securityContext={"sysctls": [{"name": "kernel.msgmax", "value": "9"}]}),
        pod("root", container(), securityContext={"runAsNonRoot": True}),
        pod("chosen", container(), securityContext={"runAsNonRoot": True, "runAsUser": 7}),
    )
    refused = space.wait("tuned", phase("Failed"), "is refused")
    assert (refused.status.reason, refused.status.message) == (
        "SysctlForbidden", 'Pod was rejected: forbidden sysctl: "kernel.msgmax" not allowlisted',
    )  # fmt: skip
    waiting = space.wait(
        "root",
        lambda one: status_of(one).state.waiting.reason == "CreateContainerConfigError",
        "may not be root",
    )
    assert "container has runAsNonRoot and image will run as root" in status_of(waiting).state.waiting.message
    space.ready("chosen")
    assert space.shell("chosen", "id -u") == "7"


@pytest.mark.requirement("B3")
def test_names(space: Workspace) -> None:
    # The test's name is short because the namespace is made of it: a full name of more than 64 characters is
    # refused.
    alias = [{"ip": "192.0.2.9", "hostnames": ["one.example", "two.example"]}]
    dns = {
        "nameservers": ["192.0.2.53"],
        "searches": ["my.example"],
        "options": [{"name": "ndots", "value": "2"}],
    }
    [named, _] = space.start(
        pod(
            "named", container(), hostname="chosen", subdomain="group", setHostnameAsFQDN=True, hostAliases=alias,
            dnsPolicy="None", dnsConfig=dns,
        ),
        pod("on-host", container(), hostNetwork=True, hostPID=True, hostIPC=True, hostAliases=alias),
    )  # fmt: skip
    full = f"chosen.group.{space.namespace}.svc.cluster.local"
    assert space.shell("named", "hostname") == full
    assert (
        space.shell("named", "cat /etc/resolv.conf")
        == "nameserver 192.0.2.53\nsearch my.example\noptions ndots:2"
    )
    hosts = space.shell("named", "cat /etc/hosts")
    assert hosts.startswith("# Kubernetes-managed hosts file.\n")
    assert hosts.endswith(
        f"{named.status.pod_ip}\t{full}\tchosen\n\n# Entries added by HostAliases.\n192.0.2.9\tone.example\ttwo.example"
    )
    on_host = space.shell("on-host", "cat /etc/hosts")
    assert on_host.startswith("# Kubernetes-managed hosts file (host network).\n")
    assert on_host.endswith("192.0.2.9\tone.example\ttwo.example")
    # The node's own processes, its name, its addresses.
    assert "kubelet" in space.shell("on-host", "ps")
    assert space.shell("on-host", "hostname") == space.pod("on-host").spec.node_name
    assert "cni0" in space.shell("on-host", "ip link")
    assert "kubelet" not in space.shell("named", "ps")
