"""Logs of several containers side by side, and of one over its restarts, for `vaina logs`.

A line of one container is never cut by another's, and nothing is read ahead: a stream is asked for more when its
last piece was written.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from cli.following import states
from cli.printers.style import for_terminal
from cli.shell import Shell
from vaina.api.core.v1 import pod_pb2
from vaina.client.clientset import Clientset
from vaina.errors import ApiError, NotFound
from vaina.objects import pods

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
    meta = source.pod.metadata
    while True:
        try:
            async with aclosing(states(clients.pods, meta.namespace, meta.name)) as seen:
                async for pod in seen:
                    said = False if pod is None else _outlook(pod, source, attempt)
                    if said is not None:
                        return said
        except NotFound:
            return False


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
