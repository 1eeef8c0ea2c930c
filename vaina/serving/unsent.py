"""PURE: answers that clients have not taken yet, together under a bound.

gRPC holds an answer until its client reads it: a client that asks for much and reads nothing would fill the
server. So answers are counted from when they are ready until they are gone, and what does not fit is refused.
Room is shared by dynamic thresholds, as in `apiserver/flowcontrol/fair.py`: a connection has as much as is
left, all connections of a client (`RequestContext.client`) twice that. So one that reads nothing fills half of
it, and sixteen pages of lists can be on their way to one client.

An answer that is not read counts until its client reads it or goes: the core holds its bytes for so long,
and nothing public takes them back.

Bytes are counted as they go out. While they wait there are up to three copies of them: the parts of a batch,
the message, gRPC's own.
"""

from typing import Final

from vaina.errors import Timeout, TooManyRequests

#: of all answers together
MAX_BYTES: Final = 192 * 1024 * 1024
#: what is smaller is not counted: 32,768 calls (`wrapping.MAX_CALLS`) of this size are 256 MiB
MIN_BYTES: Final = 8 * 1024
#: up to here an answer is only refused when there is no room at all
SMALL_BYTES: Final = 64 * 1024
_DONE: Final = (
    "the request was carried out, and there is no room for its answer: earlier answers were not read yet"
)


class Unsent:
    """The count. Owned by one event loop."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self.max_bytes, self.bytes = max_bytes, 0
        #: by client, and by connection
        self._of: dict[str, int] = {}

    def add(self, client: str, peer: str, size: int, *, is_done: bool = False) -> None:
        """Count an answer to a client (its user, or ipv4:10.0.0.1) over a connection (ipv4:10.0.0.1:4567).

        Raises TooManyRequests when it does not fit, and is not counted; Timeout if it answers a write that is
        done: clients send again what they are told to send later.
        """
        if not self.has_room(client, peer, size):
            if is_done:
                raise Timeout(_DONE)
            raise TooManyRequests(
                "Too many requests, please try again later: earlier answers were not read yet.",
                retry_seconds=1,
            )
        self.bytes += size
        for name in (client, peer):
            self._of[name] = self._of.get(name, 0) + size

    def has_room(self, client: str, peer: str, size: int) -> bool:
        """Say whether an answer to a client would be counted, before it is made."""
        free = self.max_bytes - self.bytes
        if size > free:
            return False
        if size <= SMALL_BYTES:
            return True
        return self._of.get(client, 0) + size <= 2 * free and self._of.get(peer, 0) + size <= free

    def remove(self, client: str, peer: str, size: int) -> None:
        """Count an answer no more: it is gone, or never will be."""
        self.bytes -= size
        for name in (client, peer):
            left = self._of[name] - size
            if left:
                self._of[name] = left
            else:
                del self._of[name]
