"""Leaves in the cluster how far a run is, for whoever looks at the page: once a second at most, in an annotation
of a namespace of its own (`vaina/objects/load_progress.py`, decision 301).

Nothing here ends a run: what the apiserver refuses is noted, and the run goes on.
"""

import asyncio
import json
import math
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any

from bench.load.context import Context
from bench.load.measure import Measuring
from bench.load.podset import PodSet
from bench.load.report import metrics_of
from bench.load.stats import summary
from vaina.errors import ApiError, Forbidden
from vaina.kinds import NAMESPACE
from vaina.objects import load_progress as told
from vaina.objects.load_progress import LoadProgress, Measured, State, encode_progress

#: between two writes, and between two that say the same
EVERY_SECONDS = 1.0
_QUIET_SECONDS = 5.0
#: the last one may take so long
_END_SECONDS = 5.0
#: Pods whose latencies are looked at while the run goes on, evenly chosen: the load generator takes processor
#: time from those that it measures. Reports are of all
SAMPLE = 10_000
_LATENCIES = (("create_to_bound", "bound"), ("create_to_running", "running"), ("create", "created"))
_PATCH = "application/merge-patch+json"


class Publishing:
    """Owned by the run; one event loop."""

    def __init__(self, context: Context, begun: Sequence[Measuring], sets: Sequence[PodSet]) -> None:
        """Make it. Args: begun: the run's measurements; sets: the Pods of its steps, both as they come."""
        self._context, self._begun, self._sets = context, begun, sets
        #: how it is run, line by line
        self.config: Mapping[str, object] = {}
        #: what the run does
        self.step = ""
        self._started, self._start = time.time(), time.perf_counter()
        #: where it is written; "": nowhere
        self._namespace = ""
        self._last, self._last_at = "", -math.inf
        #: of each measurement: how many of the run's Pods were bound when it began
        self._before: dict[int, int] = {}

    async def begin(self) -> None:
        """Make the namespace; without it nothing is told."""
        context = self._context
        try:
            self._namespace = await context.making.namespace(told.NAMESPACE)
        except ApiError as error:
            self._note(error)

    async def run(self) -> None:
        """Tell until cancelled."""
        while self._namespace:
            try:
                await self._tell("running")
            except Forbidden as error:
                self._namespace = ""
                self._note(error)
            except ApiError:
                # It is said with the next one.
                pass
            await asyncio.sleep(EVERY_SECONDS)

    def _note(self, error: ApiError) -> None:
        self._context.notes.append(f"the page does not see this run: {error.message}")

    async def end(self, state: State) -> None:
        """Tell what the run came to."""
        if self._namespace:
            with suppress(ApiError, TimeoutError):
                async with asyncio.timeout(_END_SECONDS):
                    await self._tell(state)

    async def _tell(self, state: State) -> None:
        now = time.perf_counter()
        what = self.progress(state, now)
        # Of what has not changed the time says only that the run is alive.
        ended = sum(one.found is not None for one in self._begun)
        words = repr((state, what.step, what.asked, what.bound, what.running, what.gone, ended))
        if words == self._last and now - self._last_at < _QUIET_SECONDS:
            return
        patch = json.dumps({"metadata": {"annotations": {told.ANNOTATION: encode_progress(what)}}})
        await self._context.client.kind(NAMESPACE).patch(self._namespace, patch, patch_type=_PATCH)
        self._last, self._last_at = words, now

    def progress(self, state: State, now: float) -> LoadProgress:
        """Return how far the run is. Args: now: of the clock of all times of the run."""
        sets = self._sets
        asked, bound = sum(pods.asked_count for pods in sets), sum(pods.bound_count for pods in sets)
        return LoadProgress(
            workload=_cut(self._context.workload.name),
            state=state,
            step=_cut(self.step),
            started=self._started,
            seconds=now - self._start,
            wanted=sum(map(len, sets)),
            # Other machines say only in the end what they have asked for.
            asked=max(asked, bound),
            bound=bound,
            running=sum(pods.running_count for pods in sets),
            gone=sum(pods.gone_count for pods in sets),
            measurements=[self._measured(one) for one in self._begun if one.start],
            config={
                _cut(key, told.MAX_NAME): _cut(str(value))
                for key, value in islice(self.config.items(), told.MAX_LINES)
            },
        )

    def _measured(self, measuring: Measuring) -> Measured:
        found, start = measuring.found, measuring.start
        before = self._before.get(id(measuring))
        if before is None:
            own = {id(pods) for pods in measuring.pods}
            others = (pods for pods in self._sets if id(pods) not in own)
            before = self._before[id(measuring)] = sum(at <= start for pods in others for at in pods.bound)
        figures = figures_so_far(measuring.pods, start) if found is None else metrics_of(found)
        ended = [pods.last_bound for pods in measuring.pods if pods.bound_count]
        return Measured(
            name=_cut(measuring.name),
            pods=sum(map(len, measuring.pods)),
            bound=sum(pods.bound_count for pods in measuring.pods),
            since=start - self._start,
            before=before,
            seconds=max(0.0, max(ended, default=start) - start) if found is None else found.seconds,
            figures=_bounded(figures),
        )


def config_of(how: Mapping[str, Any], params: Mapping[str, int], commit: str) -> dict[str, object]:
    """Return the lines in which runs differ that are run in another way."""
    lines = {**params, **{key: value for key, value in how.items() if value not in ("", None)}}
    return {**lines, "commit": commit} if commit else lines


def figures_so_far(sets: Sequence[PodSet], start: float) -> dict[str, float]:
    """Return what can be said of Pods while they come, by the names of a report.

    Args:
        sets: that are measured.
        start: when their measurement began.
    """
    bound = sum(pods.bound_count for pods in sets)
    seconds = max((pods.last_bound for pods in sets if pods.bound_count), default=start) - start
    found = {"throughput": bound / seconds} if seconds > 0 else {}
    every = max(1, -(-sum(map(len, sets)) // SAMPLE))
    for name, attribute in _LATENCIES:
        values = [
            max(0.0, end - begin)
            for pods in sets
            for begin, end in zip(pods.intended[::every], getattr(pods, attribute)[::every], strict=True)
            if not math.isnan(end - begin)
        ]
        if values:
            told_of = summary(values)
            found |= {f"{name}_{each}": getattr(told_of, each) for each in ("p50", "p90", "p99", "maximum")}
    return found


def _bounded(figures: Mapping[str, float]) -> dict[str, float]:
    finite = ((name, float(value)) for name, value in figures.items() if math.isfinite(value))
    return {_cut(name, told.MAX_NAME): value for name, value in islice(finite, told.MAX_FIGURES)}


def _cut(text: str, letters: int = told.MAX_LETTERS) -> str:
    return text if len(text) <= letters else f"{text[: letters - 1]}…"
