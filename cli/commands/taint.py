"""`vaina taint`: which Pods a node keeps away, as kubectl changes it (`kubectl/pkg/cmd/taint`)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click

from cli import flags
from cli.app import cli
from cli.failures import Failure
from cli.following import change
from cli.printers.objects import dry_run_suffix
from cli.shell import Shell
from cli.taints import TaintChanges, change_taints, parse_changes, split_words
from cli.targets import find_kind
from vaina.client.clientset import Clientset
from vaina.client.resource import ResourceClient
from vaina.errors import ApiError
from vaina.kinds import NODE


@dataclass(frozen=True, slots=True)
class TaintOptions:
    """What `taint` was asked for."""

    words: Sequence[str]
    label_selector: str = ""
    all: bool = False
    overwrite: bool = False
    dry_run: str = "none"


@flags.verb(cli, "taint", TaintOptions)
@click.argument(
    "words", nargs=-1, metavar="nodes NAME... KEY=VALUE:EFFECT... KEY:EFFECT-... KEY-...", required=True
)
@flags.server
@flags.text("-l --selector label_selector", "Nodes with these labels.")
@flags.flag("--all", "All nodes.")
@flags.flag("--overwrite", "Give a taint that is there another value.")
@flags.dry_run
async def taint(shell: Shell, clients: Clientset, options: TaintOptions) -> None:
    """Change the taints of nodes: NoSchedule, PreferNoSchedule or NoExecute for Pods that do not tolerate
    them.
    """
    (kind, *names), words = split_words(options.words)
    changes = parse_changes(words)
    if find_kind(kind) is not NODE:
        raise Failure(f"invalid resource type {kind}, only node types are supported")
    if options.all and options.label_selector:
        raise Failure("setting 'all' parameter with a non empty selector is prohibited")
    if options.all or options.label_selector:
        listed = await clients.nodes.list(label_selector=options.label_selector)
        names = [node.metadata.name for node in listed.items]
    elif not names:
        raise Failure("at least one resource name must be specified since 'all' parameter is not set")
    refused: list[str] = []
    for name in names:
        try:
            await _taint_one(shell, clients, name, changes, options)
        except ApiError as error:
            shell.report(error)
        except Failure as failure:
            refused.append(str(failure))
    if refused:
        raise Failure("\nerror: ".join(refused))


async def _taint_one(
    shell: Shell, clients: Clientset, name: str, changes: TaintChanges, options: TaintOptions
) -> None:
    said = ""

    def mutate(node: Any) -> None:
        nonlocal said
        new, said = change_taints(name, list(node.spec.taints), changes, overwrite=options.overwrite)
        del node.spec.taints[:]
        node.spec.taints.extend(new)

    client: ResourceClient[Any] = clients.nodes
    if options.dry_run == "client":
        mutate(await client.get(name))
    else:
        await change(client, "", name, mutate, dry_run=options.dry_run == "server")
    shell.out(f"node/{name} {said}{dry_run_suffix(options.dry_run)}\n")
