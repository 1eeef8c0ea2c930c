"""`vaina top nodes|pods`: what they use now.

As kubectl (`k8s.io/kubectl/pkg/metricsutil/metrics_printer.go`): CPU in thousandths, rounded up; memory in Mi,
rounded down.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import click

from cli import flags
from cli.app import cli
from cli.failures import Failure
from cli.printers.table import Table, render_table
from cli.shell import Shell
from vaina.api.core.v1 import node_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.api.metrics.v1beta1 import metrics_pb2
from vaina.client.clientset import Clientset
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


_NODE_HEADERS = ("NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)")


@dataclass(frozen=True, slots=True)
class TopOptions:
    """What `top` was asked for."""

    name: str = ""
    all_namespaces: bool = False
    selector: str = ""
    sort_by: str = ""
    containers: bool = False
    headers: bool = True


@cli.group("top")
@flags.default_namespace
@flags.server
def top_command() -> None:
    """Show what nodes and Pods use now (measured every 15 s)."""


def _shared(command: flags.F) -> flags.F:
    command = flags.text("-l --selector", "Only those with these labels.")(command)
    command = flags.choice("--sort-by", ["", "cpu", "memory"], "")(command)
    return flags.no_headers(command)


@flags.verb(top_command, "nodes", TopOptions)
@click.argument("name", default="")
@flags.server
@_shared
async def top_nodes(shell: Shell, clients: Clientset, options: TopOptions) -> None:
    """Show what nodes use."""
    if options.name:
        nodes = [await clients.nodes.get(options.name)]
        measured: Sequence[metrics_pb2.NodeMetrics] = [await clients.metrics.node(options.name)]
    else:
        nodes = list((await clients.nodes.list("", label_selector=options.selector)).items)
        measured = await clients.metrics.nodes(label_selector=options.selector)
    if not nodes:
        shell.err("No resources found")
        return
    rows = node_rows(nodes, {item.metadata.name: item for item in measured}, _order(options.sort_by))
    _show(shell, _NODE_HEADERS, rows, options)


@flags.verb(top_command, "pods", TopOptions)
@click.argument("name", default="")
@flags.namespace
@flags.flag("-A --all-namespaces", "Of all namespaces.")
@flags.flag("--containers", "Show each container.")
@_shared
async def top_pods(shell: Shell, clients: Clientset, options: TopOptions) -> None:
    """Show what Pods use."""
    namespace = "" if options.all_namespaces else shell.namespace
    if options.name:
        measured: Sequence[metrics_pb2.PodMetrics] = [await clients.metrics.pod(options.name, namespace)]
    else:
        measured = await clients.metrics.pods(namespace, label_selector=options.selector)
    if not measured:
        # They may be too young to have been looked at twice.
        listed = await clients.pods.list(namespace, label_selector=options.selector)
        if listed.items:
            raise Failure("metrics not available yet")
        shell.err(f"No resources found in {namespace} namespace." if namespace else "No resources found")
        return
    headers = [*(["NAMESPACE"] if options.all_namespaces else []), *(["POD"] if options.containers else [])]
    order, with_namespace = _order(options.sort_by), options.all_namespaces
    rows = pod_rows(measured, order, with_namespace=with_namespace, containers=options.containers)
    _show(shell, (*headers, "NAME", "CPU(cores)", "MEMORY(bytes)"), rows, options)


def _order(sort_by: str) -> Callable[[Usage, str], tuple[int, str]]:
    if sort_by:
        return lambda usage, name: (-(usage.cpu_millis if sort_by == "cpu" else usage.memory_bytes), name)
    return lambda _, name: (0, name)


def _show(shell: Shell, headers: Sequence[str], rows: Sequence[Sequence[str]], options: TopOptions) -> None:
    shell.out(render_table(Table(headers, rows), paint=shell.paint, show_headers=options.headers))


for _name in ("node", "no"):
    top_command.add_command(top_command.commands["nodes"], _name)
for _name in ("pod", "po"):
    top_command.add_command(top_command.commands["pods"], _name)
