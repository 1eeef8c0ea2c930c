"""`vaina exec` and `vaina attach`: the streams of a command, or of a container's own process, on this terminal.

Follows `kubectl/pkg/cmd/exec` and `attach`.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, TypeVar

import click

from cli import flags
from cli.app import cli
from cli.commands.logs import Source, choose_container, resolve_pod, write_one
from cli.failures import Exit, Failure
from cli.following import wait_over
from cli.shell import Shell
from cli.surroundings import INTERRUPTED
from vaina.api.core.v1 import pod_pb2, pod_stream_pb2
from vaina.client.clientset import Clientset
from vaina.errors import ApiError
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
    # Without input there is nobody to type: Ctrl-C stays a signal (`kubectl/pkg/cmd/exec/exec.go`, SetupTTY).
    tty = options.tty and options.stdin
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


#: what a terminal in raw mode gives for Ctrl-C
_CTRL_C: Final = b"\x03"
_RECORDED: Final = (
    "All commands and output from this session will be recorded in container logs, including credentials and sensitive "
    "information passed through the command prompt."
)
#: the stream of a Pod that has ended, or is gone, ends within so many seconds, or is left
_LAST_WORDS_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class AttachOptions:
    """What `attach` was asked for."""

    word: str
    container: str = ""
    stdin: bool = False
    tty: bool = False
    quiet: bool = False
    #: first what the container has written since it started, also when it has ended
    from_start: bool = False


@flags.verb(cli, "attach", AttachOptions)
@click.argument("word", metavar="POD")
@flags.namespace
@flags.container
@flags.flag("-i --stdin", "Pass standard input on.")
@flags.flag("-t --tty", "As a terminal, if the container has one.")
@flags.flag("-q --quiet", "Only print output from the remote session.")
async def attach(shell: Shell, clients: Clientset, options: AttachOptions) -> None:
    """Attach to the process of a container that runs."""
    pod = await resolve_pod(shell, clients, options.word)
    if pods.is_terminal(pod):
        raise Failure(f"cannot attach a container in a completed pod; current phase is {pod.status.phase}")
    container = choose_container(shell, pod, options.container)
    await attach_to(shell, clients, pod, container, options)


async def attach_or_log(
    shell: Shell, clients: Clientset, pod: pod_pb2.Pod, options: AttachOptions, *, follow: bool
) -> None:
    """Join the streams of the container that `options` name; where that fails show its log, as kubectl does."""
    name, container = pod.metadata.name, options.container
    try:
        await attach_to(shell, clients, pod, container, options)
    except ApiError as error:
        shell.err(f"warning: couldn't attach to pod/{name}, falling back to streaming logs: {error.message}")
        request = pod_pb2.PodLogOptions(container=container, follow=follow)
        await write_one(shell, clients, Source(pod, container, request))


async def attach_to(
    shell: Shell, clients: Clientset, pod: pod_pb2.Pod, container: str, options: AttachOptions
) -> None:
    """Join the streams of a container. Raises ApiError, and Exit when Ctrl-C is typed before they are joined."""
    tty = _wants_terminal(shell, pod, container, options)
    start = pod_stream_pb2.PodAttachStart(
        namespace=pod.metadata.namespace, name=pod.metadata.name, uid=pod.metadata.uid,
        options=pod_pb2.PodAttachOptions(
            stdin=options.stdin, stdout=True, stderr=not tty, tty=tty, container=container
        ),
        from_start=options.from_start,
    )  # fmt: skip
    if tty:
        start.size.width, start.size.height = shell.terminal.size()
    if not options.quiet and not pods.is_terminal(pod):
        shell.err(_RECORDED)
        shell.err("If you don't see a command prompt, try pressing enter.")
    with shell.terminal.raw(enabled=tty and options.stdin):
        await _Joined(shell, clients, pod, start, stdin=options.stdin, tty=tty).run()
    if options.stdin and tty and not options.quiet:
        command = f"vaina attach {pod.metadata.name} -c {container} -n {pod.metadata.namespace} -i -t"
        if any(item.ephemeral_container_common.name == container for item in pod.spec.ephemeral_containers):
            shell.out(
                "Session ended, the ephemeral container will not be restarted but may be reattached using "
                f"'{command}' if it is still running\n"
            )
        else:
            shell.out(f"Session ended, resume using '{command}' command\n")


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


class _Joined:
    """A container's streams and ours, joined. Owned by the command's task.

    The command ends when the Pod has ended. Until the streams are joined Ctrl-C ends it too: in raw mode the
    key is a byte like any other, on which nothing else would act.
    """

    def __init__(
        self,
        shell: Shell,
        clients: Clientset,
        pod: pod_pb2.Pod,
        start: pod_stream_pb2.PodAttachStart,
        *,
        stdin: bool,
        tty: bool,
    ) -> None:
        self._shell, self._clients, self._pod, self._start = shell, clients, pod, start
        self._stdin, self._tty = stdin, tty
        self._joined, self._finished, self._interrupted = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def run(self) -> None:
        """Pass on what comes, both ways, until the container ends. Raises as `attach_to` does."""
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(self._read())
            guards = [
                group.create_task(self._leave(reading, self._interrupted.wait())),
                group.create_task(self._leave(reading, self._over())),
            ]
            await asyncio.wait((reading,))
            for guard in guards:
                guard.cancel()
        if self._interrupted.is_set():
            raise Exit(INTERRUPTED)
        failed = None if reading.cancelled() else reading.result()
        if failed is not None:
            raise failed

    async def _read(self) -> ApiError | None:
        stream = self._clients.pods.attach(self._start, self._inputs())
        try:
            async with aclosing(stream) as answers:
                async for answer in answers:
                    self._joined.set()
                    if answer.WhichOneof("output") == "stderr":
                        self._shell.err_bytes(answer.stderr)
                    else:
                        self._shell.out_bytes(answer.stdout)
        except ApiError as error:
            return error
        finally:
            self._finished.set()
        return None

    async def _leave(self, reading: "asyncio.Task[ApiError | None]", reason: Awaitable[object]) -> None:
        await reason
        reading.cancel()

    async def _over(self) -> None:
        """Return a while after the Pod has ended: its stream ends first, if it does."""
        await wait_over(self._shell, self._clients, self._pod)
        await self._shell.clock.sleep(_LAST_WORDS_SECONDS)

    async def _inputs(self) -> AsyncIterator[pod_stream_pb2.PodAttachRequest]:
        """Give what is typed, and each new size of the window, until the container has ended."""
        request = pod_stream_pb2.PodAttachRequest
        requests = typed(self._shell, request, self._finished, stdin=self._stdin, tty=self._tty)
        async with aclosing(requests) as events:
            async for event in events:
                if self._tty and _CTRL_C in event.stdin and not self._joined.is_set():
                    self._interrupted.set()
                yield event
