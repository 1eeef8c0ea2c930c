"""Where a Pod's cgroup is and what it may use.

A tree of QoS classes and Pods above the containers' own cgroups. PURE.

<parent>/kubepods/pod<uid> (Guaranteed), <parent>/kubepods/burstable/pod<uid>,
<parent>/kubepods/besteffort/pod<uid>: upstream's (`pkg/kubelet/cm/pod_container_manager_linux.go`,
`helpers_linux.go`). So the classes share CPU as their requests say, a Pod has its limits as a whole, and all
Pods together have what is allocatable.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from kubelet.containers.resources import MIN_SHARES, QUOTA_PERIOD_MICROS, cpu_quota, cpu_shares
from vaina.api.core.v1 import pod_pb2
from vaina.objects.pods import (
    BEST_EFFORT,
    BURSTABLE,
    container_limits,
    is_restartable_init,
    pod_limits,
    pod_requests,
    qos_class,
)

ROOT = "kubepods"
_FOLDERS = {BURSTABLE: "burstable", BEST_EFFORT: "besteffort"}


@dataclass(frozen=True, slots=True)
class CgroupLimits:
    """What a cgroup may use; 0 is "no limit"."""

    cpu_shares: int = MIN_SHARES
    cpu_quota_micros: int = 0
    cpu_period_micros: int = QUOTA_PERIOD_MICROS
    memory_bytes: int = 0
    pids: int = 0


def qos_cgroup(parent: str, qos: str) -> str:
    """Return the cgroup of a QoS class, as a path in every hierarchy."""
    folder = _FOLDERS.get(qos)
    return f"{parent}/{ROOT}/{folder}" if folder else f"{parent}/{ROOT}"


def pod_cgroup(parent: str, pod: pod_pb2.Pod) -> str:
    """Return the Pod's cgroup; "" without a parent: the engine's default."""
    return f"{qos_cgroup(parent, qos_class(pod))}/pod{pod.metadata.uid}" if parent else ""


def cgroups_of(parent: str, uid: str) -> tuple[str, ...]:
    """Return every place where a Pod of this uid may have its cgroup."""
    return tuple(f"{qos_cgroup(parent, qos)}/pod{uid}" for qos in ("", BURSTABLE, BEST_EFFORT))


def pod_cgroup_limits(pod: pod_pb2.Pod, *, pids_limit: int = 0) -> CgroupLimits:
    """Return what the Pod as a whole may use: a limit only where every container, or the Pod itself, has one."""
    qos, limits = qos_class(pod), pod_limits(pod)
    limited = {name for name in ("cpu", "memory") if _all_limited(pod, name)}
    return CgroupLimits(
        cpu_shares=MIN_SHARES if qos == BEST_EFFORT else cpu_shares(pod_requests(pod).get("cpu", 0)),
        cpu_quota_micros=cpu_quota(limits.get("cpu", 0)) if "cpu" in limited else 0,
        memory_bytes=limits.get("memory", 0) if "memory" in limited else 0,
        pids=pids_limit,
    )


def _all_limited(pod: pod_pb2.Pod, name: str) -> bool:
    spec = pod.spec
    if name in spec.resources.limits:
        return True
    running = [*spec.containers, *(item for item in spec.init_containers if is_restartable_init(item))]
    once = [item for item in spec.init_containers if not is_restartable_init(item)]
    return all(container_limits(item).get(name, 0) for item in (*running, *once))


def burstable_limits(pods: Iterable[pod_pb2.Pod]) -> CgroupLimits:
    """Return what the Burstable class gets: CPU as all its Pods have requested."""
    millis = sum(pod_requests(pod).get("cpu", 0) for pod in pods if qos_class(pod) == BURSTABLE)
    return CgroupLimits(cpu_shares=cpu_shares(millis))
