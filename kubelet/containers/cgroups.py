"""The numbers for cgroups: what containers get, where a Pod's cgroup is, and what it may use. PURE.

<parent>/kubepods/pod<uid> (Guaranteed), <parent>/kubepods/burstable/pod<uid> and
<parent>/kubepods/besteffort/pod<uid>: the classes share CPU by their requests, a Pod has its limits as a
whole, and all Pods together have what is allocatable. Paths and arithmetic are upstream's
(`pkg/kubelet/cm/pod_container_manager_linux.go`, `helpers_linux.go`, `pkg/kubelet/qos/policy.go`): row B4.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from kubelet.runtime.records import LinuxResources
from vaina.api.core.v1 import pod_pb2
from vaina.objects.pods import (
    BEST_EFFORT,
    BURSTABLE,
    GUARANTEED,
    container_limits,
    container_requests,
    is_restartable_init,
    pod_level_limits,
    pod_limits,
    pod_requests,
    qos_class,
)

MIN_SHARES = 2
MAX_SHARES = 262_144
SHARES_PER_CPU = 1024
QUOTA_PERIOD_MICROS = 100_000
MIN_QUOTA_MICROS = 1_000

GUARANTEED_OOM_SCORE = -997
BEST_EFFORT_OOM_SCORE = 1000


def cpu_shares(millis: int) -> int:
    """Return cgroup shares for milli-CPU: 1024 a CPU, at least 2."""
    return min(max(millis * SHARES_PER_CPU // 1000, MIN_SHARES), MAX_SHARES)


def cpu_quota(millis: int) -> int:
    """Return microseconds of CPU in each period of 100 ms; 0 without a limit."""
    if millis <= 0:
        return 0
    return max(millis * QUOTA_PERIOD_MICROS // 1000, MIN_QUOTA_MICROS)


def oom_score_adj(pod: pod_pb2.Pod, container: pod_pb2.Container, memory_capacity_bytes: int) -> int:
    """Return how readily the kernel kills the container's processes: -997 (Guaranteed) to 1000 (BestEffort)."""
    qos = qos_class(pod)
    if qos == GUARANTEED:
        return GUARANTEED_OOM_SCORE
    if qos == BEST_EFFORT or memory_capacity_bytes <= 0:
        return BEST_EFFORT_OOM_SCORE
    request = container_requests(container).get("memory", 0)
    score = 1000 - 1000 * request // memory_capacity_bytes
    # Between the Guaranteed (whose room is 3 wide) and the BestEffort.
    return min(max(score, 1000 + GUARANTEED_OOM_SCORE), BEST_EFFORT_OOM_SCORE - 1)


def linux_resources(
    pod: pod_pb2.Pod, container: pod_pb2.Container, *, memory_capacity_bytes: int
) -> LinuxResources:
    """Return the cgroup numbers of a container. A request that is not set is its limit, a limit the whole Pod's.

    As getMemoryLimit and getCPULimit in `pkg/kubelet/kuberuntime/kuberuntime_container_linux.go`.
    """
    requests = container_requests(container)
    limits = {**pod_level_limits(pod), **container_limits(container)}
    return LinuxResources(
        cpu_shares=cpu_shares(requests.get("cpu", limits.get("cpu", 0))),
        cpu_quota_micros=cpu_quota(limits.get("cpu", 0)),
        cpu_period_micros=QUOTA_PERIOD_MICROS if limits.get("cpu", 0) else 0,
        memory_limit_bytes=limits.get("memory", 0),
        oom_score_adj=oom_score_adj(pod, container, memory_capacity_bytes),
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
    """Return what the Pod as a whole may use: limits that the Pod itself or all its containers have."""
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
