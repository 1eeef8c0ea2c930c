"""Writes that wait for etcd, and the callers that wait for them.

Called by the group commit alone; everything happens on one event loop.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeAlias

from apiserver.storage.etcd.batch import MAX_WRITES, Outcome, Write, take_batch
from apiserver.storage.etcd.failures import LeaseMissing
from vaina.errors import ApiError

#: writes of callers that gave up are removed before their turn when there are so many beyond twice those that
#: wait
_ABANDONED: Final = 16

#: the result of a write; LeaseMissing when its lease has ended
Result: TypeAlias = Outcome | ApiError | LeaseMissing


class Call:
    """A caller that waits for the outcomes of its writes: one future for all of them."""

    __slots__ = ("future", "left", "results", "since", "writes")

    def __init__(self, writes: Sequence[Write], since: float) -> None:
        self.future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.writes, self.since, self.left = writes, since, len(writes)
        self.results: list[Any] = [None] * len(writes)


class Waiting:
    """The writes of all callers. Each write refers to its call, so that no lookup is needed."""

    def __init__(self) -> None:
        self.puts: deque[Write] = deque()
        self.deletions: deque[Write] = deque()
        #: calls in the order in which they came
        self._calls: dict[Call, None] = {}
        #: writes whose caller still waits, including those under way
        self.count = 0

    @property
    def queued(self) -> int:
        """How many writes wait for their turn, including those of callers that gave up."""
        return len(self.puts) + len(self.deletions)

    def add(self, writes: Sequence[Write], since: float) -> Call:
        """Queue the writes of a caller; it waits for the future of the returned call."""
        call = Call(writes, since)
        self._calls[call] = None
        self.count += call.left
        for index, write in enumerate(writes):
            write.call, write.index = call, index
        if all(write.data is not None for write in writes):
            self.puts.extend(writes)
        else:
            for write in writes:
                (self.puts if write.data is not None else self.deletions).append(write)
        return call

    def abandon(self, call: Call) -> None:
        """Forget the writes of a caller that gave up.

        They leave the queues at their turn, or here once they are many: while etcd does not answer no write
        has its turn.
        """
        if call in self._calls:
            del self._calls[call]
            self.count -= call.left
        for write in call.writes:
            write.call = None
        if self.queued > 2 * self.count + _ABANDONED:
            self.puts = deque(write for write in self.puts if write.call is not None)
            self.deletions = deque(write for write in self.deletions if write.call is not None)

    def take(self, most: int = MAX_WRITES) -> list[Write]:
        """Take the next batch, from the queue whose first write waits longer; empty when all gave up."""
        for queue in (self.puts, self.deletions):
            while queue and not is_waiting(queue[0]):
                queue.popleft()
        puts, deletions = self.puts, self.deletions
        if puts and deletions:
            queue = puts if puts[0].call.since <= deletions[0].call.since else deletions
        else:
            queue = puts or deletions
        return [write for write in take_batch(queue, most) if is_waiting(write)]

    def late(self, before: float, but: Iterable[Write]) -> list[Write]:
        """Return the writes that have waited since before a time, except for some."""
        kept = set(but)
        calls = [call for call in self._calls if call.since < before]
        return [
            write for call in calls for write in call.writes if write.call is not None and write not in kept
        ]

    def all(self) -> list[Write]:
        return [write for call in self._calls for write in call.writes if write.call is not None]

    def answer_all(self, writes: Sequence[Write], results: Sequence[Result]) -> None:
        """Give some writes their results. Callers that gave up get none."""
        for write, result in zip(writes, results, strict=True):
            call = write.call
            if call is not None:
                # Neither is needed any more, and they refer to each other.
                write.call = None
                call.results[write.index] = result
                call.left -= 1
                self.count -= 1
                if not call.left:
                    del self._calls[call]
                    if not call.future.done():
                        call.future.set_result(None)


def is_waiting(write: Write) -> bool:
    """Say whether a caller still waits for a write."""
    return write.call is not None and not write.call.future.done()
