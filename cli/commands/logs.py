"""`vaina logs`: what containers wrote, or write; of several side by side, and of one over its restarts.

A line of one container is never cut by another's, and nothing is read ahead: a stream is asked for more when its
last piece was written.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, nullcontext, suppress
from dataclasses import dataclass
from typing import Any, Final

import click

from cli import flags
from cli.app import cli
from cli.failures import Failure
from cli.following import selector_of, until
from cli.printers.style import for_terminal
from cli.shell import Shell
from cli.targets import find_kind, parse_duration, parse_pod
from vaina.api.core.v1 import pod_pb2
from vaina.client.clientset import Clientset
from vaina.errors import ApiError, NotFound
from vaina.objects import pods
from vaina.objects.times import TimeError, parse_time

#: bytes of a line that is written before its end came, so that one without an end fills no memory
_LONGEST_LINE: Final = 64 * 1024
_COLOURS: Final = ("cyan", "green", "magenta", "yellow", "blue", "bold cyan", "bold green", "bold yellow")


@dataclass(frozen=True, slots=True)
class Source:
    """A container whose log is wanted, and how."""

    pod: pod_pb2.Pod
    container: str
    request: pod_pb2.PodLogOptions

    @property
    def name(self) -> str:
        """As --prefix shows it."""
        return f"[pod/{self.pod.metadata.name}/{self.container}]"


async def read(clients: Clientset, source: Source) -> AsyncGenerator[bytes, None]:
    """Yield a log; with `follow` that of the container's later lives too, until Pod or container are over."""
    meta = source.pod.metadata
    request = source.request
    follows = request.follow and not request.previous
    while True:
        attempt = -1
        stream = clients.pods.log_stream(meta.namespace, meta.name, request, uid=meta.uid)
        async with aclosing(stream) as answers:
            async for answer in answers:
                if answer.HasField("attempt"):
                    attempt = answer.attempt
                if answer.data:
                    yield answer.data
        if not follows or attempt < 0 or not await _lives_again(clients, source, attempt):
            return
        # All of the next life is news.
        request = pod_pb2.PodLogOptions(
            container=request.container,
            follow=True,
            timestamps=request.timestamps,
            stream=request.stream or None,
        )


async def _lives_again(clients: Clientset, source: Source, attempt: int) -> bool:
    """Wait until a container lives after an attempt; False when it never will."""
    said: bool | None = None

    def over(pod: pod_pb2.Pod | None) -> bool:
        nonlocal said
        said = False if pod is None else _outlook(pod, source, attempt)
        return said is not None

    with suppress(NotFound):
        await until(clients.pods, source.pod.metadata.namespace, source.pod.metadata.name, over)
    return bool(said)


def _outlook(pod: pod_pb2.Pod, source: Source, attempt: int) -> bool | None:
    """Say whether a container lives again after an attempt; None: that is still to be seen."""
    statuses = (*pod.status.init_container_statuses, *pod.status.container_statuses)
    status = next((item for item in statuses if item.name == source.container), None)
    gone = pod.metadata.uid != source.pod.metadata.uid
    if gone or pods.is_terminal(pod) or pod.metadata.HasField("deletion_timestamp"):
        return False
    if status is not None and status.restart_count > attempt and not status.state.HasField("waiting"):
        return True
    sidecar = False
    for spec in pod.spec.init_containers:
        if spec.name == source.container:
            sidecar = pods.is_restartable_init(spec)
            if not sidecar and status is not None and status.ready:
                return False
    if any(
        item.ephemeral_container_common.name == source.container for item in pod.spec.ephemeral_containers
    ):
        return False
    if sidecar or pod.spec.restart_policy == "Always":
        return None
    if pod.spec.restart_policy == "Never":
        return False
    ended = status.state.terminated if status is not None and status.state.HasField("terminated") else None
    return False if ended is not None and ended.exit_code == 0 else None


async def write_one(shell: Shell, clients: Clientset, source: Source) -> None:
    """Write a log byte for byte."""
    async with aclosing(read(clients, source)) as parts:
        async for part in parts:
            shell.out_bytes(part)


async def write_lines(shell: Shell, clients: Clientset, source: Source, prefix: str) -> None:
    """Write a log line by line, each after a prefix."""
    start = for_terminal(prefix).encode()
    rest = b""
    async with aclosing(read(clients, source)) as parts:
        async for part in parts:
            *lines, rest = (rest + part).split(b"\n")
            if len(rest) > _LONGEST_LINE:
                lines, rest = [*lines, rest], b""
            if lines:
                shell.out_bytes(b"".join(start + line + b"\n" for line in lines))
    if rest:
        shell.out_bytes(start + rest + b"\n")


def prefixes(shell: Shell, sources: Sequence[Source], *, wanted: bool | None) -> list[str]:
    """Return what stands before each source's lines; by default something on a terminal with several sources."""
    if not (wanted if wanted is not None else shell.interactive and len(sources) > 1):
        return ["" for _ in sources]
    colours: dict[str, str] = {}
    for source in sources:
        colours.setdefault(source.pod.metadata.uid, _COLOURS[len(colours) % len(_COLOURS)])
    return [f"{shell.paint(colours[source.pod.metadata.uid], source.name)} " for source in sources]


async def write_side_by_side(
    shell: Shell, clients: Clientset, sources: Sequence[Source], before: Sequence[str]
) -> None:
    """Follow all sources at once, until all are over; one that is refused is told, and the others go on."""

    async def one(source: Source, prefix: str) -> None:
        try:
            await write_lines(shell, clients, source, prefix)
        except ApiError as error:
            shell.report(error)

    async with asyncio.TaskGroup() as group:
        for source, prefix in zip(sources, before, strict=True):
            group.create_task(one(source, prefix))


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
        words = f"waiting for logs of pods/{source.pod.metadata.name}"
        # One that is followed may have nothing to say for hours.
        with nullcontext() if options.follow else shell.busy(words):
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
