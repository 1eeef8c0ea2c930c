"""`vaina explain` and `vaina fit`: why a Pod is where it is, what would make it fit, and how many more would."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click
from google.protobuf.message import Message

from cli import flags
from cli.failures import Failure
from cli.printers.answers import write_answers
from cli.printers.explain import render_explain, render_fit
from cli.scheduler_target import ask_scheduler, read_pods, scheduler_flag, start
from cli.shell import Shell
from cli.targets import parse_pod
from vaina.client.clientset import Clientset
from vaina.client.scheduler import SchedulerClient
from vaina.errors import NotFound
from vaina.kinds import KINDS_BY_NAME


@dataclass(frozen=True, slots=True)
class ExplainOptions:
    """What `explain` was asked for."""

    word: str = ""
    files: Sequence[str] = ()
    recursive: bool = False
    namespace: str = ""
    limit: int = 0
    output: str = ""


@dataclass(frozen=True, slots=True)
class FitOptions:
    """What `fit` was asked for."""

    files: Sequence[str] = ()
    recursive: bool = False
    namespace: str = ""
    max_copies: int = 0
    output: str = ""


async def explain(
    shell: Shell, clients: Clientset, scheduler: SchedulerClient, options: ExplainOptions
) -> None:
    """Say why a Pod is where it is, or what would be decided for the Pods of manifests."""
    if bool(options.word) == bool(options.files):
        raise Failure("either a POD or -f FILE is required, and not both")
    answers: list[Message] = []
    if options.files:
        pods = await read_pods(
            shell, clients, options.files, recursive=options.recursive, namespace=options.namespace
        )
        calls = (scheduler.explain(pod=pod, limit=options.limit) for pod in pods)
        answers += [await ask_scheduler(shell, call) for call in calls]
    else:
        name = parse_pod(options.word)
        call = scheduler.explain(options.namespace or shell.namespace, name, limit=options.limit)
        try:
            answers.append(await ask_scheduler(shell, call))
        except NotFound as error:
            if _is_field_path(options.word):
                raise Failure(
                    f'there is no Pod "{name}"; explain is about Pods and their nodes, '
                    f"the fields of {name.split('.')[0]} are not documented here"
                ) from error
            raise
    if options.output:
        shell.out_data(write_answers(answers, options.output))
    else:
        shell.out("\n".join(render_explain(answer, shell.paint) for answer in answers))  # type: ignore[arg-type]  # all are ExplainResponses


def _is_field_path(word: str) -> bool:
    """Say whether a word reads as kubectl's `explain pods.spec`."""
    return word.split(".")[0].lower() in KINDS_BY_NAME


async def fit(shell: Shell, clients: Clientset, scheduler: SchedulerClient, options: FitOptions) -> None:
    """Say how many copies of the Pods of manifests would fit now, each kind alone."""
    answers: list[Message] = []
    texts: list[str] = []
    for pod in await read_pods(
        shell, clients, options.files, recursive=options.recursive, namespace=options.namespace
    ):
        answer = await ask_scheduler(shell, scheduler.fit(pod, max_copies=options.max_copies))
        answers.append(answer)
        texts.append(render_fit(answer, f"{pod.metadata.namespace}/{pod.metadata.name}", shell.paint))
    if options.output:
        shell.out_data(write_answers(answers, options.output))
    else:
        shell.out("\n".join(texts))


_output = click.option(
    "-o", "--output", type=click.Choice(["", "json", "yaml"]), default="", help="The whole answer."
)


@click.command("explain")
@click.argument("word", metavar="[POD]", default="")
@flags.namespace
@scheduler_flag
@flags.files
@click.option("--limit", type=click.IntRange(0, 100), default=0, help="Nodes and groups of nodes shown (10).")
@_output
def explain_command(**options: Any) -> None:
    """Say why a Pod is on its node or on none, and what would make it fit; -f: a Pod that need not exist.

    \b
      vaina explain web                  the Pod web: what was decided, or what is in its way
      vaina explain -f web.yaml          where it would go if it were created now
    Unlike kubectl's explain, the word is always a Pod, never a type of object: this is about
    nodes, not about fields.
    """  # noqa: D301  # click reads the backspace as "leave the lines as they are"
    given = ExplainOptions(**options)
    start(lambda shell, clients, scheduler: explain(shell, clients, scheduler, given))


@click.command("fit")
@flags.namespace
@scheduler_flag
@flags.files
@click.option(
    "--max",
    "max_copies",
    type=click.IntRange(0, 100_000),
    default=0,
    help="Stop after so many copies (1000).",
)
@_output
def fit_command(**options: Any) -> None:
    """Say how many copies of a manifest's Pod would fit now, and where; nothing is created.

    \b
      vaina fit -f web.yaml              the Pod, or the Pods of a ReplicaSet, as often as there is room
      vaina fit -f web.yaml --max 10     no further than ten
    """  # noqa: D301  # click reads the backspace as "leave the lines as they are"
    given = FitOptions(**options)
    start(lambda shell, clients, scheduler: fit(shell, clients, scheduler, given))
