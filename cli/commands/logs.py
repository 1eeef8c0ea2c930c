"""`vaina logs`: what a container wrote, or writes."""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import click

from cli import flags
from cli.shell import Failure, Shell
from cli.targets import find_kind, parse_duration, parse_pod
from vaina.api.core.v1 import pod_pb2
from vaina.client.clientset import Clientset
from vaina.objects import selectors
from vaina.objects.times import TimeError, parse_time

DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"


@dataclass(frozen=True, slots=True)
class LogOptions:
    """What `logs` was asked for."""

    word: str
    container: str = ""
    namespace: str = ""
    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    tail: int = -1
    since: str = ""
    since_time: str = ""
    limit_bytes: int = 0
    all_containers: bool = False


def container_names(pod: pod_pb2.Pod) -> list[str]:
    """Return the names of a Pod's containers as `Defaulted container` lists them."""
    return [
        *(c.name for c in pod.spec.containers),
        *(f"{c.name} (init)" for c in pod.spec.init_containers),
        *(f"{c.ephemeral_container_common.name} (ephem)" for c in pod.spec.ephemeral_containers),
    ]


def choose_container(shell: Shell, pod: pod_pb2.Pod, wanted: str) -> str:
    """Return the container to take; the first one, with a word about the choice, when none is named.

    Raises:
        Failure: the Pod has no such container.
    """
    names = [name.split(" ")[0] for name in container_names(pod)]
    if wanted:
        if wanted not in names:
            raise Failure(f"container {wanted} is not valid for pod {pod.metadata.name}")
        return wanted
    default = pod.metadata.annotations.get(DEFAULT_CONTAINER, "")
    if default in names:
        return default
    if not names:
        raise Failure(f"no containers in pod {pod.metadata.name}")
    if len(names) > 1:
        shell.err(f'Defaulted container "{names[0]}" out of: {", ".join(container_names(pod))}')
    return names[0]


async def resolve_pod(shell: Shell, clients: Clientset, word: str, namespace: str) -> pod_pb2.Pod:
    """Return the Pod that a word names: jumpod, pod/jumpod, or one of rs/web.

    Raises:
        Failure: a controller has no Pod.
        ApiError: it is not there.
    """
    kind, slash, name = word.partition("/")
    if not slash or find_kind(kind).kind == "Pod":
        return await clients.pods.get(parse_pod(word), namespace)
    found = find_kind(kind)
    if not found.has_scale:
        raise Failure(f"cannot get the logs from {word}: it has no pods")
    owner: Any = await clients.kind(found).get(name, namespace)
    selector = owner.spec.selector
    wanted = (
        selectors.from_message(selector) if found.kind == "ReplicaSet" else selectors.from_labels(selector)
    )
    listed = await clients.pods.list_all(namespace, label_selector=str(wanted))
    if not listed.items:
        raise Failure(f"no pods found for {word}")
    chosen = min(listed.items, key=lambda pod: (pod.status.phase != "Running", pod.metadata.name))
    if len(listed.items) > 1:
        shell.err(f"Found {len(listed.items)} pods, using pod/{chosen.metadata.name}")
    return chosen


def _request(options: LogOptions, container: str) -> pod_pb2.PodLogOptions:
    request = pod_pb2.PodLogOptions(
        container=container, follow=options.follow, previous=options.previous, timestamps=options.timestamps
    )
    if options.tail >= 0:
        request.tail_lines = options.tail
    if options.since and options.since_time:
        raise Failure("at most one of --since and --since-time may be used")
    if options.since:
        request.since_seconds = max(1, round(parse_duration(options.since)))
    if options.since_time:
        try:
            request.since_time.CopyFrom(parse_time(options.since_time))
        except TimeError as error:
            raise Failure(str(error)) from error
    if options.limit_bytes:
        request.limit_bytes = options.limit_bytes
    return request


async def logs(shell: Shell, clients: Clientset, options: LogOptions) -> None:
    """Write a container's log to standard output, byte for byte."""
    namespace = options.namespace or shell.namespace
    pod = await resolve_pod(shell, clients, options.word, namespace)
    if options.all_containers:
        if options.follow:
            raise Failure("--all-containers cannot follow; follow one with -c")
        chosen: Sequence[str] = [name.split(" ")[0] for name in container_names(pod)]
    else:
        chosen = [choose_container(shell, pod, options.container)]
    for container in chosen:
        stream = clients.pods.logs(
            namespace, pod.metadata.name, _request(options, container), uid=pod.metadata.uid
        )
        async with aclosing(stream) as parts:
            async for part in parts:
                shell.out_bytes(part)


@click.command("logs")
@click.argument("word", metavar="POD")
@click.argument("name", default="", metavar="[CONTAINER]")
@flags.namespace
@click.option("-c", "--container", default="", help="Which container; the first one otherwise.")
@click.option("-f", "--follow", is_flag=True, help="Go on as more is written.")
@click.option("-p", "--previous", is_flag=True, help="Of the container's life before this one.")
@click.option("--timestamps", is_flag=True, help="With the time of each line.")
@click.option("--tail", type=int, default=-1, help="The last lines only.")
@click.option("--since", default="", help="Not older than: 5s, 2m, 3h.")
@click.option("--since-time", default="", help="Not older than a time: 2026-11-21T08:00:00Z.")
@click.option("--limit-bytes", type=int, default=0, help="At most so many bytes.")
@click.option("--all-containers", is_flag=True, help="Of all containers, one after the other.")
def logs_command(name: str, **options: Any) -> None:
    """Show what a container wrote."""
    options["container"] = options["container"] or name
    given = LogOptions(**options)
    flags.start(lambda shell, clients: logs(shell, clients, given))
