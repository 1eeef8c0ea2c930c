"""How large a volume in memory may become. PURE."""

from collections.abc import Mapping

from kubelet.containers.cgroups import pod_cgroup_limits
from vaina.api.core.v1 import pod_pb2
from vaina.objects.quantity import value


def memory_bytes(pod: pod_pb2.Pod, size_limit: str, allocatable: Mapping[str, int]) -> int:
    """Return how large a volume in memory may become: the least of its own limit, the Pod's and the node's.

    0: nobody says.

    `pkg/volume/emptydir/empty_dir.go` (calculateEmptyDirMemorySize): the Pod's is that of its cgroup.

    Args:
        pod: whose volume it is.
        size_limit: of the volume, a quantity; "": it has none.
        allocatable: of the node.
    """
    bounds = (value(size_limit or "0"), pod_cgroup_limits(pod).memory_bytes, allocatable.get("memory", 0))
    return min((bound for bound in bounds if bound > 0), default=0)
