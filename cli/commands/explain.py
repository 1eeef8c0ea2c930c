"""`vaina explain` and `vaina fit`: why a Pod is where it is, what would make it fit, and how many more would."""

from collections.abc import Sequence
from typing import Any

import click
from google.protobuf.message import Message

from cli import flags
from cli.app import cli
from cli.failures import Failure
from cli.printers.explain import render_explain, render_fit, write_answers
from cli.scheduler_target import read_pods, scheduler_client, scheduler_flag
from cli.shell import Shell
from cli.targets import parse_pod
from vaina.client.clientset import Clientset
from vaina.errors import NotFound
from vaina.kinds import KINDS_BY_NAME


@flags.verb(cli, "explain")
@click.argument("word", metavar="[POD]", default="")
@flags.namespace
@scheduler_flag
@flags.files
@click.option("--limit", type=click.IntRange(0, 100), default=0, help="Nodes and groups of nodes shown (10).")
@flags.answer_output
async def explain(
    shell: Shell,
    clients: Clientset,
    *,
    word: str,
    files: Sequence[str],
    recursive: bool,
    limit: int,
    output: str,
) -> None:
    """Say why a Pod is on its node or on none, and what would make it fit; -f: a Pod that need not exist.

    \b
      vaina explain web                  the Pod web: what was decided, or what is in its way
      vaina explain -f web.yaml          where it would go if it were created now
    Unlike kubectl's explain, the word is always a Pod, never a type of object: this is about
    nodes, not about fields.
    """  # noqa: D301  # click reads the backspace as "leave the lines as they are"
    if bool(word) == bool(files):
        raise Failure("either a POD or -f FILE is required, and not both")
    answers: list[Any] = []
    if files:
        pods = await read_pods(shell, clients, files, recursive=recursive)
        async with scheduler_client(shell) as scheduler:
            answers += [await scheduler.explain(pod=pod, limit=limit) for pod in pods]
    else:
        name = parse_pod(word)
        try:
            async with scheduler_client(shell) as scheduler:
                answers.append(await scheduler.explain(shell.namespace, name, limit=limit))
        except NotFound as error:
            # As kubectl's `explain pods.spec`.
            kind = word.split(".")[0]
            if kind.lower() in KINDS_BY_NAME:
                raise Failure(
                    f'there is no Pod "{name}"; explain is about Pods and their nodes, '
                    f"the fields of {name.split('.')[0]} are not documented here"
                ) from error
            raise
    if output:
        shell.out_data(write_answers(answers, output))
    else:
        shell.out("\n".join(render_explain(answer, shell.paint) for answer in answers))


@flags.verb(cli, "fit")
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
@flags.answer_output
async def fit(
    shell: Shell, clients: Clientset, *, files: Sequence[str], recursive: bool, max_copies: int, output: str
) -> None:
    """Say how many copies of a manifest's Pod would fit now, and where; nothing is created.

    \b
      vaina fit -f web.yaml              the Pod, or the Pods of a ReplicaSet, as often as there is room
      vaina fit -f web.yaml --max 10     no further than ten
    """  # noqa: D301  # click reads the backspace as "leave the lines as they are"
    answers: list[Message] = []
    texts: list[str] = []
    pods = await read_pods(shell, clients, files, recursive=recursive)
    async with scheduler_client(shell) as scheduler:
        for pod in pods:
            answer = await scheduler.fit(pod, max_copies=max_copies)
            answers.append(answer)
            texts.append(render_fit(answer, f"{pod.metadata.namespace}/{pod.metadata.name}", shell.paint))
    if output:
        shell.out_data(write_answers(answers, output))
    else:
        shell.out("\n".join(texts))
