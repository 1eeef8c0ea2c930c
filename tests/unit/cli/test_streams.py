"""What goes on for a while: watches, traces, logs, exec. The components are the tests' own hands."""

import asyncio
import io
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from cli.commands.get import GetOptions, get
from cli.commands.logs import LogOptions, logs
from cli.commands.streams import ExecOptions, exec_in
from cli.commands.trace import TraceOptions, trace
from cli.failures import Exit, Failure
from cli.shell import Shell
from cli.terminal import NoTerminal
from tests.support.command import CommandLine
from tests.support.node_streams import FakeNode
from tests.support.shown_objects import make_trace
from vaina.api.core.v1 import pod_pb2
from vaina.api.trace.v1 import trace_service_pb2
from vaina.client.clientset import Clientset
from vaina.client.transport import InProcessTransport
from vaina.errors import NotFound
from vaina.testing.builders import make_container, make_pod, make_replica_set
from vaina.testing.clock import FakeClock, settle


def clients_of(vaina: CommandLine) -> Clientset:
    return Clientset(InProcessTransport(vaina.handlers, clock=vaina.clock))


def printed(shell: Shell) -> str:
    assert isinstance(shell.stdout, io.StringIO)
    return shell.stdout.getvalue()


def told(shell: Shell) -> str:
    assert isinstance(shell.stderr, io.StringIO)
    return shell.stderr.getvalue()


async def until(condition: Callable[[], bool]) -> None:
    """Let everything go on until the condition holds."""
    for _ in range(200):
        if condition():
            return
        await settle(5)
    raise AssertionError("it did not come")


async def beside(command: Awaitable[None], story: Callable[[], Awaitable[None]]) -> None:
    """Run a command that does not end by itself while the story happens."""
    async with asyncio.TaskGroup() as group:
        running = group.create_task(_await(command))
        await story()
        running.cancel()


async def _await(command: Awaitable[None]) -> None:
    await command


async def test_get_watch_shows_what_there_is_and_each_change() -> None:
    vaina = CommandLine()
    clients, shell = clients_of(vaina), vaina.shell()
    await clients.pods.create(make_pod("a"))

    async def story() -> None:
        await until(lambda: "a " in printed(shell))
        await clients.pods.create(make_pod("b-with-a-long-name"))
        await until(lambda: "b-with-a-long-name" in printed(shell))
        await clients.pods.delete("a", "default", grace_period_seconds=0)
        await until(lambda: printed(shell).count("\n") == 4)

    await beside(get(shell, clients, GetOptions(words=["pods"], watch=True)), story)
    lines = printed(shell).splitlines()
    assert [line.split()[0] for line in lines] == ["NAME", "a", "b-with-a-long-name", "a"]


async def test_get_watch_of_one_object_as_names() -> None:
    vaina = CommandLine()
    clients, shell = clients_of(vaina), vaina.shell()
    await clients.pods.create(make_pod("a"))
    await clients.pods.create(make_pod("b"))

    async def story() -> None:
        await until(lambda: "pod/a" in printed(shell))

    await beside(get(shell, clients, GetOptions(words=["pod", "a"], watch=True, output="name")), story)
    assert printed(shell) == "pod/a\n"
    with pytest.raises(NotFound):
        await get(shell, clients, GetOptions(words=["pod", "none"], watch=True))


@pytest.mark.parametrize("output", ["", "name"])
async def test_get_watch_tells_what_happened_to_each_object(output: str) -> None:
    vaina = CommandLine()
    clients, shell = clients_of(vaina), vaina.shell()
    await clients.pods.create(make_pod("a"))

    async def story() -> None:
        await until(lambda: "ADDED" in printed(shell))
        await clients.pods.delete("a", "default", grace_period_seconds=0)
        await until(lambda: "DELETED" in printed(shell))

    asked = GetOptions(words=["pods"], watch=True, output_watch_events=True, output=output)
    await beside(get(shell, clients, asked), story)
    lines = [line.split()[:2] for line in printed(shell).splitlines()]
    name = "pod/a" if output else "a"
    assert lines == [*([] if output else [["EVENT", "NAME"]]), ["ADDED", name], ["DELETED", name]]


async def test_get_watch_puts_the_event_around_the_object_as_json() -> None:
    vaina = CommandLine()
    clients, shell = clients_of(vaina), vaina.shell()
    await clients.pods.create(make_pod("a"))

    async def story() -> None:
        await until(lambda: printed(shell).endswith("}\n"))

    asked = GetOptions(words=["pods"], watch=True, output_watch_events=True, output="json")
    await beside(get(shell, clients, asked), story)
    shown = json.loads(printed(shell))
    assert (shown["type"], shown["object"]["kind"], shown["object"]["metadata"]["name"]) == (
        "ADDED",
        "Pod",
        "a",
    )


