"""What takes longer than two seconds is told on a terminal, on a line that goes away when it is done.

`Progress` is made by `process` when standard error is a terminal; pipes, files and tests have none. Whoever
waits says what for: `with shell.busy("waiting for pods/web")`. Unary calls say it themselves (`Patient`).
Many short ones after each other are one wait: a list of many pages, a manifest of many objects.
"""

import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final, TextIO

from cli.printers.style import for_terminal
from vaina.client.transport import Metadata, Transport
from vaina.clock import Clock
from vaina.tasks import beside

#: seconds until something is told, and between two looks at the time
PATIENCE: Final = 2.0
_EVERY: Final = 0.5
#: waits with so many seconds between them, at most, are one
_PAUSE: Final = 0.5
#: to the line's begin, and empty it
_CLEAR: Final = "\r\x1b[2K"


class Progress:
    """The line on standard error. Owned by one run of the command; all on its event loop."""

    def __init__(self, stream: TextIO, clock: Clock, width: Callable[[], int]) -> None:
        """Make it; `width` says how many columns the terminal has now."""
        self._stream, self._clock, self._width = stream, clock, width
        #: what is waited for now, the newest last: in words of the command's own, and of single calls
        self._doing: list[str] = []
        self._calls: list[str] = []
        #: when the last wait ended
        self._ended = -1.0
        #: since when there is nothing new, and the line that is there
        self._since, self._shown = 0.0, ""

    @contextmanager
    def busy(self, words: str, *, is_call: bool = False) -> Iterator[None]:
        """Tell what goes on in the block, once it has lasted two seconds; of a call what it is part of."""
        kind, now = self._calls if is_call else self._doing, self._clock.monotonic()
        if not self._is_busy and now - self._ended > _PAUSE:
            self._since = now
        kind.append(words)
        try:
            yield
        finally:
            kind.remove(words)
            self._ended = self._clock.monotonic()

    @contextmanager
    def blocking(self, words: str) -> Iterator[None]:
        """Tell what goes on in a block that computes, and has no event loop: a thread looks at the time."""
        over = threading.Event()

        def look() -> None:
            while not over.wait(_EVERY):
                self.look()

        thread = threading.Thread(target=look, daemon=True, name="progress")
        with self.busy(words):
            thread.start()
            try:
                yield
            finally:
                over.set()
                thread.join()
                self.clear()

    @asynccontextmanager
    async def told(self) -> AsyncIterator[None]:
        """Look at the time while a command runs; nothing is left of the line after it."""
        try:
            async with beside(self._run()):
                yield
        finally:
            self.clear()

    def clear(self) -> None:
        """Take the line away: something else is about to be written, or it is done."""
        self._since = self._clock.monotonic()
        if self._shown:
            self._shown = ""
            self._stream.write(_CLEAR)
            self._stream.flush()

    def look(self) -> None:
        """Write the line if its time has come, and take it away if nothing goes on any more."""
        now = self._clock.monotonic()
        if not self._is_busy:
            # The line stays for a moment: the next call of many is about to begin.
            if self._shown and now - self._ended >= _PAUSE:
                self.clear()
            return
        seconds = now - self._since
        if seconds < PATIENCE:
            return
        line = for_terminal(f"{(self._doing or self._calls)[-1]} ({seconds:.0f} s)")
        line = line[: max(self._width() - 1, 1)]
        if line != self._shown:
            self._shown = line
            self._stream.write(f"{_CLEAR}{line}")
            self._stream.flush()

    @property
    def _is_busy(self) -> bool:
        return bool(self._doing or self._calls)

    async def _run(self) -> None:
        while True:
            await self._clock.sleep(_EVERY)
            self.look()


class Patient:
    """A transport whose unary calls tell when their answer takes long. Streams are their command's business."""

    def __init__(self, inner: Transport, server: str, progress: Progress) -> None:
        """Wrap a transport to a server, which is named to people."""
        self._inner, self._server, self._progress = inner, server, progress

    async def unary(
        self, method: str, request: bytes, *, timeout: float = 10.0, metadata: Metadata = ()
    ) -> bytes:
        with self._progress.busy(f"waiting for {self._server} to answer", is_call=True):
            return await self._inner.unary(method, request, timeout=timeout, metadata=metadata)

    def stream(
        self, method: str, request: bytes, *, timeout: float | None = None, metadata: Metadata = ()
    ) -> AsyncGenerator[bytes, None]:
        return self._inner.stream(method, request, timeout=timeout, metadata=metadata)

    def bidi(
        self,
        method: str,
        requests: AsyncIterator[bytes],
        *,
        timeout: float | None = None,
        metadata: Metadata = (),
    ) -> AsyncGenerator[bytes, None]:
        return self._inner.bidi(method, requests, timeout=timeout, metadata=metadata)

    async def close(self) -> None:
        await self._inner.close()


def patient(transport: Transport, server: str, progress: Progress | None) -> Transport:
    """Return a transport whose calls tell when they take long, where somebody is told."""
    return transport if progress is None else Patient(transport, server, progress)
