"""`vaina scheduler verify` and `vaina scheduler decisions`: the scheduler itself, looked at from outside."""

import click

from cli import flags
from cli.app import cli
from cli.failures import Exit
from cli.printers.explain import render_decisions, render_verify, write_answers
from cli.scheduler_target import scheduler_client, scheduler_flag
from cli.shell import Shell
from cli.targets import parse_pod
from vaina.client.clientset import Clientset


@cli.group("scheduler")
def scheduler_command() -> None:
    """Look at the scheduler: are its columns true, and what did it decide?"""


@flags.verb(scheduler_command, "verify")
@flags.server
@scheduler_flag
@flags.flag("--against-apiserver", "Also list nodes and Pods afresh, and compare what the watches show.")
@flags.answer_output
async def verify(shell: Shell, _: Clientset, *, against_apiserver: bool, output: str) -> None:
    """Compare the scheduler's columns with the API objects; ends with 1 when they differ."""
    async with scheduler_client(shell) as scheduler:
        answer = await scheduler.verify(against_apiserver=against_apiserver)
    if output:
        shell.out_data(write_answers([answer], output))
    else:
        shell.out(render_verify(answer, shell.paint))
    if answer.difference_count:
        raise Exit(1)


@flags.verb(scheduler_command, "decisions")
@click.argument("word", metavar="[POD]", default="")
@flags.namespace
@scheduler_flag
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@flags.answer_output
async def decisions(shell: Shell, _: Clientset, *, word: str, limit: int, output: str) -> None:
    """Show past decisions, newest first: of one Pod, of a namespace (-n), or of all."""
    name = parse_pod(word) if word else ""
    namespace = shell.namespace if name else shell.given_namespace
    async with scheduler_client(shell) as scheduler:
        answer = await scheduler.list_decisions(namespace, name, limit=limit)
    if output:
        shell.out_data(write_answers([answer], output))
    else:
        shell.out(render_decisions(answer, shell.paint))
