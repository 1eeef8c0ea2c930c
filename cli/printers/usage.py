"""Tables of `vaina top`. PURE.

As kubectl (`k8s.io/kubectl/pkg/metricsutil/metrics_printer.go`): CPU in thousandths, rounded up; memory in Mi,
rounded down.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from vaina.api.core.v1 import node_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.api.metrics.v1beta1 import metrics_pb2
from vaina.objects.nodes import allocatable
from vaina.objects.quantity import milli_value, value

UNKNOWN = "<unknown>"
_MI = 1024**2

#: (use, name) -> what rows are sorted by
Order = Callable[["Usage", str], tuple[int, str]]


@dataclass(frozen=True, slots=True)
class Usage:
    """What is used."""

    cpu_millis: int = 0
    memory_bytes: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(self.cpu_millis + other.cpu_millis, self.memory_bytes + other.memory_bytes)

    def cells(self) -> tuple[str, str]:
        """Return CPU and memory as they are shown."""
        return f"{self.cpu_millis}m", f"{self.memory_bytes // _MI}Mi"


def usage_of(amounts: Mapping[str, meta_pb2.Quantity]) -> Usage:
    """Return what a metric says."""
    cpu, memory = amounts.get("cpu"), amounts.get("memory")
    return Usage(milli_value(cpu.string) if cpu else 0, value(memory.string) if memory else 0)


def node_rows(
    nodes: Iterable[node_pb2.Node], measured: Mapping[str, metrics_pb2.NodeMetrics], order: Order
) -> list[tuple[str, ...]]:
    """Return a row for each node, those that were not measured last."""
    rows, missing = [], []
    for node in nodes:
        name = node.metadata.name
        found = measured.get(name)
        if found is None:
            missing.append((name, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN))
            continue
        usage, room = usage_of(found.usage), allocatable(node)
        cpu, memory = usage.cells()
        shares = (
            _share(usage.cpu_millis, room.get("cpu", 0)),
            _share(usage.memory_bytes, room.get("memory", 0)),
        )
        rows.append((order(usage, name), (name, cpu, shares[0], memory, shares[1])))
    return [*(row for _, row in sorted(rows)), *sorted(missing)]


def _share(used: int, room: int) -> str:
    return f"{used * 100 // room}%" if room else UNKNOWN


def pod_rows(
    measured: Iterable[metrics_pb2.PodMetrics], order: Order, *, with_namespace: bool, containers: bool
) -> Sequence[tuple[str, ...]]:
    """Return a row for each Pod, or for each of their containers."""
    rows = []
    for pod in measured:
        meta = pod.metadata
        uses = [(item.name, usage_of(item.usage)) for item in pod.containers]
        total = sum((usage for _, usage in uses), Usage())
        before = (meta.namespace,) if with_namespace else ()
        lines = (
            [(*before, meta.name, name, *usage.cells()) for name, usage in uses]
            if containers
            else [(*before, meta.name, *total.cells())]
        )
        rows.append((order(total, f"{meta.namespace}/{meta.name}"), lines))
    return [line for _, lines in sorted(rows) for line in lines]
