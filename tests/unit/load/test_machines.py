"""Machines that cannot take part in a load are told by name, before anything is made."""

import asyncio
import sys
from pathlib import Path

import pytest

from bench.load.machines import MachineError, Machines
from tests.support.command import CommandLine

ROOT = Path(__file__).parents[3]
OLD = """
import sys
sys.path.insert(0, sys.argv.pop())
from bench.load import frames
from cli.__main__ import main

frames.PROTOCOL = 0
sys.argv = ["vaina", "load", "agent", "--name=old"]
main()
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


async def test_one_that_does_not_reach_the_apiserver_is_told() -> None:
    error = await refused(f"env PYTHONPATH={ROOT} {sys.executable} -m cli load agent --name=far")
    assert error.startswith("far: the apiserver at 127.0.0.1:9 cannot be reached from there: ")


def test_an_agent_with_a_name_that_no_report_can_show_is_refused() -> None:
    result = CommandLine().run("load", "agent", "--name=a b")
    assert result.code == 1
    assert '--name: "a b": letters, digits, - and . are allowed' in result.err
