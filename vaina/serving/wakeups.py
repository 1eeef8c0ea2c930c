"""Wakes the loop of grpc.aio once for all that has happened, instead of once for each event.

gRPC's thread puts an event into a queue and writes a byte into a socket pair; the loop's reader takes one
byte, and then all events that there are. The bytes of those events are still in the socket: for each the loop
turns once more, and finds nothing. Here the reader takes all bytes. That loses nothing: a byte is written
after its event is in the queue, and the queue is looked at after the bytes were taken.

It stands on what grpc.aio (1.85, which is pinned) does inside: its queue reads by `socket.recv`. Where that
has changed, nothing is done.
"""

import asyncio
import socket

from grpc._cython import cygrpc  # type: ignore[attr-defined]  # the stubs do not know it

_MOST = 4096


class _AllAtOnce(socket.socket):
    """A socket whose reader wants to know that there is something, not what."""

    __slots__ = ()

    def recv(self, _bufsize: int, flags: int = 0) -> bytes:
        return super().recv(_MOST, flags)


def install(loop: asyncio.AbstractEventLoop) -> int:
    """Change the sockets by which gRPC wakes a loop; returns how many there are.

    Doing it twice is doing it once.
    """
    queue = getattr(cygrpc, "PollerCompletionQueue", None)
    selector = getattr(loop, "_selector", None)
    if queue is None or selector is None:
        return 0
    found = 0
    for key in selector.get_map().values():
        reader = key.data[0] if isinstance(key.data, tuple) else None
        callback = getattr(reader, "_callback", None)
        owner = getattr(getattr(callback, "func", callback), "__self__", None)
        if isinstance(owner, queue) and isinstance(key.fileobj, socket.socket):
            key.fileobj.__class__ = _AllAtOnce
            found += 1
    return found
