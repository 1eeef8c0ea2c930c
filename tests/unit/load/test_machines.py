"""Machines that cannot take part in a load are told by name, before anything is made."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from apiserver.storage.memory import MemoryStorage
from bench.load import frames
from bench.load.agent import Agent, AgentError
from bench.load.machines import MachineError, Machines, distinct
from tests.support.command import CommandLine
from tests.support.direct import build_handlers
from vaina.client.clientset import Clientset
from vaina.client.transport import InProcessTransport
from vaina.clock import SystemClock

ROOT = Path(__file__).parents[3]
PLAN = frames.Plan("default", ["p0"], "app=load", 1, 1, None)
OLD = """
import sys
sys.path.insert(0, sys.argv.pop())
from bench.load import frames
from cli.__main__ import main

frames.PROTOCOL = 0
sys.argv = ["vaina", "load", "agent", "--name=old"]
main()
"""
NAMELESS = """
import sys, time
sys.path.insert(0, sys.argv.pop())
from bench.load import facts, frames

hello = frames.Hello(frames.PROTOCOL, facts.commit(), "a\\x1b[2J", facts.machine(with_etcd=False))
sys.stdout.buffer.write(frames.encode(hello))
"""


async def refused(command: str) -> str:
    """Return why a machine cannot take part; nobody listens where the apiserver should be."""
    machines = Machines((command,))
    try:
        with pytest.raises(BaseExceptionGroup) as found:
            async with asyncio.TaskGroup() as group:
                await machines.start("127.0.0.1:9", group)
    finally:
        await machines.close()
    error: BaseException = found.value
    while isinstance(error, BaseExceptionGroup):
        [error] = error.exceptions
    assert isinstance(error, MachineError)
    return str(error)


async def test_one_that_cannot_be_reached_is_told_with_the_words_of_the_command() -> None:
    error = await refused("sh -c 'echo no route to host >&2; exit 255'")
    assert error.endswith(": the agent has ended with the exit code 255\nno route to host")


async def test_one_whose_shell_greets_is_told() -> None:
    error = await refused("echo Welcome to this machine")
    assert "is anything written to its standard output before it?" in error


async def test_one_of_another_version_is_told(tmp_path: Path) -> None:
    (tmp_path / "agent.py").write_text(OLD)
    error = await refused(f"{sys.executable} {tmp_path / 'agent.py'} {ROOT}")
    assert error.startswith("old: its agent is of ")
    assert error.endswith("one report needs one version on all machines")


async def test_one_with_a_name_that_no_report_can_show_is_told_without_it(tmp_path: Path) -> None:
    (tmp_path / "agent.py").write_text(NAMELESS)
    error = await refused(f"{sys.executable} {tmp_path / 'agent.py'} {ROOT}")
    assert error.endswith("letters, digits, - and . are allowed, 63 characters at most")
    assert "\x1b" not in error


@pytest.mark.parametrize(
    ("names", "want"),
    [
        (["a", "b"], ["a", "b"]),
        (["a", "a", "a"], ["a", "a-2", "a-3"]),
        (["a", "a", "a-2"], ["a", "a-3", "a-2"]),
        (["a-2", "a", "a", "a-2"], ["a-2", "a", "a-3", "a-2-2"]),
    ],
)
def test_no_two_machines_of_a_report_have_the_same_name(names: list[str], want: list[str]) -> None:
    assert distinct(names) == want


async def test_one_that_does_not_reach_the_apiserver_is_told() -> None:
    error = await refused(f"env PYTHONPATH={ROOT} {sys.executable} -m cli load agent --name=far")
    assert error.startswith("far: the apiserver at 127.0.0.1:9 cannot be reached from there: ")


def test_an_agent_with_a_name_that_no_report_can_show_is_refused() -> None:
    result = CommandLine().run("load", "agent", "--name=a b")
    assert result.code == 1
    assert '--name: "a b": letters, digits, - and . are allowed' in result.err


def test_an_agent_says_in_words_that_what_comes_is_no_run() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cli", "load", "agent", "--name=one"],
        input=b"garbage-garbage", cwd=ROOT, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith(b"error: what comes is not a run of vaina load: a frame of ")
    assert b"Traceback" not in done.stderr


async def test_an_agent_refuses_what_comes_out_of_turn() -> None:
    clock = SystemClock()
    client = Clientset(InProcessTransport(build_handlers(MemoryStorage(), clock), clock=clock))
    async with asyncio.TaskGroup() as group:
        agent = Agent(lambda _: client, group)
        try:
            with pytest.raises(AgentError, match="no apiserver was named"):
                await agent.answer(PLAN)
            await agent.answer(frames.Connect("127.0.0.1:9"))
            with pytest.raises(AgentError, match="no Pods were planned"):
                await agent.answer(frames.Begin())
            await agent.answer(PLAN)
            with pytest.raises(AgentError, match="no Pods are being created"):
                await agent.answer(frames.Finish())
            with pytest.raises(AgentError, match="0 of 1 Pods have come"):
                await agent.answer(frames.Begin())
        finally:
            await agent.close()
