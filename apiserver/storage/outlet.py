"""Where the messages of one watch go out when nobody waits for each (`apiserver.storage.pushing`).

The server's streams have one.
"""

from collections.abc import Callable
from typing import Protocol


class Outlet(Protocol):
    """Of one stream. Owned by its event loop."""

    @property
    def is_busy(self) -> bool:
        """Whether the last message is still on its way."""
        ...

    def send(self, message: bytes, events: int) -> None:
        """Send a message with so many events; not while busy. Raises ApiError: the stream is to end with it."""
        ...

    def on_idle(self, callback: Callable[[], None]) -> None:
        """Call back each time that a message is on its way and the next may follow."""
        ...
