"""`vaina why POD` asks for all that is known of a Pod; `vaina.why` judges it."""

import click

from cli import flags
from cli.app import cli
from cli.printers.diagnosis import render_diagnosis
from cli.shell import Shell
from cli.targets import parse_pod
from vaina.client.clientset import Clientset
from vaina.client.evidence import gather
from vaina.why.diagnose import diagnose


@flags.verb(cli, "why")
@click.argument("word", metavar="POD")
@flags.namespace
async def why(shell: Shell, clients: Clientset, *, word: str) -> None:
    """Say what is wrong with a Pod, and what to look at next."""
    evidence = await gather(clients, parse_pod(word), shell.namespace, now=shell.clock.now())
    shell.out(render_diagnosis(diagnose(evidence), shell.paint, shell.language))
