"""`vaina replace`: manifests in the place of what there is."""

from dataclasses import dataclass
from typing import Any

import click

from cli import flags
from cli.commands.apply import FIELD_MANAGER
from cli.failures import Failure
from cli.files import into_namespace, read_objects, read_sources
from cli.printers.objects import dry_run_suffix, object_name
from cli.shell import Shell
from vaina.client.clientset import Clientset
from vaina.errors import ApiError


@dataclass(frozen=True, slots=True)
class ReplaceOptions:
    """What `replace` was asked for."""

    files: tuple[str, ...]
    recursive: bool = False
    namespace: str = ""
    dry_run: str = "none"


async def replace(shell: Shell, clients: Clientset, options: ReplaceOptions) -> None:
    """Replace objects by what manifests say; each must be there."""
    found = read_objects(read_sources(shell, options.files, recursive=options.recursive))
    if not found:
        raise Failure("no objects passed to replace")
    for source, read in found:
        doing = f'replacing "{source.name}"'
        if isinstance(read, ApiError):
            shell.report(read, doing)
            continue
        message: Any = read.message
        try:
            into_namespace(shell, read, options.namespace)
            await clients.kind(read.kind).update(
                message, dry_run=options.dry_run == "server", field_manager=FIELD_MANAGER
            )
        except ApiError as error:
            shell.report(error, doing)
        except Failure as error:
            shell.complain(str(error))
        else:
            name = object_name(read.kind, message.metadata.name)
            shell.out(f"{name} replaced{dry_run_suffix(options.dry_run)}\n")


@click.command("replace")
@flags.files
@flags.namespace
@click.option("--dry-run", type=click.Choice(["none", "server"]), default="none")
def replace_command(**options: Any) -> None:
    """Replace objects by what manifests say."""
    given = ReplaceOptions(**options)
    flags.start(lambda shell, clients: replace(shell, clients, given))
