"""`vaina scheduler verify` and `vaina scheduler decisions`: the scheduler itself, looked at from outside."""

from dataclasses import dataclass
from typing import Any

import click

from cli import flags
from cli.failures import Exit
from cli.printers.answers import write_answers
from cli.printers.explain import render_decisions, render_verify
from cli.scheduler_target import ask_scheduler, scheduler_flag, start
from cli.shell import Shell
from cli.targets import parse_pod
from vaina.client.clientset import Clientset
from vaina.client.scheduler import SchedulerClient


@dataclass(frozen=True, slots=True)
class DecisionsOptions:
    """What `scheduler decisions` was asked for."""

    word: str = ""
    namespace: str = ""
    limit: int = 20
    output: str = ""


async def verify(
    shell: Shell, scheduler: SchedulerClient, *, against_apiserver: bool = False, output: str = ""
) -> None:
    """Compare the scheduler's columns with the API objects. Raises Exit with 1 when they differ."""
    answer = await ask_scheduler(shell, scheduler.verify(against_apiserver=against_apiserver))
    if output:
        shell.out_data(write_answers([answer], output))
    else:
        shell.out(render_verify(answer, shell.paint))
    if answer.difference_count:
        raise Exit(1)


async def decisions(shell: Shell, scheduler: SchedulerClient, options: DecisionsOptions) -> None:
    """Show past decisions, newest first."""
    name = parse_pod(options.word) if options.word else ""
    namespace = options.namespace or (shell.namespace if name else "")
    answer = await ask_scheduler(shell, scheduler.list_decisions(namespace, name, limit=options.limit))
    if options.output:
        shell.out_data(write_answers([answer], options.output))
    else:
        shell.out(render_decisions(answer, shell.paint))


@click.group("scheduler")
def scheduler_command() -> None:
    """Look at the scheduler: are its columns true, and what did it decide?"""


_output = click.option(
    "-o", "--output", type=click.Choice(["", "json", "yaml"]), default="", help="The whole answer."
)


@scheduler_command.command("verify")
@flags.server
@scheduler_flag
@click.option(
    "--against-apiserver",
    is_flag=True,
    help="Also list nodes and Pods afresh, and compare what the watches show.",
)
@_output
def verify_command(*, against_apiserver: bool, output: str) -> None:
    """Compare the scheduler's columns with the API objects; ends with 1 when they differ."""

    async def ask(shell: Shell, _: Clientset, scheduler: SchedulerClient) -> None:
        await verify(shell, scheduler, against_apiserver=against_apiserver, output=output)

    start(ask)


@scheduler_command.command("decisions")
@click.argument("word", metavar="[POD]", default="")
@flags.namespace
@scheduler_flag
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@_output
def decisions_command(**options: Any) -> None:
    """Show past decisions, newest first: of one Pod, of a namespace (-n), or of all."""
    given = DecisionsOptions(**options)

    async def ask(shell: Shell, _: Clientset, scheduler: SchedulerClient) -> None:
        await decisions(shell, scheduler, given)

    start(ask)
