"""The terminal of the process, on a pseudo-terminal of the test's own."""

import os
import pty
import signal
import termios
from collections.abc import Iterator
from contextlib import aclosing

import pytest

from cli.terminal import NoTerminal, ProcessTerminal


@pytest.fixture
def ends() -> Iterator[tuple[int, int]]:
    master, slave = pty.openpty()
    yield master, slave
    for fd in (master, slave):
        try:
            os.close(fd)
        except OSError:
            continue


def test_raw_mode_is_left_again(ends: tuple[int, int]) -> None:
    terminal = ProcessTerminal(ends[1])
    assert terminal.is_terminal
    before = termios.tcgetattr(ends[1])
    with terminal.raw(enabled=True):
        assert not termios.tcgetattr(ends[1])[3] & termios.ICANON
    assert termios.tcgetattr(ends[1]) == before
    with terminal.raw(enabled=False):
        assert termios.tcgetattr(ends[1]) == before


async def test_what_is_typed_comes_and_its_end_too(ends: tuple[int, int]) -> None:
    read, write = os.pipe()
    terminal = ProcessTerminal(read)
    assert not terminal.is_terminal
    os.write(write, b"hello")
    async with aclosing(terminal.events(stdin=True, resize=False)) as events:
        assert await anext(events) == b"hello"
        os.close(write)
        assert await anext(events) == b""
    os.close(read)


async def test_a_new_size_comes_as_an_event(ends: tuple[int, int]) -> None:
    terminal = ProcessTerminal(ends[1])
    async with aclosing(terminal.events(stdin=True, resize=True)) as events:
        os.write(ends[0], b"\n")
        assert await anext(events) == b"\n"
        signal.raise_signal(signal.SIGWINCH)
        assert await anext(events) == terminal.size()
        os.write(ends[0], b"\n")
        assert await anext(events) == b"\n"


async def test_without_a_terminal_the_input_is_what_was_given() -> None:
    terminal = NoTerminal(b"data")
    assert not terminal.is_terminal
    assert terminal.size() == (80, 24)
    with terminal.raw(enabled=True):
        pass
    async with aclosing(terminal.events(stdin=True, resize=False)) as events:
        assert await anext(events) == b"data"
        assert await anext(events) == b""
