"""Which sysctls a Pod may set. PURE.

The safe ones, which concern the Pod's own namespaces and harm nobody else, and those that the node's owner
allows. Lists and words are upstream's (`pkg/kubelet/sysctl/allowlist.go`,
https://kubernetes.io/docs/tasks/administer-cluster/sysctl-cluster/).
"""

from collections.abc import Iterable

from vaina.api.core.v1 import pod_pb2
from vaina.quoting import go_quote

REASON = "SysctlForbidden"
SAFE = frozenset({
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
})  # fmt: skip
_IPC = frozenset({"kernel.sem", "kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced"})
_IPC_PREFIXES, _NET_PREFIX = ("kernel.msg", "fs.mqueue."), "net."


def forbidden(pod: pod_pb2.Pod, allowed_unsafe: Iterable[str]) -> str:
    """Return why the Pod's sysctls are not for this node; "" when they are.

    Args:
        pod: with sysctls in its security context.
        allowed_unsafe: names, or prefixes that end with *.
    """
    allowed = tuple(allowed_unsafe)
    for item in pod.spec.security_context.sysctls:
        # Slashes and dots are the same; a name is known with dots.
        name = item.name.replace("/", ".")
        if name not in SAFE and not any(_covers(pattern, name) for pattern in allowed):
            return f"forbidden sysctl: {go_quote(item.name)} not allowlisted"
        if pod.spec.host_network and name.startswith(_NET_PREFIX):
            return f"forbidden sysctl: {go_quote(item.name)} not allowed with host net enabled"
        if pod.spec.host_ipc and (name in _IPC or name.startswith(_IPC_PREFIXES)):
            return f"forbidden sysctl: {go_quote(item.name)} not allowed with host ipc enabled"
    return ""


def _covers(pattern: str, name: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern
