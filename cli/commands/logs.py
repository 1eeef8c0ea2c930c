"""`vaina logs`: what a container wrote, or writes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click

from cli import flags
from cli.app import cli
from cli.failures import Failure
from cli.following import selector_of
from cli.log_streams import Source, prefixes, write_lines, write_one, write_side_by_side
from cli.shell import Shell
from cli.targets import find_kind, parse_duration, parse_pod
from vaina.api.core.v1 import pod_pb2
from vaina.client.clientset import Clientset
from vaina.objects.times import TimeError, parse_time

#: lines of each Pod's log where a selector chose them
_SELECTED_TAIL = 10
DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"


@dataclass(frozen=True, slots=True)
class LogOptions:
    """What `logs` was asked for."""

    word: str = ""
    #: the container, as kubectl takes it too: behind the Pod
    name: str = ""
    container: str = ""
    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    tail: int = -1
    since: str = ""
    since_time: str = ""
    limit_bytes: int = 0
    all_containers: bool = False
    label_selector: str = ""
    all_pods: bool = False
    #: None: where it helps, on a terminal with several containers
    prefix: bool | None = None
    max_log_requests: int = 5


def container_names(pod: pod_pb2.Pod) -> list[str]:
    """Return the names of a Pod's containers as `Defaulted container` lists them."""
    return [
        *(c.name for c in pod.spec.containers),
        *(f"{c.name} (init)" for c in pod.spec.init_containers),
        *(f"{c.ephemeral_container_common.name} (ephem)" for c in pod.spec.ephemeral_containers),
    ]


def choose_container(shell: Shell, pod: pod_pb2.Pod, wanted: str) -> str:
    """Return the container to take: the first one, with a word about it, when none is named. Raises Failure."""
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


async def resolve_pod(shell: Shell, clients: Clientset, word: str) -> pod_pb2.Pod:
    """Return the Pod that a word names: jumpod, pod/jumpod, or one of rs/web. Raises Failure, ApiError."""
    kind, slash, _ = word.partition("/")
    if not slash or find_kind(kind).kind == "Pod":
        return await clients.pods.get(parse_pod(word), shell.namespace)
    found = await _owned(clients, word, shell.namespace)
    chosen = min(found, key=lambda pod: (pod.status.phase != "Running", pod.metadata.name))
    if len(found) > 1:
        shell.err(f"Found {len(found)} pods, using pod/{chosen.metadata.name}")
    return chosen


async def _owned(clients: Clientset, word: str, namespace: str) -> Sequence[pod_pb2.Pod]:
    """Return the Pods that a controller's selector finds. Raises Failure when it has none."""
    kind, _, name = word.partition("/")
    found = find_kind(kind)
    spec = found.message.DESCRIPTOR.fields_by_name.get("spec")
    fields = spec.message_type.fields_by_name if spec is not None and spec.message_type is not None else {}
    if not {"selector", "template"} <= set(fields):
        raise Failure(f"cannot get the logs from {word}: it has no pods")
    owner: Any = await clients.kind(found).get(name, namespace)
    listed = await clients.pods.list(namespace, label_selector=selector_of(owner))
    if not listed.items:
        raise Failure(f"no pods found for {word}")
    return sorted(listed.items, key=lambda pod: pod.metadata.name)


def _request(options: LogOptions, container: str) -> pod_pb2.PodLogOptions:
    request = pod_pb2.PodLogOptions(
        container=container, follow=options.follow, previous=options.previous, timestamps=options.timestamps
    )
    tail = _SELECTED_TAIL if options.tail == -1 and options.label_selector else options.tail
    if tail >= 0:
        request.tail_lines = tail
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


@flags.verb(cli, "logs", LogOptions)
@click.argument("word", default="", metavar="POD")
@click.argument("name", default="", metavar="[CONTAINER]")
@flags.namespace
@flags.container
@flags.flag("-f --follow", "Go on as more is written.")
@flags.flag("-p --previous", "Of the container's life before this one.")
@flags.flag("--timestamps", "With the time of each line.")
@flags.integer("--tail", -1, "The last lines only.")
@flags.text("--since", "Not older than: 5s, 2m, 3h.")
@flags.text("--since-time", "Not older than a time: 2026-11-21T08:00:00Z.")
@flags.integer("--limit-bytes", 0, "At most so many bytes.")
@flags.flag("--all-containers", "Of all containers.")
@flags.text("-l --selector label_selector", "Of all Pods with these labels: a=b,c!=d.")
@flags.flag("--all-pods", "Of all Pods of TYPE/NAME.")
@click.option(
    "--prefix",
    type=bool,
    is_flag=False,
    flag_value=True,
    default=None,
    help="Each line after [pod/POD/CONTAINER].",
)
@flags.integer("--max-log-requests", 5, "How many are followed at once (5).")
async def logs(shell: Shell, clients: Clientset, options: LogOptions) -> None:
    """Show what a container wrote."""
    sources = await _sources(shell, clients, options)
    before = prefixes(shell, sources, wanted=options.prefix or (True if options.all_pods else options.prefix))
    if options.follow and len(sources) > 1:
        if len(sources) > options.max_log_requests:
            raise Failure(
                f"you are attempting to follow {len(sources)} log streams, but maximum allowed concurrency is "
                f"{options.max_log_requests}, use --max-log-requests to increase the limit"
            )
        await write_side_by_side(shell, clients, sources, before)
        return
    for source, prefix in zip(sources, before, strict=True):
        if prefix:
            await write_lines(shell, clients, source, prefix)
        else:
            await write_one(shell, clients, source)


async def _sources(shell: Shell, clients: Clientset, options: LogOptions) -> list[Source]:
    namespace = shell.namespace
    if options.word and options.label_selector:
        raise Failure("only a selector (-l) or a POD name is allowed")
    if options.label_selector:
        listed = await clients.pods.list(namespace, label_selector=options.label_selector)
        found: Sequence[pod_pb2.Pod] = sorted(listed.items, key=lambda pod: pod.metadata.name)
        if not found:
            shell.err(f"No resources found in {namespace} namespace.")
    elif not options.word:
        raise Failure(
            "logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]\nPOD or TYPE/NAME is a required argument for the logs command"
        )
    elif options.all_pods:
        found = await _owned(clients, options.word, namespace)
    else:
        found = [await resolve_pod(shell, clients, options.word)]
    sources: list[Source] = []
    for pod in found:
        if options.all_containers:
            # As they start.
            order = (*pod.spec.init_containers, *pod.spec.containers)
            names = [item.name for item in order]
            names += [item.ephemeral_container_common.name for item in pod.spec.ephemeral_containers]
        else:
            names = [choose_container(shell, pod, options.container or options.name)]
        sources.extend(Source(pod, name, _request(options, name)) for name in names)
    return sources
