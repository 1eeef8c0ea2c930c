"""How well Pods lie on the nodes at the end of a measurement.

How many nodes are used, how full, how evenly, and what room is left. PURE.
"""

import math
from collections.abc import Sequence

import msgspec

from bench.load.placement import Placement, median_size, quantiles, room, shares
from bench.load.stats import deviation
from bench.load.units import per_cent

#: figures that limits and comparisons name
METRICS = (
    "nodes_used", "nodes_needed", "fragmentation", "pods_that_fit", "cpu_memory_apart",
    *(f"{resource}_use_{name}" for resource in ("cpu", "memory") for name in ("average", "p10", "p50", "p90", "most", "deviation")),
)  # fmt: skip
#: of a curve
_POINTS = 200


class Use(msgspec.Struct, frozen=True):
    """Requests by allocatable of the nodes that take Pods: shares, 1 is a full node."""

    average: float
    p10: float
    p50: float
    p90: float
    most: float
    deviation: float
    #: some of the nodes, the emptiest first and the fullest last
    curve: list[float]


class Quality(msgspec.Struct, frozen=True):
    """Of the whole cluster, with what was there before."""

    #: that take Pods: Ready and not cordoned
    nodes: int
    #: ... and have any
    used: int
    #: ... and have any that are not of DaemonSets: the others could go
    needed: int
    cpu: Use
    memory: Use
    #: how far the shares of cpu and of memory of one node are apart, the average over those that have Pods
    apart: float
    #: the median Pod, of cpu and memory by itself
    cpu_millis: int
    memory_bytes: int
    #: how many of it the free room of single nodes takes, and would take if it were in one piece
    fits: int
    whole: int
    fragmentation: float


def compute_quality(placement: Placement) -> Quality:
    """Sum up where Pods are."""
    taking = [use for use in placement.nodes.values() if use.takes_pods]
    by_resource = shares(placement)
    differences = [
        abs(
            use.cpu_millis / max(1, use.allocatable_cpu_millis)
            - use.memory_bytes / max(1, use.allocatable_memory_bytes)
        )
        for use in taking
        if use.pods
    ]
    size = median_size(placement.sizes)
    left = room(placement, size)
    return Quality(
        nodes=len(taking), used=len(differences), needed=sum(use.movable > 0 for use in taking), cpu=_use(by_resource["cpu"]), memory=_use(by_resource["memory"]),
        apart=math.fsum(differences) / max(1, len(differences)), cpu_millis=size.cpu_millis, memory_bytes=size.memory_bytes,
        fits=left.fits, whole=left.whole, fragmentation=left.fragmentation,
    )  # fmt: skip


def _use(ordered: Sequence[float]) -> Use:
    found = quantiles(ordered)
    return Use(
        math.fsum(ordered) / max(1, len(ordered)), found["p10"], found["p50"], found["p90"], found["most"],
        deviation(ordered), thinned(ordered),
    )  # fmt: skip


def thinned(ordered: Sequence[float], points: int = _POINTS) -> list[float]:
    """Return at most so many of the values, evenly chosen, the first and the last among them."""
    if len(ordered) <= points:
        return list(ordered)
    return [ordered[round(index * (len(ordered) - 1) / (points - 1))] for index in range(points)]


def metrics_of(found: Quality) -> dict[str, float]:
    """Return the figures that limits and comparisons name."""
    values = {
        "nodes_used": float(found.used), "nodes_needed": float(found.needed), "fragmentation": found.fragmentation, "pods_that_fit": float(found.fits),
        "cpu_memory_apart": found.apart,
    }  # fmt: skip
    for resource, use in (("cpu", found.cpu), ("memory", found.memory)):
        for name in ("average", "p10", "p50", "p90", "most", "deviation"):
            values[f"{resource}_use_{name}"] = getattr(use, name)
    return values


def rows(found: Quality) -> list[tuple[str, str]]:
    """Return what is told, in words."""
    size = f"{found.cpu_millis:,}m CPU, {found.memory_bytes / 2**20:,.0f} MiB"
    return [
        (
            "nodes with Pods",
            f"{found.used:,} of {found.nodes:,}; {found.needed:,} beside those of DaemonSets",
        ),
        *(
            (
                f"{name} asked for on a node",
                f"average {per_cent(use.average)}, p10 {per_cent(use.p10)}, p50 {per_cent(use.p50)}, p90 {per_cent(use.p90)}, "
                f"most {per_cent(use.most)}, deviation {per_cent(use.deviation)}",
            )
            for name, use in (("cpu", found.cpu), ("memory", found.memory))
        ),
        ("cpu and memory apart", f"{per_cent(found.apart)} on the average node with Pods"),
        ("room for the median Pod", f"{found.fits:,} more ({size}); {found.whole:,} if it were in one piece"),
        ("fragmentation", per_cent(found.fragmentation)),
    ]
