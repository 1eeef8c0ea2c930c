"""PURE: the calls of a server that are under way, by client, and what one client may have of them.

A client is a user, or an address where nobody is known (`RequestContext.client`). It may have as many calls
under way as are left for others (dynamic thresholds, as in `unsent`): alone half of all, and others always find
some. A user's calls may come over so many connections; those of an address are not counted, for many users share
one behind a router. A connection without calls is closed after 90 s (`options.IDLE_SECONDS`).
"""

from typing import Final

from vaina.errors import TooManyRequests

#: connections over which the calls of one user come: a hundred calls are on each (`options.MAX_STREAMS`)
MAX_CONNECTIONS_PER_USER: Final = 1000


class Clients:
    """The count. Owned by one event loop."""

    def __init__(self, max_connections: int = MAX_CONNECTIONS_PER_USER) -> None:
        self._max_connections = max_connections
        self._calls: dict[str, int] = {}
        #: by user, the calls of each connection
        self._connections: dict[str, dict[str, int]] = {}

    def enter(self, client: str, peer: str, free: int, *, is_user: bool) -> None:
        """Count a call; there is room for so many more of anybody. Raises TooManyRequests: it is not counted."""
        calls, connections = self._calls.get(client, 0), self._connections.get(client, {})
        is_new = is_user and peer not in connections
        if calls > free or (is_new and len(connections) >= self._max_connections):
            raise TooManyRequests("Too many requests, please try again later.", retry_seconds=1)
        self._calls[client] = calls + 1
        if is_user:
            self._connections[client] = connections
            connections[peer] = connections.get(peer, 0) + 1

    def leave(self, client: str, peer: str) -> None:
        """Count a call no more."""
        self._calls[client] -= 1
        if not self._calls[client]:
            del self._calls[client]
        connections = self._connections.get(client)
        if connections is not None:
            connections[peer] -= 1
            if not connections[peer]:
                del connections[peer]
            if not connections:
                del self._connections[client]
