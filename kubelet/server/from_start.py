"""All that a container writes, for a caller that is joined to it a moment after its start. Called by attach.

Runtimes join a caller to what a container writes from then on; the log has what it wrote before. Here the
caller is joined first, then the log is read, and what both have is given once. A container over CRI cannot be
joined before it runs, so all runtimes share this way; upstream loses what was written before
(`pkg/kubelet/server`, `staging/src/k8s.io/kubectl/pkg/cmd/run`).
"""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Final

from kubelet.runtime.interface import Runtime
from kubelet.runtime.records import LogOptions, Output, OutputStream
from kubelet.server.sessions import pieces
from vaina.clock import Clock, rfc3339
from vaina.tasks import beside, is_being_cancelled

#: how long the streams are listened to before the log is read: runtimes write it a moment later
LISTEN_SECONDS: Final = 0.1
#: messages of output that wait; the container waits when there are more
_MAX_WAITING: Final = 16
#: of the log, written since the caller came: what both may have is looked for in so much
_MAX_COMMON: Final = 256 * 1024
#: of a line that does not end: so much is given of it
_MAX_PIECE: Final = 64 * 1024
#: of what was heard first: so much has to be found in the log
_MAX_HEARD: Final = 4096
#: before the caller came: clocks and stamps may differ by so much
_MARGIN_SECONDS: Final = 0.05
#: after the log was read: a runtime that is busy hands on so late what the log had already
_LATE_SECONDS: Final = 5.0
_BARE_NEWLINE: Final = re.compile(rb"(?<!\r)\n")


def as_on_terminal(text: bytes, *, tty: bool) -> bytes:
    """Return a log's text with a terminal's ends of lines, carriage return and newline. PURE.

    Docker's log has both, containerd's only the newline (`pkg/cri/io/logger.go`, readLine).
    """
    return _BARE_NEWLINE.sub(b"\r\n", text) if tty else text


def missed(log: bytes, heard: bytes) -> bytes:
    """Return the beginning of a log that was not among what was `heard` first. PURE."""
    heard = heard[:_MAX_HEARD]
    if not heard:
        return log
    at = log.find(heard)
    if at >= 0:
        return log[:at]
    for size in range(min(len(log), len(heard)), 0, -1):
        if log.endswith(heard[:size]):
            return log[: len(log) - size]
    return log


class Late:
    """Takes away from a stream what its log gave already. PURE.

    Used when nothing of the stream had been heard when its log was read: later pieces come both ways.
    """

    def __init__(self, given: bytes) -> None:
        #: what may come again; the first piece shows where in it the stream begins
        self._given, self._begun = given, False

    def new_of(self, piece: bytes) -> bytes:
        """Return what a piece has that was not given."""
        given = self._given
        if not self._begun:
            self._begun = True
            at = given.find(piece)
            if at < 0:
                sizes = range(min(len(given), len(piece)), 0, -1)
                at = next((len(given) - size for size in sizes if given.endswith(piece[:size])), len(given))
            given = given[at:]
        if given.startswith(piece):
            self._given = given[len(piece) :]
            return b""
        self._given = b""
        return piece.removeprefix(given)


async def ended_log(
    runtime: Runtime, container_id: str, *, since: float | None, tty: bool
) -> AsyncGenerator[Output, None]:
    """Give all that an ended container wrote, or what it wrote since a time. Raises RuntimeFailure."""
    for stream in _streams(tty=tty):
        options = LogOptions(follow=True, stream=stream, since=since)
        async with aclosing(runtime.container_logs(container_id, options)) as written:  # type: ignore[type-var]
            async for data in written:
                for piece in pieces(as_on_terminal(data, tty=tty)):
                    yield Output(stream, piece)


