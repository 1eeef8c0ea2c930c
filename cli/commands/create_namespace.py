"""`vaina create namespace`: as kubectl makes one."""

from dataclasses import dataclass
from typing import Any

import click

from cli import flags
from cli.commands.making import make
from vaina.api.core.v1 import namespace_pb2
from vaina.kinds import NAMESPACE


@dataclass(frozen=True, slots=True)
class NamespaceOptions:
    """What `create namespace` was asked for."""

    name: str
    dry_run: str = "none"
    output: str = ""


@click.command("namespace")
@click.argument("name")
@flags.writing
@flags.server
def create_namespace_command(**options: Any) -> None:
    """Make a Namespace."""
    given = NamespaceOptions(**options)
    made = namespace_pb2.Namespace(metadata={"name": given.name})
    flags.start(lambda shell, clients: make(shell, clients, NAMESPACE, made, given))
