"""What a view of the page is made of, on the server's side. docs/checklists/new-view.md shows how one is added.

A view is a module or package with a function `routes(context)`, which `dashboard/build.py` names. It returns
what the view answers over HTTP (`/api/...`, JSON) and which topics it has. A topic is what browsers subscribe
to over the one WebSocket `/live`: "cluster", "pod/NAMESPACE/NAME", "cluster?namespace=a". The part before the
first "/" or "?" names the view's factory, which makes a topic of the whole name. There is one `Topic` for all
who listen to the same name: it is made when the first comes, and cancelled when the last has gone.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web
from prometheus_client import CollectorRegistry

from dashboard.config import DashboardConfig
from vaina.client.clientset import Clientset
from vaina.client.scheduler import SchedulerClient
from vaina.client.transport import Transport
from vaina.clock import Clock

#: in each request: for how many seconds its session still holds; an answer that lasts longer ends with it
SESSION_SECONDS: Final = web.RequestKey("session_seconds", float)


@dataclass(frozen=True, slots=True)
class Context:
    """What views are made with. All calls are made with the rights of the page's own user, a reader."""

    clients: Clientset
    scheduler: SchedulerClient
    #: to the controller's services
    controller: Transport
    clock: Clock
    config: DashboardConfig
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)


class Topic(ABC):
    """One thing that changes, for all who look at it. Owned by the event loop.

    Nothing is sent before `run` has called `changed` for the first time. From then on, whenever `changed` was
    called since, and at most four times a second: everybody who has a snapshot gets `changes()`, everybody
    else `snapshot()`. Both are called one after the other without a wait between them, in this order, so a
    snapshot has in it what `changes()` has returned, and no more.
    """

    @abstractmethod
    def snapshot(self) -> Any:
        """Return all of it, in values that JSON has (or `msgspec.Raw`, where it is encoded already)."""

    @abstractmethod
    def changes(self) -> Any:
        """Return what is new since the last call; None: nothing."""

    @abstractmethod
    async def run(self, changed: Callable[[], None]) -> None:
        """Follow the thing until cancelled, and call `changed` when there is news.

        It may end: nothing is new from then on.

        Raises ApiError: those who listen are told, and the topic is dropped.
        """


class WholeTopic(Topic):
    """A topic that is small: whoever listens gets all of it each time. `run` calls `self.set`."""

    def __init__(self) -> None:
        self._value: Any = None
        self._is_new = False

    def set(self, value: Any) -> bool:
        """Take the thing as it is now; say whether that is news (then call `changed`)."""
        if value == self._value:
            return False
        self._value, self._is_new = value, True
        return True

    def snapshot(self) -> Any:
        return self._value

    def changes(self) -> Any:
        was_new, self._is_new = self._is_new, False
        return self._value if was_new else None


#: makes a topic of its whole name. Raises ApiError: there is none of that name
TopicFactory = Callable[[str], Topic]
#: answers a request under /api, in values that JSON has, or with a response of its own (a stream).
#: Raises ApiError, which is answered as Kubernetes' Status in JSON
Handler = Callable[[web.Request], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Routes:
    """What a view has."""

    #: by path, as aiohttp writes them: "/api/pods/{namespace}/{name}"; GET only
    handlers: Mapping[str, Handler] = field(default_factory=dict)
    #: by the first part of their names
    topics: Mapping[str, TopicFactory] = field(default_factory=dict)
    #: what runs as long as the page does
    tasks: Sequence[Callable[[], Coroutine[Any, Any, None]]] = ()
