"""What a node refuses for its own sake.

Pods under pressure, sysctls that reach others, pages that are not there.
"""

import pytest

from kubelet.admit import Rejection, admit
from vaina.api.core.v1 import node_pb2, pod_pb2
from vaina.testing.builders import make_node, make_pod


def under(*pressures: str) -> node_pb2.Node:
    node = make_node()
    for kind in pressures:
        node.status.conditions.add(type=kind, status="True")
    return node


def critical() -> pod_pb2.Pod:
    pod = make_pod()
    pod.spec.priority = 2_000_000_000
    return pod


def tolerant() -> pod_pb2.Pod:
    pod = make_pod()
    pod.spec.tolerations.add(key="node.kubernetes.io/memory-pressure", operator="Exists", effect="NoSchedule")
    return pod


REQUESTING = make_pod(requests={"memory": "1Mi"})


@pytest.mark.requirement("C2")
@pytest.mark.parametrize(
    ("pod", "pressures", "taken"),
    [
        (make_pod(), (), True),
        (make_pod(), ("MemoryPressure",), False),
        (REQUESTING, ("MemoryPressure",), True),
        (tolerant(), ("MemoryPressure",), True),
        (REQUESTING, ("DiskPressure",), False),
        (REQUESTING, ("MemoryPressure", "PIDPressure"), False),
        (tolerant(), ("MemoryPressure", "DiskPressure"), False),
        (critical(), ("MemoryPressure", "DiskPressure", "PIDPressure"), True),
    ],
)
def test_who_is_taken_under_pressure(pod: pod_pb2.Pod, pressures: tuple[str, ...], taken: bool) -> None:
    refusal = Rejection("Evicted", f"The node had condition: [{' '.join(sorted(pressures))}]. ")
    assert admit(pod, (), under(*pressures)) == (None if taken else refusal)


def test_a_condition_that_is_not_true_keeps_nobody_out() -> None:
    node = under()
    node.status.conditions.add(type="MemoryPressure", status="False")
    node.status.conditions.add(type="Ready", status="True")
    assert admit(make_pod(), (), node) is None


def tuned(*names: str, host_network: bool = False, host_ipc: bool = False) -> pod_pb2.Pod:
    pod = make_pod()
    pod.spec.host_network, pod.spec.host_ipc = host_network, host_ipc
    for name in names:
        pod.spec.security_context.sysctls.add(name=name, value="1")
    return pod


@pytest.mark.requirement("B4")
@pytest.mark.parametrize(
    ("pod", "allowed", "why"),
    [
        (tuned("net.ipv4.tcp_syncookies", "kernel.shm_rmid_forced"), (), ""),
        (tuned("net/ipv4/tcp_syncookies"), (), ""),
        (tuned("kernel.msgmax"), (), 'forbidden sysctl: "kernel.msgmax" not allowlisted'),
        (tuned("kernel.msgmax"), ("kernel.msg*",), ""),
        (tuned("kernel.msgmax"), ("kernel.msgmax",), ""),
        (tuned("kernel.msgmaxima"), ("kernel.msgmax",), 'forbidden sysctl: "kernel.msgmaxima" not allowlisted'),
        (
            tuned("net.ipv4.tcp_syncookies", host_network=True), (),
            'forbidden sysctl: "net.ipv4.tcp_syncookies" not allowed with host net enabled',
        ),
        (
            tuned("kernel.sem", host_ipc=True), ("kernel.sem",),
            'forbidden sysctl: "kernel.sem" not allowed with host ipc enabled',
        ),
    ],
)  # fmt: skip
def test_which_sysctls_a_pod_may_set(pod: pod_pb2.Pod, allowed: tuple[str, ...], why: str) -> None:
    wanted = Rejection("SysctlForbidden", why) if why else None
    assert admit(pod, (), make_node(), allowed_unsafe_sysctls=allowed) == wanted


def test_huge_pages_that_are_not_there_are_refused() -> None:
    refused = admit(make_pod(requests={"hugepages-2Mi": "4Mi"}), (), make_node())
    assert refused is not None
    assert (refused.reason, refused.message) == (
        "OutOfhugepages-2Mi",
        "Node didn't have enough resource: hugepages-2Mi, requested: 4194304, used: 0, capacity: 0",
    )
