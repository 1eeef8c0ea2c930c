"""`vaina scale`: how many replicas there should be."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click

from cli import flags
from cli.failures import Failure
from cli.printers.objects import object_name
from cli.shell import Shell
from cli.targets import Target, parse_targets
from vaina.client.clientset import Clientset
from vaina.client.verbs import ScalableClient
from vaina.errors import ApiError


@dataclass(frozen=True, slots=True)
class ScaleOptions:
    """What `scale` was asked for."""

    words: Sequence[str]
    replicas: int
    #: only when there are this many now; -1: whatever there is
    current_replicas: int = -1
    namespace: str = ""


async def scale(shell: Shell, clients: Clientset, options: ScaleOptions) -> None:
    """Set the number of replicas of some objects."""
    if options.replicas < 0:
        raise Failure("The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0")
    for target in parse_targets(options.words, "scale"):
        if not target.name:
            raise Failure("resource(s) were provided, but no name was specified")
        if not target.kind.has_scale:
            raise Failure(f"cannot scale {target.kind.plural}: only kinds with replicas can be scaled")
        try:
            await _scale_one(shell, clients, target, options)
        except ApiError as error:
            shell.report(error)


async def _scale_one(shell: Shell, clients: Clientset, target: Target, options: ScaleOptions) -> None:
    client: ScalableClient[Any] = ScalableClient(clients.transport, target.kind)
    current = await client.get_scale(target.name, options.namespace or shell.namespace)
    if options.current_replicas not in (-1, current.spec.replicas):
        raise Failure(f"Expected replicas to be {options.current_replicas}, was {current.spec.replicas}")
    current.spec.replicas = options.replicas
    if options.current_replicas == -1:
        current.metadata.resource_version = ""
    await client.update_scale(current)
    shell.out(f"{object_name(target.kind, target.name)} scaled\n")


@click.command("scale")
@click.argument("words", nargs=-1, metavar="TYPE/NAME...")
@flags.namespace
@click.option("--replicas", type=int, required=True, help="How many there should be.")
@click.option("--current-replicas", type=int, default=-1, help="Only when there are this many now.")
def scale_command(**options: Any) -> None:
    """Set the number of replicas of Deployments, StatefulSets, ReplicaSets, ReplicationControllers."""
    given = ScaleOptions(**options)
    flags.start(lambda shell, clients: scale(shell, clients, given))
