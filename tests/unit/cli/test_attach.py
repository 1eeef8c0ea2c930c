"""`vaina attach` and `vaina run -it`: words, terminals, exit codes. The node is the tests' own hands."""

import asyncio
from typing import Any

import pytest

from cli.commands.run import RunOptions, make_pod, run
from cli.commands.streams import AttachOptions, attach
from cli.failures import Exit, Failure
from cli.shell import Shell
from cli.terminal import NoTerminal
from tests.support.command import CommandLine, text_of
from tests.support.node_streams import FakeNode
from vaina.api.core.v1 import pod_pb2, pod_stream_pb2
from vaina.client.clientset import Clientset
from vaina.client.transport import InProcessTransport
from vaina.errors import BadRequest, InternalError, NotFound, TooManyRequests
from vaina.kinds import POD
from vaina.serving.handlers import UNARY, Method, RequestContext
from vaina.testing.builders import make_container
from vaina.testing.builders import make_pod as build_pod
from vaina.testing.clock import settle


class Keyboard(NoTerminal):
    """A terminal of 80 columns."""

    is_terminal = True


class World:
    """An apiserver, and a node that answers for every Pod."""

    def __init__(self) -> None:
        self.node = FakeNode()
        plain = CommandLine()
        self.vaina = CommandLine(self.node.over(plain.handlers), plain.clock)
        self.clients = Clientset(InProcessTransport(self.vaina.handlers, clock=plain.clock))

    def shell(self, stdin: bytes = b"", terminal: NoTerminal | None = None) -> Shell:
        return self.vaina.shell(stdin=stdin, terminal=terminal)

    async def pod(self, phase: str = "Running", **fields: Any) -> pod_pb2.Pod:
        container = make_container("main")
        for name, value in fields.items():
            setattr(container, name, value)
        pod = await self.clients.pods.create(build_pod("a", containers=[container]))
        return await self.becomes(pod.metadata.name, phase)

    async def becomes(self, name: str, phase: str, code: int | None = None) -> pod_pb2.Pod:
        pod = await self.clients.pods.get(name, "default")
        pod.status.phase = phase
        del pod.status.conditions[:]
        pod.status.conditions.add(type="Ready", status="True" if phase == "Running" else "False")
        if code is not None:
            ended = pod.status.container_statuses.add(name=name).state.terminated
            ended.exit_code, ended.reason, ended.message = code, "Error", "no such file"
        return await self.clients.pods.update_status(pod, mask=["phase", "conditions", "container_statuses"])

    async def run(self, shell: Shell, options: RunOptions, *phases: tuple[str, int | None]) -> None:
        """Run `vaina run`, and have the Pod go through phases once it is there."""
        async with asyncio.TaskGroup() as group:
            running = group.create_task(run(shell, self.clients, options))
            for phase, code in phases:
                for _ in range(50):
                    await settle(5)
                    try:
                        await self.clients.pods.get(options.name, "default")
                        break
                    except NotFound:
                        continue
                await self.becomes(options.name, phase, code)
                await settle(20)
            await running


@pytest.fixture
async def world() -> World:
    return World()


async def test_what_the_container_writes_comes_out_where_it_belongs(world: World) -> None:
    await world.pod()
    shell = world.shell()
    await attach(shell, world.clients, AttachOptions("a"))
    assert text_of(shell.stdout) == "out\n"
    assert text_of(shell.stderr).endswith("If you don't see a command prompt, try pressing enter.\nerr\n")
    assert world.node.start is not None
    assert not world.node.start.options.stdin


async def test_a_container_that_has_ended_ends_the_command_whatever_the_call_ends_with(world: World) -> None:
    # What gRPC's core says of a call in which the caller writes while the server closes (grpc/grpc#36066).
    world.node.broken_end = InternalError("Internal error from Core")
    shell = world.shell()
    await world.run(
        shell, RunOptions("tool", "busybox", ["true"], attach=True, restart="Never"), ("Succeeded", 0)
    )
    assert (text_of(shell.stdout), text_of(shell.stderr)) == ("out\n", "err\n")


async def test_what_is_typed_goes_in_and_ends(world: World) -> None:
    await world.pod(stdin=True)
    await attach(world.shell(b"hello"), world.clients, AttachOptions("a", stdin=True))
    assert (world.node.typed, world.node.closed) == (b"hello", True)


async def test_a_terminal_is_what_the_container_was_made_with(world: World) -> None:
    await world.pod(stdin=True)
    shell = world.shell(terminal=Keyboard(b"x"))
    await attach(shell, world.clients, AttachOptions("a", stdin=True, tty=True))
    assert "error: Unable to use a TTY - container main did not allocate one\n" in text_of(shell.stderr)
    assert world.node.start is not None
    assert not world.node.start.options.tty


async def test_a_container_with_a_terminal_is_joined_as_one(world: World) -> None:
    await world.pod(stdin=True, tty=True)
    shell = world.shell(terminal=Keyboard(b"x"))
    await attach(shell, world.clients, AttachOptions("a", stdin=True))
    assert "If you don't see a command prompt, try pressing enter.\n" in text_of(shell.stderr)
    assert world.node.start is not None
    assert world.node.start.options.tty
    assert (world.node.start.size.width, world.node.start.size.height) == (80, 24)
    resumed = "Session ended, resume using 'vaina attach a -c main -n default -i -t' command\n"
    assert text_of(shell.stdout).endswith(resumed)