def reports(pod: pod_pb2.Pod, first: int, last: int) -> list[trace_service_pb2.StepReport]:
    """Make the reports of some of the steps, as the components send them."""
    return [
        trace_service_pb2.StepReport(
            namespace="default", pod_name=pod.metadata.name, pod_uid=pod.metadata.uid,
            node_name="node-2" if record.component != "apiserver" else "", record=record,
        )
        for record in make_trace().status.steps[first - 1 : last]
    ]  # fmt: skip


@pytest.mark.requirement("A8")
async def test_trace_shows_the_steps_as_they_happen() -> None:
    vaina = CommandLine()
    clients, shell = clients_of(vaina), vaina.shell()
    pod = await clients.pods.create(make_pod("jumpod"))
    async with asyncio.TaskGroup() as group:
        following = group.create_task(trace(shell, clients, TraceOptions("pod/jumpod", watch=True)))
        await clients.pod_traces.report(reports(pod, 1, 3))
        await until(lambda: printed(shell).count("\n") == 3)
        assert "OBSERVED" in printed(shell)
        assert not following.done()
        await clients.pod_traces.report(reports(pod, 4, 7))
    lines = printed(shell).splitlines()
    assert [line.split()[0] for line in lines[:7]] == ["1", "2", "3", "4", "5", "6", "7"]
    assert lines[7].startswith("apply → Running  925 ms")


@pytest.mark.requirement("A8")
async def test_trace_shows_a_pod_that_is_gone() -> None:
    vaina = CommandLine()
    clients, shell = clients_of(vaina), vaina.shell()
    pod = await clients.pods.create(make_pod("jumpod"))
    await clients.pod_traces.report(reports(pod, 1, 7))
    await clients.pods.delete("jumpod", "default", grace_period_seconds=0)
    await trace(shell, clients, TraceOptions("jumpod"))
    assert "apply → Running  925 ms" in printed(shell)
    again = vaina.shell()
    await trace(again, clients, TraceOptions("jumpod", watch=True))
    assert printed(again) == printed(shell)


async def test_trace_takes_the_pod_that_is_there_and_not_its_namesake() -> None:
    vaina = CommandLine()
    clients, shell = clients_of(vaina), vaina.shell()
    old = await clients.pods.create(make_pod("jumpod"))
    await clients.pod_traces.report(reports(old, 1, 7))
    await clients.pods.delete("jumpod", "default", grace_period_seconds=0)
    new = await clients.pods.create(make_pod("jumpod"))
    await clients.pod_traces.report(reports(new, 1, 2))
    await trace(shell, clients, TraceOptions("jumpod"))
    assert new.metadata.uid in printed(shell)
    assert "apply → step 2" in printed(shell)


async def test_trace_says_what_it_waited_for_in_vain() -> None:
    vaina = CommandLine()
    clients, shell = clients_of(vaina), vaina.shell()
    pod = await clients.pods.create(make_pod("jumpod"))
    pod.status.conditions.add(
        type="PodScheduled", status="False", reason="Unschedulable", message="0/0 nodes are available"
    )
    await clients.pods.update_status(pod, mask=["conditions"])
    with pytest.raises(Failure, match=r"timed out .* \(Unschedulable: 0/0 nodes are available\)"):
        await trace(shell, clients, TraceOptions("jumpod", watch=True, timeout=0.05))
    assert "waits: Unschedulable" in printed(shell)


async def test_trace_on_a_terminal_ends_with_the_whole_table() -> None:
    vaina = CommandLine()
    clients, shell = clients_of(vaina), vaina.shell(interactive=True)
    pod = await clients.pods.create(make_pod("jumpod"))
    async with asyncio.TaskGroup() as group:
        group.create_task(trace(shell, clients, TraceOptions("jumpod", watch=True)))
        await until(lambda: "WHAT HAPPENED" in printed(shell))
        await clients.pod_traces.report(reports(pod, 1, 7))
    assert printed(shell).rstrip().endswith("between them)\x1b[0m")
    assert "█" in printed(shell)


async def test_trace_can_wait_for_a_pod_that_is_still_to_come() -> None:
    vaina = CommandLine()
    clients, shell = clients_of(vaina), vaina.shell()
    async with asyncio.TaskGroup() as group:
        group.create_task(trace(shell, clients, TraceOptions("jumpod", watch=True)))
        await settle()
        pod = await clients.pods.create(make_pod("jumpod"))
        await clients.pod_traces.report(reports(pod, 1, 7))
    assert "apply → Running" in printed(shell)


async def test_trace_does_not_wait_for_ever_for_a_record_that_was_lost() -> None:
    vaina = CommandLine()
    clients, shell = clients_of(vaina), vaina.shell()
    pod = await clients.pods.create(make_pod("jumpod"))
    await clients.pod_traces.report([*reports(pod, 1, 4), *reports(pod, 6, 7)])
    pod.status.phase = "Running"
    await clients.pods.update_status(pod, mask=["phase"])
    await trace(shell, clients, TraceOptions("jumpod", watch=True, patience=0.05))
    assert told(shell) == "Warning: not every step of this pod was recorded\n"
    assert "apply → step 7" in printed(shell)


