"""`vaina scale`: how many replicas there should be."""

from collections.abc import Sequence
from typing import Any

import click

from cli import flags
from cli.app import cli
from cli.failures import Failure
from cli.printers.objects import object_name
from cli.shell import Shell
from cli.targets import parse_named
from vaina.client.clientset import Clientset
from vaina.client.verbs import ScalableClient


@flags.verb(cli, "scale")
@click.argument("words", nargs=-1, metavar="TYPE/NAME...")
@flags.namespace
@click.option("--replicas", type=int, required=True, help="How many there should be.")
@flags.integer("--current-replicas", -1, "Only when there are this many now.")
async def scale(
    shell: Shell, clients: Clientset, *, words: Sequence[str], replicas: int, current_replicas: int
) -> None:
    """Set the number of replicas of Deployments, StatefulSets, ReplicaSets, ReplicationControllers."""
    if replicas < 0:
        raise Failure("The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0")
    for target in parse_named(words, "scale"):
        if not target.kind.has_scale:
            raise Failure(f"cannot scale {target.kind.plural}: only kinds with replicas can be scaled")
        with shell.reporting():
            client: ScalableClient[Any] = ScalableClient(clients.transport, target.kind)
            current = await client.get_scale(target.name, shell.namespace)
            if current_replicas not in (-1, current.spec.replicas):
                raise Failure(f"Expected replicas to be {current_replicas}, was {current.spec.replicas}")
            current.spec.replicas = replicas
            if current_replicas == -1:
                current.metadata.resource_version = ""
            await client.update_scale(current)
            shell.out(f"{object_name(target.kind, target.name)} scaled\n")
