"""Commands that were cut off are found and ended, and no others."""

import subprocess
from collections.abc import Iterator

import pytest

from kubelet.runtime.sessions import end_command, find_command
from tests.support.signals import begin

FIRST, COMMAND, OTHER = ["sleep", "401"], ["sleep", "402"], ["sleep", "403"]


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Start what an engine has in a container.

    A first process and two commands, each the leader of a session.
    """
    processes = [begin(argv) for argv in (FIRST, COMMAND, OTHER)]
    yield processes
    for process in processes:
        process.kill()
        process.wait()


def test_a_command_is_told_from_the_others_by_its_words(started: list[subprocess.Popen[bytes]]) -> None:
    first, command, other = started
    assert find_command(first.pid, COMMAND) == command.pid
    assert find_command(first.pid, ["sleep", "404"]) == 0
    end_command(find_command(first.pid, COMMAND))
    assert command.wait(30) != 0
    assert (first.poll(), other.poll()) == (None, None)
    # Gone as it is, once more does no harm.
    end_command(command.pid)


def test_of_two_that_look_alike_neither_is_ended(started: list[subprocess.Popen[bytes]]) -> None:
    twin = begin(COMMAND)
    try:
        assert find_command(started[0].pid, COMMAND) == 0
    finally:
        twin.kill()
        twin.wait()


def test_what_belongs_to_another_parent_is_none_of_its_commands(
    started: list[subprocess.Popen[bytes]],
) -> None:
    script = "sleep 402 & echo $!; wait"
    with begin(["sh", "-c", script], stdout=subprocess.PIPE) as elsewhere:
        assert elsewhere.stdout is not None
        assert elsewhere.stdout.readline()
        assert find_command(started[0].pid, COMMAND) == started[1].pid
        # The whole group of a leader hangs up.
        end_command(elsewhere.pid)
        assert elsewhere.stdout.read() == b"", "the child has ended as well"
