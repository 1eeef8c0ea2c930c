"""Where Pods are in the end, and what room that leaves. PURE.

Read once when a run is over, from the cluster itself: what a configuration of the scheduler comes to
(`configs.py`).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import median_low

import msgspec

from bench.load.stats import quantile
from vaina.api.core.v1 import node_pb2, pod_pb2
from vaina.objects.nodes import allocatable, is_ready, is_schedulable
from vaina.objects.pods import is_terminal, pod_requests

#: quantiles of nodes that are told
PERCENTS = (10, 50, 90, 100)
#: owners whose Pods come and go with their node
_OF_NODES = ("DaemonSet", "Node")
_ZONE, _TYPE = "topology.kubernetes.io/zone", "node.kubernetes.io/instance-type"


class Size(msgspec.Struct, frozen=True):
    """What a Pod asks for."""

    cpu_millis: int
    memory_bytes: int


class NodeUse(msgspec.Struct, frozen=True):
    """What of a node is asked for."""

    pods: int
    cpu_millis: int
    memory_bytes: int
    allocatable_pods: int
    allocatable_cpu_millis: int
    allocatable_memory_bytes: int
    #: whether it takes Pods: Ready and not cordoned
    takes_pods: bool
    #: Pods that are not there because the node is: all but those of DaemonSets and those that a kubelet made
    #: of files
    movable: int = 0
    zone: str = ""
    instance_type: str = ""

    def fits(self, size: Size) -> int:
        """Return how many Pods of a size its free room takes, by CPU, memory and number."""
        return _times(
            size,
            self.allocatable_cpu_millis - self.cpu_millis,
            self.allocatable_memory_bytes - self.memory_bytes,
            self.allocatable_pods - self.pods,
        )


class Placement(msgspec.Struct, frozen=True):
    """Where everything is."""

    nodes: dict[str, NodeUse]
    #: NAMESPACE/NAME -> node; "": none
    pods: dict[str, str]
    #: of the Pods, in any order
    sizes: list[Size]


class Room(msgspec.Struct, frozen=True):
    """How much of the free capacity could still take Pods of a size."""

    size: Size
    #: Pods that fit, each whole on one node
    fits: int
    #: that would fit if all free room were one node's
    whole: int

    @property
    def fragmentation(self) -> float:
        """The share of the free room that no such Pod can use because it is in pieces: 0 is none, 1 is all."""
        return 1 - self.fits / self.whole if self.whole else 0.0


def compute_placement(
    nodes: Iterable[node_pb2.Node], pods: Iterable[pod_pb2.Pod], *, run: str = ""
) -> Placement:
    """Read where Pods are.

    Args:
        nodes: all of the cluster.
        pods: all of the cluster.
        run: whose name is taken off namespaces, so that those of two runs are the same.
    """
    count: Counter[str] = Counter()
    cpu: Counter[str] = Counter()
    memory: Counter[str] = Counter()
    movable: Counter[str] = Counter()
    places: dict[str, str] = {}
    sizes: list[Size] = []
    for pod in pods:
        if is_terminal(pod):
            continue
        node, asked = pod.spec.node_name, pod_requests(pod)
        size = Size(asked.get("cpu", 0), asked.get("memory", 0))
        sizes.append(size)
        space = pod.metadata.namespace.removeprefix(f"{run}-") if run else pod.metadata.namespace
        places[f"{space}/{pod.metadata.name}"] = node
        if node:
            count[node] += 1
            movable[node] += not any(owner.kind in _OF_NODES for owner in pod.metadata.owner_references)
            cpu[node] += size.cpu_millis
            memory[node] += size.memory_bytes
    uses = {}
    for one in nodes:
        name, amounts = one.metadata.name, allocatable(one)
        uses[name] = NodeUse(
            count[name], cpu[name], memory[name], amounts.get("pods", 0), amounts.get("cpu", 0), amounts.get("memory", 0),
            is_ready(one) and is_schedulable(one), movable[name], one.metadata.labels.get(_ZONE, ""),
            one.metadata.labels.get(_TYPE, ""),
        )  # fmt: skip
    return Placement(uses, places, sizes)


def median_size(sizes: Sequence[Size]) -> Size:
    """Return the median of what Pods ask for, of CPU and of memory by itself; of none, nothing."""
    if not sizes:
        return Size(0, 0)
    return Size(median_low(one.cpu_millis for one in sizes), median_low(one.memory_bytes for one in sizes))


def room(placement: Placement, size: Size) -> Room:
    """Return what room there is for Pods of a size on the nodes that take Pods.

    Taints and constraints are not asked.
    """
    taking = [use for use in placement.nodes.values() if use.takes_pods]
    whole = _times(
        size,
        sum(max(0, use.allocatable_cpu_millis - use.cpu_millis) for use in taking),
        sum(max(0, use.allocatable_memory_bytes - use.memory_bytes) for use in taking),
        sum(max(0, use.allocatable_pods - use.pods) for use in taking),
    )
    return Room(size, sum(use.fits(size) for use in taking), whole)


def _times(size: Size, cpu: int, memory: int, pods: int) -> int:
    """Return how many of a size so much is enough for."""
    bounds = [pods]
    if size.cpu_millis:
        bounds.append(cpu // size.cpu_millis)
    if size.memory_bytes:
        bounds.append(memory // size.memory_bytes)
    return max(0, min(bounds))


def shares(placement: Placement) -> Mapping[str, list[float]]:
    """Return by resource which share of each node that takes Pods is asked for, the emptiest first."""
    taking = [use for use in placement.nodes.values() if use.takes_pods]
    return {
        "cpu": sorted(use.cpu_millis / max(1, use.allocatable_cpu_millis) for use in taking),
        "memory": sorted(use.memory_bytes / max(1, use.allocatable_memory_bytes) for use in taking),
    }


def quantiles(ordered: Sequence[float]) -> dict[str, float]:
    """Return p10, p50, p90 and the most of shares; of none, 0."""
    return {"most" if percent == 100 else f"p{percent}": quantile(ordered, percent) for percent in PERCENTS}


def by_group(placement: Placement) -> dict[str, int]:
    """Return how many Pods are in each zone and on each type of node, by how people call it.

    Of a single one there is nothing to tell.
    """
    zones: Counter[str] = Counter()
    types: Counter[str] = Counter()
    for use in placement.nodes.values():
        zones[use.zone] += use.pods
        types[use.instance_type] += use.pods
    return {
        f"{called} {name or 'without one'}": count
        for called, counts in (("in zone", zones), ("on nodes of type", types))
        if len(counts) > 1
        for name, count in sorted(counts.items())
    }


def elsewhere(one: Placement, other: Placement) -> int:
    """Return how many Pods that have nodes in both are on another node."""
    return sum(
        bool(node) and bool(other.pods.get(key)) and other.pods[key] != node for key, node in one.pods.items()
    )
