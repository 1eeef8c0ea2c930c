"""`vaina api-resources`, `version` and `completion`: what there is to talk about, with whom, in which words."""

import click
from click.shell_completion import get_completion_class

from cli import flags
from cli.app import cli
from cli.completion.grammar import load
from cli.failures import Failure
from cli.printers.table import Table, render_table
from cli.shell import Shell
from cli.surroundings import COMPLETION_VARIABLE
from vaina.client.clientset import Clientset
from vaina.kinds import KINDS
from vaina.version import GIT_VERSION


@cli.command("api-resources")
@flags.no_headers
@flags.choice("-o --output", ["", "name", "wide"], "")
@click.pass_context
def api_resources(context: click.Context, *, headers: bool, output: str) -> None:
    """Show all kinds of objects."""
    shell = flags.shell_of(context)
    if output == "name":
        shell.out("".join(f"{kind.resource}\n" for kind in KINDS))
        return
    rows = [
        (kind.plural, ",".join(kind.short_names), kind.api_version, str(kind.namespaced).lower(), kind.kind)
        for kind in KINDS
    ]
    table = Table(("NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND"), rows)
    shell.out(render_table(table, paint=shell.paint, show_headers=headers))


@flags.verb(cli, "version")
@flags.flag("--client client_only", "Do not ask the apiserver.")
@flags.server
async def version(shell: Shell, clients: Clientset, *, client_only: bool) -> None:
    """Show the Kubernetes version that is followed, and vaina's own behind it, of this command and of the
    apiserver.
    """
    shell.out(f"Client Version: {GIT_VERSION}\n")
    if not client_only:
        with shell.reporting():
            shell.out(f"Server Version: {(await clients.version()).git_version}\n")


@cli.command("completion")
@click.argument("shell_name", metavar="SHELL", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell_name: str) -> None:
    """Write the shell's completion code: source <(vaina completion bash)."""
    found = get_completion_class(shell_name)
    if found is None:
        raise Failure(f'unsupported shell type "{shell_name}"')
    # What the first Tab needs is made now, when a second of it is nobody's wait.
    shell = flags.shell_of(context)
    if shell.grammar is not None:
        load(shell.grammar)
    source = found(context.find_root().command, {}, "vaina", COMPLETION_VARIABLE).source()
    shell.out(source)
