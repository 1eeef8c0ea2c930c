"""Where a watch's messages go, with their count."""

from collections.abc import Callable

from vaina.serving.outlet import Outlet

#: is told of every batch that a watch sends: how many events, how many bytes
OnWatchBatch = Callable[[int, int], None]


class CountedOutlet:
    """The outlet of a stream as storage knows it (`apiserver.storage.outlet`)."""

    __slots__ = ("_on_batch", "_outlet", "on_idle")

    def __init__(self, outlet: Outlet, on_batch: OnWatchBatch) -> None:
        self._outlet, self._on_batch = outlet, on_batch
        self.on_idle = outlet.on_idle

    @property
    def is_busy(self) -> bool:
        """Whether the last message is still on its way."""
        return self._outlet.is_busy

    def send(self, message: bytes, events: int) -> None:
        """Send a message. Raises TooManyRequests."""
        self._outlet.send(message)
        self._on_batch(events, len(message))
