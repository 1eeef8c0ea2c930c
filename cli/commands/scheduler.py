"""`vaina explain`, `vaina fit` and `vaina scheduler`: what a scheduler decides, and whether it is right.

The command talks to the scheduler itself (decision 099). A manifest goes through the apiserver first, as a
dry run: the scheduler is asked about the Pod that would really be stored, with its defaults and priority.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import click
from google.protobuf.message import Message

from cli import flags
from cli.app import cli
from cli.failures import Exit, Failure
from cli.files import into_namespace, read_objects, read_sources
from cli.printers.explain import render_decisions, render_explain, render_fit, render_verify, write_answers
from cli.printers.fields import render_fields, split_path, unknown_field
from cli.shell import Shell
from cli.targets import parse_pod
from vaina.api.core.v1 import pod_pb2
from vaina.client.clientset import Clientset
from vaina.client.scheduler import SchedulerClient
from vaina.errors import AlreadyExists, ApiError, Unavailable
from vaina.kinds import Kind
from vaina.objects.manifest import Decoded

#: Pods of one call
MAX_PODS = 100
#: nothing is created, and the Pod of a template has a controller
_UNWANTED = (" has no controller: ",)


def _use_scheduler(context: click.Context, _: click.Parameter, value: str | None) -> None:
    if value:
        flags.shell_of(context).scheduler = value


def scheduler_flag(command: flags.F) -> flags.F:
    """Add the flag that says which scheduler."""
    return click.option(
        "--scheduler", expose_value=False, callback=_use_scheduler, metavar="HOST:PORT",
        help="Address of the scheduler (VAINA_SCHEDULER, 127.0.0.1:10259).",
    )(command)  # fmt: skip


@asynccontextmanager
async def scheduler_client(shell: Shell) -> AsyncIterator[SchedulerClient]:
    """Give a client of the scheduler. Raises Failure: nobody answers there."""
    client = shell.connect_scheduler(shell.scheduler)
    try:
        yield client
    except Unavailable as error:
        raise Failure(
            f"the scheduler at {shell.scheduler} did not answer: {error.message} (--scheduler, VAINA_SCHEDULER)"
        ) from error
    finally:
        await client.close()


async def read_pods(
    shell: Shell, clients: Clientset, files: Sequence[str], *, recursive: bool
) -> list[pod_pb2.Pod]:
    """Read the Pods of manifests, and those of templates, as the apiserver would store them.

    Raises Failure: there is none, or too many; ApiError: the apiserver would refuse one.
    """
    objects = read_objects(read_sources(shell, files, recursive=recursive))
    pods: list[pod_pb2.Pod] = []
    without: list[str] = []
    for source, decoded in objects:
        if isinstance(decoded, ApiError):
            raise decoded
        into_namespace(shell, decoded)
        pod = _pod_of(decoded)
        if pod is None:
            without.append(f"{source.name}: {decoded.kind.kind} has no Pod template")
        else:
            pods.append(pod)
    if without and not pods:
        raise Failure(f"{without[0]}: a Pod, or what makes Pods, is needed")
    if len(pods) > MAX_PODS:
        raise Failure(f"{len(pods)} Pods are too many at once: at most {MAX_PODS}")
    for text in without:
        shell.err(f"{text}: left out")
    shell.unwanted_warnings = _UNWANTED
    return [await _as_stored(clients, pod) for pod in pods]


def _pod_of(decoded: Decoded) -> pod_pb2.Pod | None:
    """Return the Pod that an object is or makes; None: it has none."""
    obj: Any = decoded.message
    if isinstance(obj, pod_pb2.Pod):
        pod = pod_pb2.Pod()
        pod.CopyFrom(obj)
        if pod.metadata.uid:
            # Taken from a cluster: the question is about another one like it.
            pod.spec.ClearField("node_name")
        meta = pod.metadata
    elif hasattr(obj, "spec") and (hasattr(obj.spec, "template") or hasattr(obj.spec, "job_template")):
        # A CronJob makes Jobs, and they the Pods.
        spec = obj.spec if hasattr(obj.spec, "template") else obj.spec.job_template.spec
        pod = pod_pb2.Pod(metadata=spec.template.metadata, spec=spec.template.spec)
        meta = pod.metadata
        meta.name, meta.namespace = obj.metadata.name, obj.metadata.namespace
    else:
        return None
    kept = pod_pb2.Pod(spec=pod.spec)
    kept.metadata.name = meta.name or meta.generate_name.rstrip("-")
    kept.metadata.namespace = meta.namespace
    kept.metadata.labels.update(meta.labels)
    kept.metadata.annotations.update(meta.annotations)
    return kept


async def _as_stored(clients: Clientset, pod: pod_pb2.Pod) -> pod_pb2.Pod:
    """Let the apiserver complete and judge a Pod; that its name is taken is no reason to refuse."""
    try:
        made = await clients.pods.create(pod, dry_run=True, field_manager="vaina")
    except AlreadyExists:
        asked = pod_pb2.Pod()
        asked.CopyFrom(pod)
        asked.metadata.name, asked.metadata.generate_name = "", f"{pod.metadata.name}-"
        made = await clients.pods.create(asked, dry_run=True, field_manager="vaina")
        made.metadata.name = pod.metadata.name
    made.metadata.ClearField("generate_name")
    made.metadata.ClearField("uid")
    return made


def _show(shell: Shell, answers: list[Message], texts: list[str], output: str) -> None:
    if output:
        shell.out_data(write_answers(answers, output))
    else:
        shell.out("\n".join(texts))


@dataclass(frozen=True, slots=True)
class Asked:
    """What `vaina explain` was asked."""

    word: str = ""
    files: Sequence[str] = ()
    recursive: bool = False
    max_depth: int = 0
    limit: int = 0
    output: str = ""


@flags.verb(cli, "explain", Asked)
@click.argument("word", metavar="[POD | KIND[.FIELD...]]", default="")
@flags.namespace
@scheduler_flag
@flags.files
@flags.number("--max-depth", (0, 100), 0, "How deep --recursive looks; 0 is all the way.")
@click.option("--limit", type=click.IntRange(0, 100), default=0, help="Nodes and groups of nodes shown (10).")
@flags.answer_output
async def explain(shell: Shell, clients: Clientset, asked: Asked) -> None:
    """Say why a Pod is on its node or on none, and what would make it fit; or what a kind's fields are for.

    \b
      vaina explain web                  the Pod web: what was decided, or what is in its way
      vaina explain -f web.yaml          where it would go if it were created now
      vaina explain pods.spec.containers [-R]   what fields are for
    A word that begins with a kind's name (up to the first dot) means fields, every other one a Pod. A Pod
    that is called like a kind is pod/NAME.
    """  # noqa: D301  # click reads the backspace as "leave the lines as they are"
    word = asked.word
    if bool(word) == bool(asked.files):
        raise Failure("either a POD, a KIND or -f FILE is required, and not several")
    if asked.max_depth and not asked.recursive:
        raise Failure("--max-depth requires --recursive")
    if word and (found := split_path(word)):
        _explain_fields(shell, *found, recursive=asked.recursive, max_depth=asked.max_depth)
        return
    if asked.recursive and word:
        raise Failure(f"--recursive is about fields, and {word} begins with no kind (vaina api-resources)")
    answers: list[Any] = []
    if asked.files:
        pods = await read_pods(shell, clients, asked.files, recursive=asked.recursive)
        async with scheduler_client(shell) as scheduler:
            answers += [await scheduler.explain(pod=pod, limit=asked.limit) for pod in pods]
    else:
        async with scheduler_client(shell) as scheduler:
            answers.append(await scheduler.explain(shell.namespace, parse_pod(word), limit=asked.limit))
    _show(
        shell,
        answers,
        [render_explain(answer, shell.paint, shell.language) for answer in answers],
        asked.output,
    )


def _explain_fields(
    shell: Shell, kind: Kind[Any], path: Sequence[str], *, recursive: bool, max_depth: int
) -> None:
    """Write what fields are for: no server is asked. Raises Failure: there is no such field."""
    if wrong := unknown_field(kind, path):
        raise Failure(wrong)
    shell.out(render_fields(kind, path, recursive=recursive, max_depth=max_depth))


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
            texts.append(
                render_fit(
                    answer, f"{pod.metadata.namespace}/{pod.metadata.name}", shell.paint, shell.language
                )
            )
    _show(shell, answers, texts, output)


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
    _show(shell, [answer], [render_verify(answer, shell.paint)], output)
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
    _show(shell, [answer], [render_decisions(answer, shell.paint)], output)
