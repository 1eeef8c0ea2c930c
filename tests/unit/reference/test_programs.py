"""Processes of programs that are given by path: how long they are waited for, and what signals reach them."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.reference.programs import Program, ProgramError, ProgramProcess

SLOW_SECONDS = 5.0


@pytest.fixture
def process(tmp_path: Path) -> Iterator[ProgramProcess]:
    """One that never comes to be ready."""
    path = tmp_path / "kube-apiserver"
    path.write_text("#!/bin/sh\necho still thinking\nexec sleep 100\n")
    path.chmod(0o755)
    made = ProgramProcess(Program("kube-apiserver", path, "v1.37.2", ""), [], tmp_path / "log")
    yield made
    made.close()


def test_a_program_is_given_two_minutes_however_long_each_look_takes(process: ProgramProcess) -> None:
    at = 0.0

    def look() -> bool:
        nonlocal at
        at += SLOW_SECONDS
        return False

    never = threading.Event()
    with pytest.raises(ProgramError, match="kube-apiserver does not start"):
        process.wait_until(look, never, lambda: at)
    assert at == 120


def test_a_program_that_nobody_waits_for_is_looked_at_no_more(process: ProgramProcess) -> None:
    given_up, looks = threading.Event(), 0

    def look() -> bool:
        nonlocal looks
        looks += 1
        given_up.set()
        return False

    with pytest.raises(ProgramError):
        process.wait_until(look, given_up)
    assert looks == 1


def test_ctrl_c_on_the_terminal_is_not_for_the_program(process: ProgramProcess) -> None:
    """A terminal sends it to the processes of one group."""
    assert os.getpgid(process.pid) != os.getpgid(0)
