"""Wraps the apiserver's methods in their limits: seats for unary calls, numbers for streams (decision 032).

A unary call takes seats of its priority level and runs, or waits in the level's fair queue. What waits too
long, or finds no room, is refused with TooManyRequests and a delay, in the reference's words (apiserver
`pkg/server/filters/priority-and-fairness.go`). A watch that begins with the current state takes a list's
seats until its first answer; then it only counts among streams.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

from apiserver.flowcontrol.fair import Client, FairQueue
from apiserver.flowcontrol.levels import (
    LEVELS,
    MAX_SEATS,
    MUTATING,
    Level,
    Schema,
    bytes_per_seat,
    list_seats,
    request_kind,
    schema_of,
)
from apiserver.flowcontrol.metrics import CONCURRENCY_LIMIT, QUEUE_FULL, TIME_OUT, Counts, FlowMetrics
from apiserver.storage.pushing import BATCH_BYTES
from vaina.api.meta.v1 import request_pb2
from vaina.clock import Clock
from vaina.errors import TooLarge, TooManyRequests
from vaina.serving.handlers import ANONYMOUS, STREAM, UNARY, Method, RequestContext, User, decode
from vaina.serving.unsent import MIN_BYTES, SMALL_BYTES

#: Kubernetes' limit on the body of a request
MAX_REQUEST_BYTES: Final = 3 * 1024 * 1024
#: a quarter of the time that a request has altogether (the reference's RequestWaitLimit)
WAIT_SECONDS: Final = 15.0
#: requests that are being answered or wait, all together
MAX_BYTES: Final = 256 * 1024 * 1024
#: ... of which a request may take this part of what is left: there is room for small ones when there is none
#: for large ones
_PART: Final = 16
#: the reference's retryAfter of a refusal
RETRY_SECONDS: Final = 1.0
_WORDS: Final = "Too many requests, please try again later."
_EXEMPT: Final = "exempt"


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """How many streams there may be: watches, logs, exec."""

    total: int = 20_000
    #: of one user, or of one address where nobody is known
    per_client: int = 10_000
    #: of their requests, which are there as long as they are. Apart from those of calls: streams last, and
    #: must not keep calls out.
    max_bytes: int = 64 * 1024 * 1024


@dataclass(slots=True)
class _Lane:
    """Where the calls of one method (by one sort of user) go."""

    schema: Schema
    queue: FairQueue[asyncio.Future[None]]
    counts: Counts


class FlowControl:
    """The limits of one apiserver. Owned by one event loop."""

    def __init__(
        self,
        clock: Clock,
        *,
        levels: tuple[Level, ...] = tuple(LEVELS),
        streams: StreamLimits = StreamLimits(),
        max_bytes: int = MAX_BYTES,
        wait_seconds: float = WAIT_SECONDS,
        object_count: Callable[[str], int] = lambda _service: 0,
    ) -> None:
        """Make the limits.

        Args:
            clock: for durations.
            levels: seats and rooms.
            streams: how many streams there may be.
            max_bytes: of requests that are being answered or wait.
            wait_seconds: how long a request may wait for its turn.
            object_count: by a kind's service: how many objects of the kind there are, for the width of lists.
        """
        self._clock, self._streams, self._max_bytes = clock, streams, max_bytes
        self._wait_seconds, self._object_count = wait_seconds, object_count
        kinds = ("mutating", "readOnly")
        self._queues = {
            (level.name, kind): FairQueue[asyncio.Future[None]](level.seats(kind), level.room)
            for level in levels
            for kind in kinds
        }
        # Whoever is exempt is counted, and never waits.
        self._queues |= {(_EXEMPT, kind): FairQueue(1 << 40, 0) for kind in kinds}
        self._lanes: dict[tuple[str, str], _Lane] = {}
        self._bytes = 0
        self._stream_bytes = 0
        self._open: dict[str, int] = {}
        self._totals = {"current": 0, "rejected": 0}
        self._counts: dict[tuple[str, str], Counts] = {}
        seats = {level.name: level.mutating + level.read_only for level in levels}
        self.metrics = FlowMetrics(self._counts, seats, self._totals)

    def wrap(self, handlers: Mapping[str, Method]) -> dict[str, Method]:
        return {path: self.limited(path, method) for path, method in handlers.items()}

    def limited(self, path: str, method: Method) -> Method:
        if method.kind is UNARY:
            return Method(UNARY, self._unary(path, method))
        return Method(method.kind, self._stream(path, method))

    def _unary(self, path: str, method: Method) -> Callable[[bytes, RequestContext], Any]:
        fn, anonymous, kind = method.fn, self._lane(ANONYMOUS, path), request_kind(path)
        per_seat = bytes_per_seat(path)
        is_list, writes = path.endswith("/List"), kind == MUTATING
        part = self._max_bytes // _PART

        async def unary(data: bytes, rpc: RequestContext) -> bytes:
            size = len(data)
            if size > MAX_REQUEST_BYTES:
                raise TooLarge(f"Request entity too large: limit is {MAX_REQUEST_BYTES}")
            lane = anonymous if rpc.user is ANONYMOUS else self._lane(rpc.user, path)
            counts, queue = lane.counts, lane.queue
            seats = 1
            if is_list:
                seats = self._list_seats(path, data)
            elif size > per_seat:
                seats = min(-(-size // per_seat), MAX_SEATS)
            if size > part - self._bytes // _PART:
                counts.reject(CONCURRENCY_LIMIT)
                raise TooManyRequests(_WORDS, retry_seconds=RETRY_SECONDS)
            self._bytes += size
            try:
                if not queue.take(seats):
                    await self._wait(lane, rpc, seats)
                counts.dispatched += 1
                counts.executing += 1
                counts.seats_in_use += seats
                try:
                    if is_list:
                        check_unsent(rpc, SMALL_BYTES + 1)
                    elif writes and size > MIN_BYTES:
                        # The answer has what was sent. Refused once it is written, it would be sent again.
                        check_unsent(rpc, size)
                    answer: bytes = await fn(data, rpc)
                    rpc.is_done = writes and not rpc.dry_run
                finally:
                    counts.executing -= 1
                    counts.seats_in_use -= seats
                    self._finish(queue, seats)
            finally:
                self._bytes -= size
            return answer

        unary.__doc__ = f"Serve {path} ({kind}) within its limits."
        return unary

    def _stream(self, path: str, method: Method) -> Callable[[Any, RequestContext], AsyncIterator[bytes]]:
        fn, is_watch = method.fn, method.kind is STREAM and path.endswith("/Watch")

        async def stream(request: Any, rpc: RequestContext) -> AsyncIterator[bytes]:
            size = len(request) if isinstance(request, bytes) else 0
            if size > MAX_REQUEST_BYTES:
                raise TooLarge(f"Request entity too large: limit is {MAX_REQUEST_BYTES}")
            client = rpc.client
            self._open_stream(client, size)
            try:
                lane = self._lane(rpc.user, path)
                seats = self._watch_seats(path, request) if is_watch else 0
                if seats and not lane.queue.take(seats):
                    await self._wait(lane, rpc, seats)
                lane.counts.dispatched += 1
                try:
                    if seats:
                        check_unsent(rpc, BATCH_BYTES)
                    async with aclosing(fn(request, rpc)) as answers:
                        async for answer in answers:
                            if seats:
                                self._finish(lane.queue, seats)
                                seats = 0
                            yield answer
                finally:
                    if seats:
                        self._finish(lane.queue, seats)
            finally:
                self._close_stream(client, size)

        return stream

    async def _wait(self, lane: _Lane, rpc: RequestContext, seats: int) -> None:
        """Return when it is the call's turn: its seats are taken. Raises TooManyRequests."""
        turn = asyncio.get_running_loop().create_future()
        ticket = lane.queue.push(client_of(rpc), seats, turn)
        if ticket is None:
            lane.counts.reject(QUEUE_FULL)
            raise TooManyRequests(_WORDS, retry_seconds=RETRY_SECONDS)
        self._dispatch(lane.queue)
        begun = self._clock.monotonic()
        lane.counts.waiting += 1
        try:
            async with asyncio.timeout(self._wait_seconds):
                await turn
        except BaseException as error:
            if lane.queue.remove(ticket):
                # It may have been a wide one, before others for whom there are seats.
                self._dispatch(lane.queue)
            else:
                # Its turn has come in the same moment: the seats go on.
                self._finish(lane.queue, seats)
            if isinstance(error, TimeoutError):
                lane.counts.reject(TIME_OUT)
                raise TooManyRequests(_WORDS, retry_seconds=RETRY_SECONDS) from error
            raise
        finally:
            lane.counts.waiting -= 1
        lane.counts.waited(self._clock.monotonic() - begun)

    def _finish(self, queue: FairQueue[asyncio.Future[None]], seats: int) -> None:
        queue.finish(seats)
        if queue.waiting:
            self._dispatch(queue)

    def _dispatch(self, queue: FairQueue[asyncio.Future[None]]) -> None:
        for turn in queue.turns():
            # A cancelled one gives its seats back itself, where it waits.
            if not turn.done():
                turn.set_result(None)

    def _lane(self, user: User, path: str) -> _Lane:
        schema, kind = schema_of(user, path), request_kind(path)
        found = self._lanes.get((schema.name, kind))
        if found is None:
            counts = self._counts[schema.name, kind] = Counts(schema.level, schema.name, kind)
            found = self._lanes[schema.name, kind] = _Lane(schema, self._queues[schema.level, kind], counts)
        return found

    def _list_seats(self, path: str, data: bytes) -> int:
        """Return a list's width: by what it looks at."""
        stored = self._object_count(path.split("/")[1])
        if stored <= 100:
            return 1
        request = decode(request_pb2.ListRequest, data)
        chooses = bool(request.label_selector or request.field_selector)
        return list_seats(0 if chooses else request.limit, stored)

    def _watch_seats(self, path: str, data: bytes) -> int:
        """Return a watch's width while it begins; 0 for one that only goes on."""
        request = decode(request_pb2.WatchRequest, data)
        return self._list_seats(path, b"") if request.send_initial_events else 0

    def _open_stream(self, client: str, size: int) -> None:
        count, limits = self._open.get(client, 0), self._streams
        is_full = self._totals["current"] >= limits.total or count >= limits.per_client
        if is_full or size > (limits.max_bytes - self._stream_bytes) // _PART:
            self._totals["rejected"] += 1
            raise TooManyRequests(_WORDS, retry_seconds=RETRY_SECONDS)
        self._stream_bytes += size
        self._open[client] = count + 1
        self._totals["current"] += 1

    def _close_stream(self, client: str, size: int) -> None:
        self._stream_bytes -= size
        self._totals["current"] -= 1
        self._open[client] -= 1
        if not self._open[client]:
            del self._open[client]


def check_unsent(rpc: RequestContext, size: int) -> None:
    """Refuse to make a large answer for a client that has not taken the last. Raises TooManyRequests."""
    if rpc.unsent is not None and not rpc.unsent.has_room(rpc.client, rpc.peer, size):
        raise TooManyRequests(_WORDS, retry_seconds=RETRY_SECONDS)


def client_of(rpc: RequestContext) -> Client:
    """Return whom a call counts for: its user, or the address it comes from, and within that a connection."""
    return Client(rpc.client, rpc.peer)
