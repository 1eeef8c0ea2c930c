"""Events of watches as they are sent, encoded once for all who watch in the same form.

The handlers hand the same bytes to all watchers of a selection, so a whole batch is found by these. What
watchers of other selections, or of other places in the stream, get is found event by event. Owned by one event
loop.
"""

from collections import OrderedDict
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Final

from apiserver.rest.answers import write_event
from apiserver.rest.forms import TABLE, Form
from apiserver.rest.served import Convert, Served
from vaina.api.meta.v1 import raw_pb2
from vaina.clock import Clock
from vaina.kinds import Kind

#: of all that is kept: what went in and what came of it
MAX_BYTES: Final = 12 * 1024 * 1024
#: how long events are encoded before other tasks run
_SLICE_SECONDS: Final = 0.005


class Batch:
    """Events that are sent together."""

    def __init__(self, frames: Sequence[bytes]) -> None:
        #: one an event
        self.frames = frames

    @cached_property
    def joined(self) -> bytes:
        """All of them: what a stream of bytes gets, made once for all."""
        return b"".join(self.frames)


class Frames:
    """Encodes the events of all watches of one server, and keeps what was used last."""

    def __init__(self, clock: Clock, max_bytes: int = MAX_BYTES) -> None:
        self._clock, self._max_bytes = clock, max_bytes
        #: by resource and form
        self._numbers: dict[tuple[str, str, Form], int] = {}
        #: by number, and the bytes that the handler gave: of a batch; with its type: of an event
        self._batches: OrderedDict[tuple[int, bytes], Batch] = OrderedDict()
        self._events: OrderedDict[tuple[int, str, bytes], bytes] = OrderedDict()
        self._size = 0
        #: events that were encoded, for tests
        self.encoded = 0

    def of(self, served: Served, form: Form) -> "Encoder":
        """Return what encodes one watch."""
        key = (served.shape.api_version, served.shape.kind, form)
        number = self._numbers.setdefault(key, len(self._numbers))
        return Encoder(self, number, served, form)

    def batch(self, number: int, response: bytes) -> Batch | None:
        """Return a batch that was encoded already."""
        found = self._batches.get((number, response))
        if found is not None:
            self._batches.move_to_end((number, response))
        return found

    def keep_batch(self, number: int, response: bytes, batch: Batch) -> None:
        """Keep a batch; its frames are counted where they are kept one by one."""
        if (number, response) not in self._batches:
            self._batches[number, response] = batch
            self._size += _batch_size(response, batch)
            self._make_room()

    def event(self, number: int, encoder: "Encoder", event_type: str, data: bytes) -> bytes:
        """Return an event as it is sent."""
        key = (number, event_type, data)
        found = self._events.get(key)
        if found is None:
            found = self._events[key] = encoder.write(event_type, data)
            self.encoded += 1
            self._size += len(data) + len(found)
            self._make_room()
        else:
            self._events.move_to_end(key)
        return found

    async def give_way(self) -> None:
        await self._clock.sleep(0)

    def now(self) -> float:
        return self._clock.now()

    def monotonic(self) -> float:
        return self._clock.monotonic()

    def _make_room(self) -> None:
        while self._size > self._max_bytes and self._batches:
            (_, response), batch = self._batches.popitem(last=False)
            self._size -= _batch_size(response, batch)
        while self._size > self._max_bytes and self._events:
            (_, _, data), frame = self._events.popitem(last=False)
            self._size -= len(data) + len(frame)


def _batch_size(response: bytes, batch: Batch) -> int:
    return len(response) + sum(map(len, batch.frames))


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
        until = frames.monotonic() + _SLICE_SECONDS
        for event in raw_pb2.RawWatchResponse.FromString(response).events:
            if self._headers:
                self._headers = False
                made.append(self.write(event.type, event.object, headers=True))
            else:
                made.append(frames.event(self._kind(), self, event.type, event.object))
            if frames.monotonic() > until:
                await frames.give_way()
                until = frames.monotonic() + _SLICE_SECONDS
        batch = Batch(made)
        if not has_headers:
            frames.keep_batch(self._kind(), response, batch)
        return batch

    def write(self, event_type: str, data: bytes, *, headers: bool = False) -> bytes:
        """Return one event as it is sent, made anew."""
        shown = data if self._read is None else self._read(data)
        now = self._frames.now()
        return write_event(self._form, self._shape, event_type, shown, now, headers=headers)

    def _kind(self) -> int:
        """Return the number that the encoded events are kept under. Ages in a Table hold for a second."""
        return self._number + (int(self._frames.now()) << 16) if self._is_table else self._number