async def test_what_has_ended_cannot_be_joined(world: World) -> None:
    await world.pod("Succeeded")
    with pytest.raises(
        Failure, match=r"^cannot attach a container in a completed pod; current phase is Succeeded$"
    ):
        await attach(world.shell(), world.clients, AttachOptions("a"))


def test_the_pod_of_run_keeps_its_input_open_for_one_session() -> None:
    pod = make_pod(RunOptions("t", "busybox", ["sh"], stdin=True, tty=True), "default")
    main = pod.spec.containers[0]
    assert (main.stdin, main.stdin_once, main.tty, list(main.args)) == (True, True, True, ["sh"])
    pod = make_pod(RunOptions("t", "busybox", ["sh"], stdin=True, leave_stdin_open=True), "default")
    assert not pod.spec.containers[0].stdin_once


async def test_run_rm_joins_the_pod_and_deletes_it(world: World) -> None:
    shell = world.shell(b"hi")
    options = RunOptions("tool", "busybox", ["cat"], stdin=True, remove=True)
    await world.run(shell, options, ("Running", None))
    assert world.node.typed == b"hi"
    assert text_of(shell.stderr).endswith('pod "tool" deleted\n')
    with pytest.raises(NotFound):
        await world.clients.pods.get("tool", "default")


async def test_run_ends_with_the_code_of_what_it_ran(world: World) -> None:
    options = RunOptions("tool", "busybox", ["false"], stdin=True, restart="Never")
    with pytest.raises(ExceptionGroup) as ended:
        await world.run(world.shell(), options, ("Running", None), ("Failed", 3))
    (error,) = ended.value.exceptions
    assert isinstance(error, Exit)
    assert (error.code, error.words) == (3, "pod default/tool terminated (Error)\nno such file")


async def test_what_ended_before_it_could_be_joined_is_joined_from_its_start(world: World) -> None:
    shell = world.shell()
    await world.run(
        shell, RunOptions("tool", "busybox", ["true"], attach=True, restart="Never"), ("Succeeded", 0)
    )
    assert (text_of(shell.stdout), text_of(shell.stderr)) == ("out\n", "err\n")
    assert isinstance(world.node.start, pod_stream_pb2.PodAttachStart)
    assert world.node.start.from_start


async def test_attach_shows_what_is_written_from_now_on(world: World) -> None:
    await world.pod()
    await attach(world.shell(), world.clients, AttachOptions("a"))
    assert isinstance(world.node.start, pod_stream_pb2.PodAttachStart)
    assert not world.node.start.from_start


async def test_nothing_keeps_the_command_once_the_pod_has_ended(world: World) -> None:
    await world.pod(stdin=True, tty=True)
    world.node.silent = True
    shell = world.shell(terminal=Keyboard(b"x"))
    async with asyncio.TaskGroup() as group:
        joined = group.create_task(attach(shell, world.clients, AttachOptions("a", stdin=True)))
        await settle(50)
        assert not joined.done()
        await world.becomes("a", "Succeeded")
        await settle(50)
        await world.vaina.clock.advance(6)
        await joined


async def test_an_apiserver_that_cannot_answer_now_does_not_end_the_session(world: World) -> None:
    await world.pod(stdin=True, tty=True)
    world.node.silent = True
    path = POD.method("Get")
    get, asked = world.vaina.handlers[path], 0

    async def busy(request: bytes, context: RequestContext) -> bytes:
        nonlocal asked
        asked += 1
        if asked == 2:
            raise TooManyRequests("busy", retry_seconds=1)
        return await get.fn(request, context)

    world.vaina.handlers[path] = Method(UNARY, busy)
    shell = world.shell(terminal=Keyboard(b"x"))
    async with asyncio.TaskGroup() as group:
        joined = group.create_task(attach(shell, world.clients, AttachOptions("a", stdin=True)))
        await settle(50)
        assert (asked, joined.done()) == (2, False)
        await world.vaina.clock.advance(2)
        await world.becomes("a", "Succeeded")
        await settle(50)
        await world.vaina.clock.advance(6)
        await joined


async def test_ctrl_c_ends_the_command_until_it_is_joined(world: World) -> None:
    await world.pod(stdin=True, tty=True)
    world.node.silent = True
    with pytest.raises(Exit) as ended:
        await attach(world.shell(terminal=Keyboard(b"\x03")), world.clients, AttachOptions("a", stdin=True))
    assert ended.value.code == 130


def test_what_run_makes_can_be_changed_by_a_patch() -> None:
    vaina = CommandLine()
    changes = '{"spec": {"nodeName": "n1", "containers": null}}'
    said = vaina.run(
        "run", "tool", "--image=busybox", "--dry-run=client", "-o", "yaml", "--overrides", changes
    )
    assert "nodeName: n1" in said.out
    assert "image:" not in said.out


async def test_what_cannot_be_joined_is_told_by_its_log(world: World) -> None:
    world.node.refusal = BadRequest("container tool not found in pod tool_default")
    shell = world.shell()
    await world.run(shell, RunOptions("tool", "busybox", ["true"], attach=True), ("Running", None))
    assert text_of(shell.stderr).endswith(
        "\nwarning: couldn't attach to pod/tool, falling back to streaming logs: container tool not found in pod tool_default\n"
    )
    assert text_of(shell.stdout).startswith("tool one\n")


async def test_a_pod_that_does_not_come_up_is_not_waited_for_without_end(world: World) -> None:
    options = RunOptions("tool", "busybox", stdin=True, timeout=0.05)
    with pytest.raises(Failure, match=r"^timed out waiting for the condition$"):
        await run(world.shell(), world.clients, options)
