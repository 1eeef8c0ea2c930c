"""How many Pods a row needs to be measured for so many seconds: `--measure 10s..60s`. PURE.

A rate of half a second is mostly start and end. Programs that differ by a factor need counts of their own to
be measured for as long; the reference's rows (scheduler_perf) have fixed counts, each run once.
"""

import math
from dataclasses import dataclass

import msgspec

from bench.load.report import Report
from bench.load.workload import MAX_COUNT, CreatePods, Workload, duration

#: runs until one is measured for as long as asked
MAX_TRIES = 4
#: above the least, because the next run may be faster
_MARGIN = 1.2
#: a rate of little time says little about a count so many times larger
_MAX_GROWTH = 50
MAX_SECONDS = 3600.0


class MeasureError(Exception):
    """Bounds that cannot be read, or a workload whose measured Pods cannot be made more or fewer."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """For how long a row is to be measured, in seconds."""

    least: float
    most: float
    #: as it was written
    text: str

    def holds(self, seconds: float) -> bool:
        """Say whether it was."""
        return self.least <= seconds <= self.most


def parse_bounds(text: str) -> Bounds:
    """Read 10s..60s.

    Raises:
        MeasureError: it is none.
    """
    first, dots, second = text.partition("..")
    try:
        least, most = duration(first), duration(second)
    except ValueError:
        dots = ""
        least = most = 0.0
    if not dots or not 0 < least * _MARGIN <= most <= MAX_SECONDS:
        raise MeasureError(
            f'"{text}" is not like 10s..60s: from more than 0 to at least {_MARGIN:g} times as long, at most 1h'
        )
    return Bounds(least, most, text)


def measured_pods(workload: Workload) -> int:
    """Return how many Pods a row measures.

    Raises:
        MeasureError: there is not one step that measures the Pods it creates.
    """
    return workload.count(_step(workload))


def with_pods(workload: Workload, count: int) -> Workload:
    """Return the workload with so many measured Pods.

    Its parameter is changed where it has one, for all who use it.

    Raises:
        MeasureError: there is not one step that measures the Pods it creates.
    """
    step = _step(workload)
    if step.count is None:
        name = step.count_param.removeprefix("$")
        params = {**workload.variant.params, name: count}
        return msgspec.structs.replace(
            workload, variant=msgspec.structs.replace(workload.variant, params=params)
        )
    steps = [
        msgspec.structs.replace(step, count=count) if one is step else one
        for one in workload.case.workload_template
    ]
    return msgspec.structs.replace(
        workload, case=msgspec.structs.replace(workload.case, workload_template=steps)
    )


def _step(workload: Workload) -> CreatePods:
    found = [
        step
        for step in workload.case.workload_template
        if isinstance(step, CreatePods) and step.collect_metrics
    ]
    if len(found) != 1:
        raise MeasureError(
            f"{workload.name}: --measure needs one createPods step with collectMetrics: true, and there are {len(found)}"
        )
    if found[0].steady_state:
        raise MeasureError(
            f"{workload.name}: a steady state is measured for its own duration, not by --measure"
        )
    if found[0].count is None and not found[0].count_param:
        raise MeasureError(
            f"{workload.name}: DaemonSets have as many Pods as there are nodes: --measure has no say"
        )
    return found[0]


def next_count(pods: int, seconds: float, bounds: Bounds) -> int:
    """Return how many Pods to try after so many took so long."""
    aim = min(bounds.least * _MARGIN, bounds.most)
    most = min(pods * _MAX_GROWTH, MAX_COUNT)
    return most if seconds * most <= pods * aim else max(1, math.ceil(pods * aim / seconds))


def noted(report: Report, bounds: Bounds, why: str = "") -> Report:
    """Return a run's report with what was asked, and a note where it was measured for another time.

    Args: why: what stood in the way.
    """
    notes = [
        f"{one.name}: measured for {one.seconds:.2f} s, not {bounds.text}{why}"
        for one in report.measurements
        if not bounds.holds(one.seconds)
    ]
    how = {**report.how, "measure": bounds.text}
    return msgspec.structs.replace(report, how=how, notes=[*report.notes, *notes])