async def from_start(
    runtime: Runtime,
    container_id: str,
    clock: Clock,
    live: AsyncGenerator[Output, None],
    *,
    since: float,
    tty: bool,
) -> AsyncGenerator[Output, None]:
    """Give what a container has written since it started, then what it writes, until it ends.

    `live` is what it writes from now on; its streams began to be joined at `since`. With a `tty` all output
    is one stream. Raises RuntimeFailure: its log cannot be read, or it went away.
    """
    queue: asyncio.Queue[Output | None] = asyncio.Queue(_MAX_WAITING)

    async def listen() -> None:
        try:
            async with aclosing(live) as written:
                async for output in written:
                    await queue.put(output)
        finally:
            # Who has left takes nothing more: there may be no room for it, for ever.
            if not is_being_cancelled():
                await queue.put(None)

    async with beside(listen()):
        await clock.sleep(LISTEN_SECONDS)
        heard = [queue.get_nowait() for _ in range(queue.qsize())]
        late = dict[OutputStream, Late]()
        async with aclosing(_not_heard(runtime, container_id, since, heard, late, tty=tty)) as outputs:
            async for output in outputs:
                yield output
        for item in heard:
            if item is None:
                return
            yield item
        deadline = clock.monotonic() + _LATE_SECONDS
        while (item := await queue.get()) is not None:
            if item.stream in late and clock.monotonic() < deadline:
                item = Output(item.stream, late[item.stream].new_of(item.data))
            if item.data:
                yield item


async def _not_heard(
    runtime: Runtime,
    container_id: str,
    since: float,
    heard: Sequence[Output | None],
    late: dict[OutputStream, Late],
    *,
    tty: bool,
) -> AsyncGenerator[Output, None]:
    """Give what the log has that was not heard; put into `late` the streams of which nothing was heard yet."""
    for stream in _streams(tty=tty):
        first = b"".join(item.data for item in heard if item is not None and item.stream is stream)
        common = bytearray()
        async with aclosing(_before(runtime, container_id, stream, since, common, tty=tty)) as written:
            async for piece in written:
                yield Output(stream, piece)
        for piece in pieces(missed(bytes(common), first)):
            yield Output(stream, piece)
        if not first:
            late[stream] = Late(bytes(common))


def _streams(*, tty: bool) -> tuple[OutputStream, ...]:
    return (OutputStream.STDOUT,) if tty else (OutputStream.STDOUT, OutputStream.STDERR)


async def _before(
    runtime: Runtime, container_id: str, stream: OutputStream, since: float, common: bytearray, *, tty: bool
) -> AsyncGenerator[bytes, None]:
    """Give what one stream's log has of the time before; put into `common` what may have been heard as well."""
    # Stamps are compared as texts: those with fewer digits count as later, and are looked for in what was heard.
    begin = since - _MARGIN_SECONDS
    bound = f"{rfc3339(begin)[:-1]}.{int(begin % 1 * 1e6):06d}".encode()
    async with aclosing(_lines(runtime, container_id, stream)) as lines:
        async for stamp, line in lines:
            text = as_on_terminal(line, tty=tty)
            if stamp < bound and not common:
                for piece in pieces(text):
                    yield piece
            elif len(common) < _MAX_COMMON:
                common += text


async def _lines(
    runtime: Runtime, container_id: str, stream: OutputStream
) -> AsyncGenerator[tuple[bytes, bytes], None]:
    """Give a log's lines with their stamps, as far as it is written; a long line in pieces with its stamp."""
    options = LogOptions(timestamps=True, stream=stream)
    rest = b""
    #: of a line of which a piece was given
    begun: bytes | None = None
    written: AsyncIterator[bytes] = runtime.container_logs(container_id, options)
    async with aclosing(written) as chunks:  # type: ignore[type-var]  # a generator, whose type only says iterator
        async for chunk in chunks:
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                stamp, text = _stamped(line, begun)
                begun = None
                yield stamp, text + b"\n"
            if len(rest) > _MAX_PIECE:
                begun, text = _stamped(rest, begun)
                rest = b""
                yield begun, text
    if rest:
        yield _stamped(rest, begun)


def _stamped(line: bytes, begun: bytes | None) -> tuple[bytes, bytes]:
    if begun is not None:
        return begun, line
    stamp, _, text = line.partition(b" ")
    return stamp, text
