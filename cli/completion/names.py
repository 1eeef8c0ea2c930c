"""Names of objects from the apiserver, within a time. A Tab imports none of their messages.

What cannot be had in time, or at all, is not offered: a Tab has nobody to tell an error.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from cli.completion.messages import containers_of, names_of

#: objects of a page, and of all pages
PAGE: Final = 500
_MOST: Final = 5000


class Server(Protocol):
    """One apiserver, asked for one Tab. Both calls raise OSError: it did not give it in time; or ValueError."""

    #: of objects, when the line names none
    namespace: str

    def page(self, plural: str, namespace: str, more: str) -> bytes:
        """Return a list of objects, as protobuf; `more` is where it goes on, empty: the first page."""
        ...

    def pod(self, namespace: str, name: str) -> bytes:
        """Return a Pod, as protobuf."""
        ...


class ServerNames:
    """Reads names out of what a server has, which is connected when something is asked of it."""

    def __init__(self, kinds: Mapping[str, Any], connect: Callable[[], Server]) -> None:
        """Make it; `connect` raises OSError or ValueError: there is no server to ask."""
        self._kinds, self._connect = kinds, connect

    def of_kind(self, plural: str, namespace: str) -> list[str]:
        """Return names of objects of a kind."""
        found: list[str] = []
        try:
            server = self._connect()
            place = (namespace or server.namespace) if self._kinds[plural]["namespaced"] else ""
            more = ""
            while len(found) < _MOST:
                names, more = names_of(server.page(plural, place, more))
                found += names
                if not more:
                    break
        except (OSError, ValueError):
            # What came so far is offered.
            pass
        return found

    def of_containers(self, pod: str, namespace: str) -> list[str]:
        """Return names of a Pod's containers, the usual ones first."""
        try:
            server = self._connect()
            return containers_of(server.pod(namespace or server.namespace, pod))
        except (OSError, ValueError):
            return []
