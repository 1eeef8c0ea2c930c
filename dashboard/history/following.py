"""Shell: follows what Prometheus holds for a view and a range, while somebody looks.

topic "history/VIEW?range=15m|1h|6h"    dashboard.history.plots, or what else Prometheus.look returns
"""

from collections.abc import Callable
from typing import Final

from dashboard.history.plots import RANGES, parse_topic
from dashboard.history.prometheus import LOOK_SECONDS, Prometheus
from dashboard.view import WholeTopic
from vaina.clock import Clock

#: between two looks at most, and where nobody answers: it measures each 15 s
REST_SECONDS: Final = 15.0


class HistoryTopic(WholeTopic):
    """The plots of a view over a range, look after look. Owned by the event loop."""

    def __init__(self, prometheus: Prometheus, clock: Clock, name: str) -> None:
        """Make it. Raises NotFound, BadRequest: there is none of that name."""
        super().__init__()
        self._prometheus, self._clock = prometheus, clock
        self._view, self._chosen = parse_topic(name)

    async def run(self, changed: Callable[[], None]) -> None:
        between = min(max(RANGES[self._chosen].step, LOOK_SECONDS), REST_SECONDS)
        while True:
            found = await self._prometheus.look(self._view, self._chosen)
            if self.set(found):
                changed()
            if not self._prometheus.url:
                return
            await self._clock.sleep(between if "plots" in found else REST_SECONDS)
