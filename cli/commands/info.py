"""`vaina api-resources` and `vaina version`: what there is to talk about, and with whom."""

import click

from cli import flags
from cli.printers.table import Table, render_table
from cli.shell import Shell
from vaina.client.clientset import Clientset
from vaina.errors import ApiError
from vaina.kinds import KINDS
from vaina.version import GIT_VERSION


def api_resources(shell: Shell, *, headers: bool = True, output: str = "") -> None:
    """Show all kinds."""
    if output == "name":
        shell.out("".join(f"{kind.resource}\n" for kind in KINDS))
        return
    rows = [
        (kind.plural, ",".join(kind.short_names), kind.api_version, str(kind.namespaced).lower(), kind.kind)
        for kind in KINDS
    ]
    table = Table(("NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND"), rows)
    shell.out(render_table(table, paint=shell.paint, show_headers=headers))


async def version(shell: Shell, clients: Clientset, *, client_only: bool) -> None:
    """Show the version of this command, and that of the apiserver."""
    shell.out(f"Client Version: {GIT_VERSION}\n")
    if client_only:
        return
    try:
        server = await clients.version()
    except ApiError as error:
        shell.report(error)
    else:
        shell.out(f"Server Version: {server.git_version}\n")


@click.command("api-resources")
@click.option("--no-headers", "headers", is_flag=True, flag_value=False, default=True)
@click.option("-o", "--output", type=click.Choice(["", "name", "wide"]), default="")
def api_resources_command(*, headers: bool, output: str) -> None:
    """Show all kinds of objects."""
    api_resources(flags.shell_of(click.get_current_context()), headers=headers, output=output)


@click.command("version")
@click.option("--client", "client_only", is_flag=True, help="Do not ask the apiserver.")
@flags.server
def version_command(*, client_only: bool) -> None:
    """Show the Kubernetes version that is followed, and vaina's own behind it, of this command and of the
    apiserver.
    """
    flags.start(lambda shell, clients: version(shell, clients, client_only=client_only))
