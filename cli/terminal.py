"""The terminal of this process: its size, raw mode, what is typed. The one module here that knows termios.

`Terminal` is the port, `ProcessTerminal` the real one, `NoTerminal` what tests and pipes without input have.
"""

import asyncio
import os
import select
import shutil
import signal
import sys
import termios
import threading
import tty
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

#: bytes in one read of standard input
_CHUNK = 32 * 1024
#: chunks that wait to be sent; the reading thread waits when there are more
_MAX_WAITING = 16

#: typed bytes (empty: the input has ended), or a new size (columns, rows)
Event = bytes | tuple[int, int]


class Terminal(Protocol):
    """What commands need of the terminal."""

    @property
    def is_terminal(self) -> bool: ...

    def size(self) -> tuple[int, int]:
        """Return (columns, rows)."""
        ...

    @contextmanager
    def raw(self, *, enabled: bool) -> Iterator[None]:
        """Hand every key through while inside, Ctrl-C too."""
        ...

    def events(self, *, stdin: bool, resize: bool) -> AsyncGenerator[Event, None]:
        """Give input and new sizes as they come."""
        ...


class NoTerminal:
    """No terminal; the input is what it was made with."""

    is_terminal = False

    def __init__(self, data: bytes = b"") -> None:
        self._data = data

    def size(self) -> tuple[int, int]:
        return 80, 24

    @contextmanager
    def raw(self, *, enabled: bool) -> Iterator[None]:
        del enabled
        yield

    async def events(self, *, stdin: bool, resize: bool) -> AsyncGenerator[Event, None]:
        del resize
        if stdin:
            if self._data:
                yield self._data
            yield b""
        await asyncio.Event().wait()


class ProcessTerminal:
    """The terminal that the process was started on."""

    def __init__(self, fd: int = 0) -> None:
        #: standard input, or what stands for it
        self._fd = fd

    @property
    def is_terminal(self) -> bool:
        return os.isatty(self._fd)

    def size(self) -> tuple[int, int]:
        found = shutil.get_terminal_size((80, 24))
        return found.columns, found.lines

    @contextmanager
    def raw(self, *, enabled: bool) -> Iterator[None]:
        if not enabled:
            yield
            return
        before = termios.tcgetattr(self._fd)
        tty.setraw(self._fd)
        try:
            yield
        finally:
            termios.tcsetattr(self._fd, termios.TCSADRAIN, before)

    async def events(self, *, stdin: bool, resize: bool) -> AsyncGenerator[Event, None]:
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[Event] = asyncio.Queue(_MAX_WAITING)
        wake, end = os.pipe()
        reader = threading.Thread(target=self._read, args=(loop, queue, wake), daemon=True)
        if stdin:
            reader.start()
        if resize:
            loop.add_signal_handler(signal.SIGWINCH, self._resized, queue)
        try:
            while True:
                yield await queue.get()
        finally:
            if resize:
                loop.remove_signal_handler(signal.SIGWINCH)
            # The reader waits for this end as well as for input, or for room in the queue.
            os.close(end)
            while stdin and reader.is_alive():
                while not queue.empty():
                    queue.get_nowait()
                await asyncio.to_thread(reader.join, 0.01)
            os.close(wake)

    def _resized(self, queue: asyncio.Queue[Event]) -> None:
        # When the queue is full a newer size follows, or the next key does.
        with suppress(asyncio.QueueFull):
            queue.put_nowait(self.size())

    def _read(self, loop: asyncio.AbstractEventLoop, queue: asyncio.Queue[Event], wake: int) -> None:
        """Read until the input ends, or the other end of `wake` is closed. Runs in a thread of its own."""
        while True:
            ready, _, _ = select.select([self._fd, wake], [], [])
            if wake in ready:
                return
            try:
                data = os.read(self._fd, _CHUNK)
            except OSError:
                data = b""
            asyncio.run_coroutine_threadsafe(queue.put(data), loop).result()
            if not data:
                return


def colours_wanted(stream_is_terminal: bool, environment: dict[str, str]) -> bool:
    """Say whether to colour: on a terminal, unless NO_COLOR is set or TERM is dumb; FORCE_COLOR overrides."""
    if environment.get("NO_COLOR"):
        return False
    if environment.get("FORCE_COLOR"):
        return True
    return stream_is_terminal and environment.get("TERM") != "dumb" and sys.platform != "win32"
