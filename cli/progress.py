"""What takes longer than two seconds is told on a terminal, on a line that goes away when it is done.

`Progress` is made by `process` when standard error is a terminal; pipes, files and tests have none. Whoever
waits says what for: `async with shell.busy("waiting for pods/web")`. Unary calls say it themselves (`Patient`).
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, TextIO

from cli.printers.style import for_terminal
from vaina.client.transport import Metadata, Transport
from vaina.clock import Clock
from vaina.tasks import beside

#: seconds until something is told, and between two looks at the time
PATIENCE: Final = 2.0
_EVERY: Final = 1.0
#: to the line's begin, and empty it
_CLEAR: Final = "\r\x1b[2K"


class Progress:
    """The line on standard error. Owned by one run of the command; all on its event loop."""

    def __init__(self, stream: TextIO, clock: Clock, width: Callable[[], int]) -> None:
        """Make it; `width` says how many columns the terminal has now."""
        self._stream, self._clock, self._width = stream, clock, width
        #: what is waited for now, the newest last
        self._doing: list[str] = []
        self._shown = False

    @asynccontextmanager
    async def busy(self, words: str) -> AsyncIterator[None]:
        """Tell what goes on in the block, once it has lasted two seconds."""
        self._doing.append(words)
        try:
            async with beside(self._tell(words)):
                yield
        finally:
            self._doing.remove(words)
            self.clear()

    def clear(self) -> None:
        """Take the line away: something else is about to be written, or it is done."""
        if self._shown:
            self._shown = False
            self._stream.write(_CLEAR)
            self._stream.flush()

    async def _tell(self, words: str) -> None:
        begun = self._clock.monotonic()
        await self._clock.sleep(PATIENCE)
        while True:
            if self._doing[-1] == words:
                line = for_terminal(f"{words} ({self._clock.monotonic() - begun:.0f} s)")
                self._stream.write(f"{_CLEAR}{line[: max(self._width() - 1, 1)]}")
                self._stream.flush()
                self._shown = True
            await self._clock.sleep(_EVERY)


class Patient:
    """A transport whose unary calls tell when their answer takes long. Streams are their command's business."""

    def __init__(self, inner: Transport, server: str, progress: Progress) -> None:
        """Wrap a transport to a server, which is named to people."""
        self._inner, self._server, self._progress = inner, server, progress

    async def unary(
        self, method: str, request: bytes, *, timeout: float = 10.0, metadata: Metadata = ()
    ) -> bytes:
        async with self._progress.busy(f"waiting for {self._server} to answer"):
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
