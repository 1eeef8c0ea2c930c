"""The shell that lessons are typed into: a real bash."""

import asyncio
import os
import select
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cli.learning.session import KEPT, Session, SessionEnded, opened
from vaina.clock import SystemClock
from vaina.lessons.model import Command
from vaina.testing.clock import FakeClock


@pytest.fixture
async def session(tmp_path: Path) -> AsyncIterator[Session]:
    async with opened({"PATH": os.defpath}, SystemClock(), tmp_path) as found:
        yield found


async def test_variables_last_from_one_command_to_the_next(session: Session) -> None:
    assert (await session.run("export NAME=ada")).output == ""
    assert (await session.run("echo $NAME")).output == "ada\n"
    assert (await session.run("sh -c 'printf $NAME'")).output == "ada"


async def test_errors_come_with_the_output_and_a_code(session: Session) -> None:
    outcome = await session.run("echo one; ls /nowhere; echo two")
    assert outcome.output.startswith("one\nls: ")
    assert outcome.output.endswith("\ntwo\n")
    assert outcome.code == 2
    assert (await session.run("true")).code == 0


async def test_what_reads_input_gets_none_and_a_heredoc_its_own(session: Session) -> None:
    outcome = await session.run("cat\ncat <<'END'\n$1 stays\nEND\necho after")
    assert (outcome.code, outcome.output) == (0, "$1 stays\nafter\n")


async def test_a_condition_that_is_false_is_no_failure(session: Session) -> None:
    outcome = await session.run("false || echo no\nif false; then echo x; fi\nfor i in 1 2; do echo $i; done")
    assert (outcome.code, outcome.output) == (0, "no\n1\n2\n")


async def test_a_long_output_is_cut_and_the_next_one_is_whole(session: Session) -> None:
    outcome = await session.run("head -c 3000000 /dev/zero | tr '\\0' x")
    assert outcome.output == "x" * KEPT
    assert (await session.run("echo next")).output == "next\n"


async def test_a_state_is_waited_for(session: Session, tmp_path: Path) -> None:
    script = "echo x >>seen; wc -l <seen"
    done = await session.do(Command(script, 1, ("3",), until=True))
    assert done.as_expected
    assert (tmp_path / "seen").read_text() == "x\nx\nx\n"


async def test_one_that_does_not_come_is_waited_for_so_long(tmp_path: Path) -> None:
    clock = FakeClock()
    async with opened({"PATH": os.defpath}, clock, tmp_path) as session, asyncio.TaskGroup() as group:
        doing = group.create_task(session.do(Command("echo a", 1, ("b",), until=True), patience=60.0))
        while not doing.done():
            await clock.advance(10)
    assert not doing.result().as_expected
    assert doing.result().outcome.output == "a\n"


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (Command("exit_with() { return $1; }; exit_with 3", 1, fails=True), True),
        (Command("echo fine", 1, ("fine",), fails=True), False),
        (Command("ls /nowhere", 1), False),
        (Command("echo fine", 1), True),
        (Command("echo fine", 1, ("bad",)), False),
    ],
)
async def test_code_and_output_decide(session: Session, command: Command, *, expected: bool) -> None:
    assert (await session.do(command)).as_expected == expected


async def test_a_script_that_ends_the_shell_is_told(session: Session) -> None:
    with pytest.raises(SessionEnded, match="last words"):
        await session.run("echo last words; exit 3")


async def test_a_script_without_end_is_given_up(session: Session) -> None:
    with pytest.raises(SessionEnded, match=r"not within 0\.1 s"):
        await session.run("sleep 1000", patience=0.1)


def ends(process: int) -> bool:
    """Say whether the process of this descriptor ends, and close it.

    A signal that was sent may not have arrived: the process ends when it is next its turn.
    """
    try:
        return bool(select.select([process], [], [], 30)[0])
    finally:
        os.close(process)


async def test_what_it_started_ends_with_it(tmp_path: Path) -> None:
    async with opened({"PATH": os.defpath}, SystemClock(), tmp_path) as session:
        number = int((await session.run("sleep 1000 >/dev/null 2>&1 & echo $!")).output)
        process = os.pidfd_open(number)
    assert ends(process)
