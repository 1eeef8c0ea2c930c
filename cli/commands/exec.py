"""`vaina exec`: a command inside a container, its streams on this terminal, its exit code as ours."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeVar

import click

from cli import flags
from cli.app import cli
from cli.commands.logs import choose_container, resolve_pod
from cli.failures import Exit, Failure
from cli.shell import Shell
from vaina.api.core.v1 import pod_pb2, pod_stream_pb2
from vaina.client.clientset import Clientset
from vaina.objects import pods

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class ExecOptions:
    """What `exec` was asked for."""

    word: str
    command: Sequence[str]
    container: str = ""
    stdin: bool = False
    tty: bool = False


@flags.verb(cli, "exec", ExecOptions)
@click.argument("word", metavar="POD")
@click.argument("command", nargs=-1, metavar="-- COMMAND [ARGS]...")
@flags.namespace
@flags.container
@flags.flag("-i --stdin", "Pass standard input on.")
@flags.flag("-t --tty", "As a terminal.")
async def exec_in(shell: Shell, clients: Clientset, options: ExecOptions) -> None:
    """Run a command in a container."""
    if not options.command:
        raise Failure("you must specify at least one command for the container")
    pod = await resolve_pod(shell, clients, options.word)
    if pods.is_terminal(pod):
        raise Failure(f"cannot exec into a container in a completed pod; current phase is {pod.status.phase}")
    container = choose_container(shell, pod, options.container)
    tty = options.tty
    if tty and not shell.terminal.is_terminal:
        shell.err("Unable to use a TTY - input is not a terminal or the right kind of file")
        tty = False
    start = pod_stream_pb2.PodExecStart(
        namespace=pod.metadata.namespace, name=pod.metadata.name, uid=pod.metadata.uid,
        options=pod_pb2.PodExecOptions(
            stdin=options.stdin, stdout=True, stderr=not tty, tty=tty, container=container, command=options.command
        ),
    )  # fmt: skip
    if tty:
        start.size.width, start.size.height = shell.terminal.size()
    with shell.terminal.raw(enabled=tty):
        code = await _run(shell, clients, start, options, tty=tty)
    if code:
        shell.err(f"command terminated with exit code {code}")
        raise Exit(code)


async def _run(
    shell: Shell, clients: Clientset, start: pod_stream_pb2.PodExecStart, options: ExecOptions, *, tty: bool
) -> int:
    finished = asyncio.Event()
    stream = clients.pods.exec(
        start, typed(shell, pod_stream_pb2.PodExecRequest, finished, stdin=options.stdin, tty=tty)
    )
    try:
        async with aclosing(stream) as answers:
            async for answer in answers:
                match answer.WhichOneof("output"):
                    case "stdout":
                        shell.out_bytes(answer.stdout)
                    case "stderr":
                        shell.err_bytes(answer.stderr)
                    case "exit_code":
                        return answer.exit_code
                    case _:
                        pass
    finally:
        finished.set()
    raise Failure("the connection ended before the command did")


async def typed(
    shell: Shell, request: Callable[..., R], finished: asyncio.Event, *, stdin: bool, tty: bool
) -> AsyncGenerator[R]:
    """Yield what is typed, and each new size of the window, as requests; of neither, wait for the end."""
    if not stdin and not tty:
        await finished.wait()
        return
    async with aclosing(shell.terminal.events(stdin=stdin, resize=tty)) as events:
        async for event in events:
            match event:
                case b"":
                    yield request(close_stdin=True)
                case bytes():
                    yield request(stdin=event)
                case (width, height):
                    yield request(resize=pod_stream_pb2.TerminalSize(width=width, height=height))
