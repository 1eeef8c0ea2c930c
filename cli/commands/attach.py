"""`vaina attach`: the streams of a container's own process on this terminal. Words as kubectl attach has them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import click

from cli import flags
from cli.commands.logs import choose_container, resolve_pod
from cli.shell import Failure, Shell
from vaina.api.core.v1 import pod_pb2, pod_stream_pb2
from vaina.client.clientset import Clientset
from vaina.objects import pods


@dataclass(frozen=True, slots=True)
class AttachOptions:
    """What `attach` was asked for."""

    word: str
    container: str = ""
    namespace: str = ""
    stdin: bool = False
    tty: bool = False
    quiet: bool = False


async def attach(shell: Shell, clients: Clientset, options: AttachOptions) -> None:
    """Join a container's streams until it ends, or the input does.

    Raises:
        Failure: the Pod has ended.
    """
    pod = await resolve_pod(shell, clients, options.word, options.namespace or shell.namespace)
    if pods.is_terminal(pod):
        raise Failure(f"cannot attach a container in a completed pod; current phase is {pod.status.phase}")
    container = choose_container(shell, pod, options.container)
    await attach_to(shell, clients, pod, container, options)


async def attach_to(
    shell: Shell, clients: Clientset, pod: pod_pb2.Pod, container: str, options: AttachOptions
) -> None:
    """Join the streams of a container that is known."""
    tty = _wants_terminal(shell, pod, container, options)
    start = pod_stream_pb2.PodAttachStart(
        namespace=pod.metadata.namespace, name=pod.metadata.name, uid=pod.metadata.uid,
        options=pod_pb2.PodAttachOptions(
            stdin=options.stdin, stdout=True, stderr=not tty, tty=tty, container=container
        ),
    )  # fmt: skip
    if tty:
        start.size.width, start.size.height = shell.terminal.size()
    if options.stdin and tty and not options.quiet:
        shell.err("If you don't see a command prompt, try pressing enter.")
    with shell.terminal.raw(enabled=tty and options.stdin):
        await _run(shell, clients, start, stdin=options.stdin, tty=tty)
    if options.stdin and tty and not options.quiet:
        command = f"vaina attach {pod.metadata.name} -c {container} -i -t"
        if any(item.ephemeral_container_common.name == container for item in pod.spec.ephemeral_containers):
            shell.out(
                "Session ended, the ephemeral container will not be restarted but may be reattached using "
                f"'{command}' if it is still running\n"
            )
        elif pod.spec.restart_policy == "Always":
            shell.out(f"Session ended, resume using '{command}' command when the pod is running\n")


def _wants_terminal(shell: Shell, pod: pod_pb2.Pod, container: str, options: AttachOptions) -> bool:
    """Say whether the streams are a terminal's: as the container was made, whatever is asked for."""
    terminals = {spec.name: spec.tty for spec in (*pod.spec.containers, *pod.spec.init_containers)}
    for item in pod.spec.ephemeral_containers:
        terminals[item.ephemeral_container_common.name] = item.ephemeral_container_common.tty
    made = terminals.get(container, False)
    if options.tty and not made:
        if not options.quiet:
            shell.err(f"error: Unable to use a TTY - container {container} did not allocate one")
        return False
    if made and options.stdin and not shell.terminal.is_terminal:
        shell.err("Unable to use a TTY - input is not a terminal or the right kind of file")
        return False
    return made


async def _run(
    shell: Shell, clients: Clientset, start: pod_stream_pb2.PodAttachStart, *, stdin: bool, tty: bool
) -> None:
    finished = asyncio.Event()
    stream = clients.pods.attach(start, _inputs(shell, finished, stdin=stdin, tty=tty))
    try:
        async with aclosing(stream) as answers:
            async for answer in answers:
                if answer.WhichOneof("output") == "stderr":
                    shell.err_bytes(answer.stderr)
                else:
                    shell.out_bytes(answer.stdout)
    finally:
        finished.set()


async def _inputs(
    shell: Shell, finished: asyncio.Event, *, stdin: bool, tty: bool
) -> AsyncIterator[pod_stream_pb2.PodAttachRequest]:
    """Give what is typed, and each new size of the window, until the container has ended."""
    if not stdin and not tty:
        await finished.wait()
        return
    async with aclosing(shell.terminal.events(stdin=stdin, resize=tty)) as events:
        async for event in events:
            match event:
                case b"":
                    yield pod_stream_pb2.PodAttachRequest(close_stdin=True)
                case bytes():
                    yield pod_stream_pb2.PodAttachRequest(stdin=event)
                case (width, height):
                    size = pod_stream_pb2.TerminalSize(width=width, height=height)
                    yield pod_stream_pb2.PodAttachRequest(resize=size)


@click.command("attach")
@click.argument("word", metavar="POD")
@flags.namespace
@click.option("-c", "--container", default="", help="Which container; the first one otherwise.")
@click.option("-i", "--stdin", is_flag=True, help="Pass standard input on.")
@click.option("-t", "--tty", is_flag=True, help="As a terminal, if the container has one.")
@click.option("-q", "--quiet", is_flag=True, help="Only print output from the remote session.")
def attach_command(**options: Any) -> None:
    """Attach to the process of a container that runs."""
    given = AttachOptions(**options)
    flags.start(lambda shell, clients: attach(shell, clients, given))
