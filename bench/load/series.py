"""Runs of one workload, one after the other.

As many as asked for, with as many Pods as it takes to measure long enough.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from itertools import count

from bench.load.context import RunError
from bench.load.long_enough import MAX_TRIES, Bounds, measured_pods, next_count, noted, with_pods
from bench.load.report import Report
from bench.load.settings import Settings
from bench.load.workload import Workload

#: runs a workload once, where nothing of the runs before is left
Once = Callable[[Workload, Settings], Awaitable[Report]]


class Series:
    """Owned by one task."""

    def __init__(
        self, once: Once, settings: Settings, *, times: int, bounds: Bounds | None, say: Callable[[str], None]
    ) -> None:
        """Make it.

        Args:
            once: makes a run.
            settings: of all of them, but for the name.
            times: how many runs count.
            bounds: for how long each is to be measured; None: as long as the workload takes.
            say: is told what comes next.
        """
        self._once, self._settings, self._times, self._bounds, self._say = once, settings, times, bounds, say
        self._numbers = count(1)
        #: of the runs that count, in their order; also of those before one that failed
        self.reports: list[Report] = []
        #: of runs that only showed how many Pods are needed
        self.tried: list[Report] = []

    async def run(self, workload: Workload) -> None:
        """Make all runs.

        Raises:
            MeasureError: the workload's measured Pods cannot be made more or fewer.
            RunError: Pods did not come as far as they should; so do the errors of a run.
        """
        async for _ in self.each(workload):
            pass

    async def each(self, workload: Workload) -> AsyncGenerator[Report, None]:
        """Make the runs one by one, as they are asked for: several series can take turns.

        Raises what `run` does.
        """
        why = ""
        if self._bounds is not None:
            workload, why = await self._first(workload, self._bounds)
            yield self.reports[-1]
        while len(self.reports) < self._times:
            if self._times > 1:
                self._say(f"run {len(self.reports) + 1} of {self._times}")
            report = await self._once(workload, self._next())
            self.reports.append(report if self._bounds is None else noted(report, self._bounds, why))
            yield self.reports[-1]

    def _next(self) -> Settings:
        if self._times == 1 and self._bounds is None:
            return self._settings
        return self._settings.numbered(next(self._numbers))

    async def _first(self, workload: Workload, bounds: Bounds) -> tuple[Workload, str]:
        """Find the count with which a run is measured long enough.

        Return the workload with it, and why it is not where it is not.

        The run that is, counts. Where no more Pods find room, the last count with which they did is taken.
        """
        last: tuple[Workload, Report] | None = None
        why = ""
        for attempt in range(1, MAX_TRIES + 1):
            pods = measured_pods(workload)
            self._say(
                f"run with {pods:,} measured Pods, to find how many it takes for {bounds.text} ({attempt} of at most {MAX_TRIES})"
            )
            try:
                report = await self._once(workload, self._next())
            except RunError as error:
                if last is None:
                    raise
                why = f": with {pods:,} Pods {error}"
                break
            last = workload, report
            seconds = max((one.seconds for one in report.measurements), default=0.0)
            wanted = next_count(pods, seconds, bounds)
            if bounds.holds(seconds) or wanted == pods:
                break
            self.tried.append(report)
            workload = with_pods(workload, wanted)
        assert last is not None, "the first try ends the run, or is the last"
        workload, report = last
        self.tried = [one for one in self.tried if one is not report]
        self.reports.append(noted(report, bounds, why))
        return workload, why
