"""Events of watches as they are sent, encoded once for all who watch in the same form.

The handlers hand the same bytes to all watchers of a selection, so a whole batch is found by these. What
watchers of other selections, or of other places in the stream, get is found event by event. Owned by one event
loop.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Final, Generic, TypeVar

from apiserver.large import LargeWork, is_large
from apiserver.rest.answers import write_event
from apiserver.rest.forms import TABLE, Form
from apiserver.rest.served import Convert, Served
from vaina.api.meta.v1 import raw_pb2
from vaina.clock import Clock
from vaina.kinds import Kind
from vaina.serving.slices import Slice, Slices

K = TypeVar("K")
V = TypeVar("V")

#: of all that is kept: what went in and what came of it
MAX_BYTES: Final = 12 * 1024 * 1024


class Batch:
    """Events that are sent together."""

    def __init__(self, frames: Sequence[bytes]) -> None:
        #: one an event
        self.frames = frames

    @cached_property
    def joined(self) -> bytes:
        """All of them: what a stream of bytes gets, made once for all."""
        return b"".join(self.frames)


class _Kept(Generic[K, V]):
    """What was used last, up to a number of bytes."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._values: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self.size = 0

    def find(self, key: K) -> V | None:
        found = self._values.get(key)
        if found is None:
            return None
        self._values.move_to_end(key)
        return found[0]

    def add(self, key: K, value: V, size: int) -> None:
        """Keep a value; the least used go. One that does not fit at all is not kept."""
        if key in self._values or size > self._max_bytes:
            return
        self._values[key] = (value, size)
        self.size += size
        while self.size > self._max_bytes:
            _, (_, gone) = self._values.popitem(last=False)
            self.size -= gone


class Frames:
    """Encodes the events of all watches of one server, and keeps what was used last."""

    def __init__(self, clock: Clock, large: LargeWork | None = None, max_bytes: int = MAX_BYTES) -> None:
        """Make it; a third of the bytes is for whole batches. `large` has the turns of what is large."""
        self.clock, self.large = clock, large or LargeWork()
        self.slices = Slices(clock.monotonic)
        #: by resource and form
        self._numbers: dict[tuple[str, str, Form], int] = {}
        #: by number, and the bytes that the handler gave: of a batch; with its type: of an event
        self._batches = _Kept[tuple[int, bytes], Batch](max_bytes // 3)
        self._events = _Kept[tuple[int, str, bytes], bytes](max_bytes - max_bytes // 3)
        #: events that were encoded, for tests
        self.encoded = 0
        #: one large event at a time: others who want the same find it afterwards
        self._large_turn = asyncio.Lock()

    @property
    def size(self) -> int:
        """Bytes of what is kept."""
        return self._batches.size + self._events.size

    def of(self, served: Served, form: Form) -> "Encoder":
        """Return what encodes one watch."""
        key = (served.shape.api_version, served.shape.kind, form)
        number = self._numbers.setdefault(key, len(self._numbers))
        return Encoder(self, number, served, form)

    def batch(self, number: int, response: bytes) -> Batch | None:
        """Return a batch that was encoded already."""
        return self._batches.find((number, response))

    def keep_batch(self, number: int, response: bytes, batch: Batch) -> None:
        # Its frames are there a second time as soon as they are joined.
        self._batches.add((number, response), batch, len(response) + 2 * sum(map(len, batch.frames)))

    def event(self, number: int, encoder: "Encoder", event_type: str, data: bytes) -> bytes:
        """Return an event as it is sent."""
        found = self._events.find((number, event_type, data))
        if found is None:
            found = encoder.write(event_type, data)
            self._keep_event(number, event_type, data, found)
        return found

    async def large_event(self, number: int, encoder: "Encoder", event_type: str, data: bytes) -> bytes:
        """Return an event of a large object as it is sent, written beside the loop."""
        async with self._large_turn:
            found = self._events.find((number, event_type, data))
            if found is None:
                found = await self.large.do(len(data), encoder.write, event_type, data)
                self._keep_event(number, event_type, data, found)
            return found

    def _keep_event(self, number: int, event_type: str, data: bytes, frame: bytes) -> None:
        self.encoded += 1
        self._events.add((number, event_type, data), frame, len(data) + len(frame))


class Encoder:
    """Encodes the events of one watch. Owned by its task."""

    def __init__(self, frames: Frames, number: int, served: Served, form: Form) -> None:
        self._frames, self._number, self._form = frames, number, form
        self._shape: Kind[Any] = served.shape
        self._read: Convert | None = served.read
        self._is_table = form.as_kind == TABLE
        #: the next event has the columns of its Table: the first one alone, which is made for this watch
        self._headers = self._is_table

    def find(self, response: bytes) -> Batch | None:
        """Return the batch of a handler's answer, if it need not be encoded."""
        return None if self._headers else self._frames.batch(self._kind(), response)

    async def encode(self, response: bytes) -> Batch:
        """Return the batch of a handler's answer. Others run while many events are encoded."""
        frames, has_headers = self._frames, self._headers
        made: list[bytes] = []
        slice_ = Slice(frames.slices)
        for event in raw_pb2.RawWatchResponse.FromString(response).events:
            if self._headers:
                self._headers = False
                made.append(self.write(event.type, event.object, headers=True))
            elif is_large(len(event.object)):
                made.append(await frames.large_event(self._kind(), self, event.type, event.object))
            else:
                made.append(frames.event(self._kind(), self, event.type, event.object))
            if slice_.is_over:
                await slice_.give_way()
        batch = Batch(made)
        if not has_headers:
            frames.keep_batch(self._kind(), response, batch)
        return batch

    def write(self, event_type: str, data: bytes, *, headers: bool = False) -> bytes:
        """Return one event as it is sent, made anew."""
        shown = data if self._read is None else self._read(data)
        now = self._frames.clock.now()
        return write_event(self._form, self._shape, event_type, shown, now, headers=headers)

    def _kind(self) -> int:
        """Return the number that the encoded events are kept under. Ages in a Table hold for a second."""
        return self._number + (int(self._frames.clock.now()) << 16) if self._is_table else self._number
