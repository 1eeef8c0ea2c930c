"""Requests and limits as numbers for cgroups. PURE.

Upstream's arithmetic (`pkg/kubelet/cm/helpers_linux.go`, `pkg/kubelet/qos/policy.go`): row B4.
"""

from kubelet.runtime.records import LinuxResources
from vaina.api.core.v1 import pod_pb2
from vaina.objects.pods import (
    BEST_EFFORT,
    GUARANTEED,
    container_limits,
    container_requests,
    pod_level_limits,
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
    """Return the cgroup numbers of a container. A request that is not set is its limit.

    A limit that it has not is the whole Pod's (`pkg/kubelet/kuberuntime/kuberuntime_container_linux.go`,
    getMemoryLimit and getCPULimit): what it reads of its own cgroup is then what it may use.
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
