"""`vaina kubeconfig`: what kubectl, and everything made for Kubernetes, needs to reach this cluster."""

import click

from cli import flags
from cli.app import cli
from cli.failures import Failure
from vaina.pki.folder import FolderError
from vaina.pki.kubeconfig import with_data

#: of the REST port (`rest_listen` of the apiserver)
DEFAULT_PORT = 6445


@cli.command("kubeconfig")
@flags.text("--address", "URL of the apiserver's REST port. [the server's host, port 6445]", "URL")
@flags.text("--cluster", "Name of the cluster in the file.", "NAME", "vaina")
@flags.server
@click.pass_context
def kubeconfig(context: click.Context, /, *, address: str, cluster: str) -> None:
    """Write a kubeconfig with your certificate in it: vaina kubeconfig > ~/cluster.yaml.

    It holds your key, and your certificate as it is now: write it anew when that is renewed. The cluster of
    `make up` has a kubeconfig that is never out of date, in deploy/admin/.
    """
    shell = flags.shell_of(context)
    if shell.credentials is None:
        raise Failure("there is no certificate to put into it; VAINA_CERT_DIR names the folder of yours")
    try:
        mine = shell.credentials.current()
    except FolderError as error:
        raise Failure(str(error)) from error
    host = shell.server.rpartition(":")[0] or "127.0.0.1"
    server = address or f"https://{host}:{DEFAULT_PORT}"
    shell.out(with_data(cluster, server, mine.authorities, mine.certificate, mine.key))
