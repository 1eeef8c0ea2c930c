"""`vaina top nodes|pods`: what they use now."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import click

from cli import flags
from cli.app import cli
from cli.failures import Failure
from cli.printers.table import Table, render_table
from cli.printers.usage import Usage, node_rows, pod_rows
from cli.shell import Shell
from vaina.api.metrics.v1beta1 import metrics_pb2
from vaina.client.clientset import Clientset

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