async def test_trace_of_nothing_is_not_found() -> None:
    vaina = CommandLine()
    with pytest.raises(NotFound, match='podtraces "none" not found'):
        await trace(vaina.shell(), clients_of(vaina), TraceOptions("none"))


@pytest.fixture
async def node() -> FakeNode:
    return FakeNode()


@pytest.fixture
async def with_node(node: FakeNode) -> CommandLine:
    plain = CommandLine()
    clock = plain.clock
    assert isinstance(clock, FakeClock)
    vaina = CommandLine(node.over(plain.handlers), clock)
    pod = make_pod("a", containers=[make_container("main"), make_container("side")])
    await clients_of(vaina).pods.create(pod)
    return vaina


async def test_logs_are_written_as_they_are(with_node: CommandLine, node: FakeNode) -> None:
    shell = with_node.shell()
    await logs(
        shell, clients_of(with_node), LogOptions("a", tail=5, since="1m30s", timestamps=True, follow=True)
    )
    assert printed(shell) == "main one\nmain two \ufffd\n"
    assert told(shell) == 'Defaulted container "main" out of: main, side\n'
    asked = node.log_options[0]
    assert (asked.tail_lines, asked.since_seconds, asked.timestamps, asked.follow) == (5, 90, True, True)


async def test_logs_of_all_containers(with_node: CommandLine, node: FakeNode) -> None:
    shell = with_node.shell()
    await logs(shell, clients_of(with_node), LogOptions("pod/a", all_containers=True, previous=True))
    assert [options.container for options in node.log_options] == ["main", "side"]
    assert all(options.previous for options in node.log_options)


async def test_logs_of_a_replica_set_are_those_of_one_of_its_pods(with_node: CommandLine) -> None:
    shell, clients = with_node.shell(), clients_of(with_node)
    await clients.replica_sets.create(make_replica_set("web"))
    with pytest.raises(Failure, match="no pods found for rs/web"):
        await logs(shell, clients, LogOptions("rs/web"))
    for name in ("web-1", "web-2"):
        await clients.pods.create(make_pod(name, labels={"app": "web"}))
    await logs(shell, clients, LogOptions("rs/web"))
    assert told(shell) == "Found 2 pods, using pod/web-1\n"
    with pytest.raises(Failure, match="has no pods"):
        await logs(shell, clients, LogOptions("cm/web"))


async def test_exec_passes_streams_and_success(with_node: CommandLine, node: FakeNode) -> None:
    shell = with_node.shell()
    await exec_in(shell, clients_of(with_node), ExecOptions("a", ["ls", "-l"], container="side"))
    assert (printed(shell), told(shell)) == ("out\n", "err\n")
    assert node.start is not None
    assert list(node.start.options.command) == ["ls", "-l"]
    assert node.start.options.container == "side"


async def test_exec_passes_standard_input_on(with_node: CommandLine, node: FakeNode) -> None:
    shell = with_node.shell(stdin=b"hello")
    await exec_in(shell, clients_of(with_node), ExecOptions("a", ["cat"], container="main", stdin=True))
    assert node.typed == b"hello"
    assert node.closed


async def test_exec_ends_with_the_commands_exit_code(with_node: CommandLine, node: FakeNode) -> None:
    node.exit_code = 3
    shell = with_node.shell()
    with pytest.raises(Exit) as ended:
        await exec_in(shell, clients_of(with_node), ExecOptions("a", ["false"], container="main"))
    assert ended.value.code == 3
    assert told(shell).endswith("command terminated with exit code 3\n")


class WindowTerminal(NoTerminal):
    """A terminal of 100 columns that becomes wider, on which a key is pressed."""

    is_terminal = True

    def size(self) -> tuple[int, int]:
        return 100, 30

    async def events(self, *, stdin: bool, resize: bool) -> Any:
        assert stdin
        assert resize
        yield (120, 40)
        yield b"x"
        yield b""
        await asyncio.Event().wait()


async def test_exec_with_a_terminal_sends_its_size(with_node: CommandLine, node: FakeNode) -> None:
    shell = with_node.shell(terminal=WindowTerminal())
    await exec_in(
        shell, clients_of(with_node), ExecOptions("a", ["sh"], container="main", stdin=True, tty=True)
    )
    assert node.start is not None
    assert (node.start.size.width, node.start.size.height) == (100, 30)
    assert node.start.options.tty
    assert node.typed == b"x"


async def test_exec_without_a_terminal_goes_on_without_one(with_node: CommandLine, node: FakeNode) -> None:
    shell = with_node.shell()
    await exec_in(
        shell, clients_of(with_node), ExecOptions("a", ["sh"], container="main", stdin=True, tty=True)
    )
    assert "Unable to use a TTY" in told(shell)
    assert node.start is not None
    assert not node.start.options.tty
