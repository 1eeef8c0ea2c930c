"""`vaina dashboard`: the link that opens the page (docs/page.md)."""

import click

from cli import flags
from cli.app import cli
from cli.failures import Failure
from vaina.pki.login import LOGIN_LINK


@cli.command("dashboard")
@click.pass_context
def dashboard(context: click.Context, /) -> None:
    """Print the link that opens the page of this cluster in a browser.

    Who has the link may read what the page shows: do not pass it on.
    """
    shell = flags.shell_of(context)
    if shell.credentials is None:
        raise Failure(
            "there is no cluster of `make up` here; VAINA_CERT_DIR names the folder with your certificate"
        )
    try:
        link = (shell.credentials.path / LOGIN_LINK).read_text("ascii")
    except (OSError, ValueError) as error:
        raise Failure(
            f"{error}; `vaina certs make --page-server URL` writes the link beside the administrator's certificate"
        ) from error
    shell.out(f"{link.strip()}\n")
