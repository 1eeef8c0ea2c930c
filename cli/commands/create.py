"""`vaina create`: objects from manifests, or of some kinds from the command line."""

from importlib import import_module
from typing import Any, Final

import click

from cli import flags
from cli.commands.apply import WriteOptions, create

#: what can be made without a manifest -> module of cli.commands; it has a click command of that name behind
#: `create_`
MADE: Final = {
    "namespace": "create_namespace",
    "configmap": "create_config",
    "secret": "create_config",
    "deployment": "create_deployment",
    "job": "create_job",
    "cronjob": "create_job",
    "quota": "create_policy",
    "priorityclass": "create_policy",
    "poddisruptionbudget": "create_policy",
}
_SHORT: Final = {
    "ns": "namespace", "cm": "configmap", "deploy": "deployment", "cj": "cronjob", "resourcequota": "quota",
    "pc": "priorityclass", "pdb": "poddisruptionbudget",
}  # fmt: skip


class _Kinds(click.Group):
    """Kinds that can be made from the command line, found by name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(MADE)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        name = _SHORT.get(cmd_name, cmd_name)
        if name not in MADE:
            return None
        command = getattr(import_module(f"cli.commands.{MADE[name]}"), f"create_{name}_command")
        assert isinstance(command, click.Command)
        return command


@click.group("create", cls=_Kinds, invoke_without_command=True)
@flags.files
@flags.writing
@flags.namespace
@click.pass_context
def create_command(context: click.Context, /, **options: Any) -> None:
    """Create objects from manifests, or of a kind: vaina create deployment web --image busybox."""
    if options["namespace"]:
        # Also where it stands before the kind.
        shell = flags.shell_of(context)
        shell.namespace, shell.namespace_given = options["namespace"], True
    if context.invoked_subcommand is None:
        given = WriteOptions(**options)
        flags.start(lambda shell, clients: create(shell, clients, given))
