"""Shell: follows what load tests say of themselves, as long as the page runs: afterwards they are gone.

topic "loads"       {runs: [...], refusal} (dashboard.scheduling.loads.LoadRuns.all)
topic "load/RUN"    {run, points, measurements, config}, or {run: null, refusal}
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from dashboard.scheduling.loads import Changes, LoadRuns
from dashboard.view import WholeTopic
from vaina.cache.reflector import Reflector
from vaina.client.clientset import Clientset
from vaina.clock import Clock
from vaina.errors import Forbidden, Unauthorized
from vaina.objects.load_progress import RUN_LABEL
from vaina.tasks import first_of

#: after the apiserver has refused to show namespaces, until it is asked again
REFUSED_SECONDS: Final = 30.0
#: between two looks whether a run has become silent
LOOK_SECONDS: Final = 5.0


class Loads:
    """One memory for all readers. `run` is its only task."""

    def __init__(self, clients: Clientset, clock: Clock) -> None:
        self._clients, self._clock = clients, clock
        self.runs = LoadRuns()
        self._told: set[asyncio.Event] = set()

    async def run(self) -> None:
        """Follow until cancelled."""
        reflector = Reflector(
            self._clients.namespaces,
            self._clock,
            self._take,
            label_selector=RUN_LABEL,
            ends_when_refused=True,
        )
        while True:
            try:
                await reflector.run()
            except (Forbidden, Unauthorized) as error:
                self.runs.refusal = error.message
                self._tell()
            await self._clock.sleep(REFUSED_SECONDS)

    def _take(self, what: Changes) -> None:
        self.runs.take(what, self._clock.now())
        self._tell()

    def _tell(self) -> None:
        for event in self._told:
            event.set()

    @contextmanager
    def news(self) -> Iterator[asyncio.Event]:
        """Yield what is set whenever there is news."""
        event = asyncio.Event()
        self._told.add(event)
        try:
            yield event
        finally:
            self._told.discard(event)

    def now(self) -> float:
        """Return the page's time, in seconds since the epoch."""
        return self._clock.now()

    async def pause(self) -> None:
        """Wait until it is time to look again."""
        await self._clock.sleep(LOOK_SECONDS)


class LoadTopic(WholeTopic):
    """One run, or ("") all of them."""

    def __init__(self, loads: Loads, name: str = "") -> None:
        super().__init__()
        self._loads, self._name = loads, name

    async def run(self, changed: Callable[[], None]) -> None:
        loads = self._loads
        with loads.news() as news:
            while True:
                news.clear()
                if self.set(self._now()):
                    changed()
                await first_of(news.wait(), loads.pause())

    def _now(self) -> Any:
        loads = self._loads
        return loads.runs.one(self._name, loads.now()) if self._name else loads.runs.all(loads.now())
