"""What changed between two reports, of one run or of several each: the same figures beside one another. PURE."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import zip_longest

from bench.load import quality
from bench.load.repeated import Repeated, Spread
from bench.load.report import Report, Verification
from bench.load.units import number, per_cent, unit_of

#: figures that are better when they are higher; of the others less is better
_HIGHER = ("throughput", "pods_that_fit")
#: figures that are neither good nor bad
_NEUTRAL = frozenset(("attempts_scheduled", "events_scheduled", "held_average", "elsewhere", "room_whole", "pods_in_group", *quality.METRICS)) - {
    "fragmentation", "pods_that_fit",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure of both; None where none of the runs has it."""

    measurement: str
    name: str
    before: Spread | None
    after: Spread | None

    @property
    def ratio(self) -> float | None:
        """The second median by the first; None where that cannot be said."""
        if self.before is None or self.after is None or not self.before.median:
            return None
        return self.after.median / self.before.median

    @property
    def is_apart(self) -> bool:
        """Whether every run of the one is above every run of the other."""
        if self.before is None or self.after is None:
            return False
        return self.before.most < self.after.least or self.after.most < self.before.least

    def verdict(self, tolerance: float) -> str:
        """Return better, worse, or "" where runs of both are as good or the medians differ by no more than
        the tolerance (0.1: a tenth).

        With "?" behind it where one is a single run: how far that would move by itself is not known.
        """
        if self.before is None or self.after is None or self.name in _NEUTRAL or not self.is_apart:
            return ""
        # From nothing to something there is no ratio, and it did change.
        ratio = math.inf if self.ratio is None else self.ratio
        if abs(ratio - 1) <= tolerance:
            return ""
        word = "better" if (ratio > 1) == self.name.startswith(_HIGHER) else "worse"
        return word if min(self.before.runs, self.after.runs) > 1 else f"{word}?"


def differences(first: Repeated, second: Repeated) -> list[Difference]:
    """Return every figure of either, measurement by measurement in their order.

    Names of measurements may differ.
    """
    found = []
    for one, other in zip_longest(first.figures, second.figures):
        before, after = one.figures if one else {}, other.figures if other else {}
        name = (one or other).measurement
        found += [
            Difference(name, metric, before.get(metric), after.get(metric))
            for metric in dict.fromkeys((*before, *after))
        ]
    return found


def unlike(before: Repeated, after: Repeated) -> list[str]:
    """Return what differs in the way they were run.

    A comparison says something where only what is compared is different.
    """
    found = []
    # Runs of one report were made alike.
    first, second = before.reports[0], after.reports[0]
    pairs = {
        "runs": (len(before.reports), len(after.reports)),
        "workload": (first.workload, second.workload),
        "params": (first.params, second.params),
        "commit": (first.commit, second.commit),
        "cpu": (first.machine.cpu, second.machine.cpu),
        "cores": (first.machine.cores, second.machine.cores),
        "python": (first.machine.python, second.machine.python),
        "etcd": (first.machine.etcd, second.machine.etcd),
        "verified": (_all(before, _verified), _all(after, _verified)),
        "load before": (_all(before, _load), _all(after, _load)),
        **{
            name: (first.how.get(name), second.how.get(name))
            for name in dict.fromkeys((*first.how, *second.how))
        },
    }
    for name, (one, other) in pairs.items():
        if one != other:
            found.append(
                f"{name}: {one if one not in (None, '') else '-'} / {other if other not in (None, '') else '-'}"
            )
    return found


def verified(found: Verification | None) -> str:
    """Say in a word or two how a run was judged."""
    if found is None or found.reason:
        return "no"
    return f"{len(found.violations)} violations" if found.violations else "in order"


def _verified(report: Report) -> str:
    return verified(report.verification)


def _all(runs: Repeated, say: Callable[[Report], str]) -> str:
    """Say something of all runs: each answer once."""
    return ", ".join(sorted({say(report) for report in runs.reports}))


def _load(report: Report) -> str:
    """The load average, as far as it matters: nobody runs twice under the same."""
    value = report.machine.load_before[0] / max(1, report.machine.cores)
    return "idle" if value < 0.5 else "busy" if value < 2 else "very busy"


def table(first: Repeated, second: Repeated, *, tolerance: float = 0.1) -> list[str]:
    """Return the comparison as lines of text."""
    lines = [_head("A", first), _head("B", second)]
    lines += [f"differs: {text}" for text in unlike(first, second)]
    lines.append(_rule(first, second, tolerance))
    lines.append(f"{'':28} {'':6} {'A':>14} {'B':>14} {'B/A':>8} {'spread A':>9} {'spread B':>9}")
    place = ""
    for difference in differences(first, second):
        if difference.measurement != place:
            place = difference.measurement
            lines.append(place)
        unit, scale = unit_of(difference.name)
        ratio = f"{difference.ratio:.2f}" if difference.ratio is not None else ""
        values = (number(one.median if one else None, scale) for one in (difference.before, difference.after))
        spreads = (per_cent(one.relative if one else None) for one in (difference.before, difference.after))
        lines.append(
            f"  {difference.name:26} {unit:6} {' '.join(f'{value:>14}' for value in values)} {ratio:>8} "
            f"{' '.join(f'{value:>9}' for value in spreads)} {difference.verdict(tolerance)}".rstrip()
        )
    return lines


def _head(name: str, runs: Repeated) -> str:
    report, count = runs.reports[0], len(runs.reports)
    of = f", the first of {count} runs, of which medians are shown" if count > 1 else ""
    return f"{name}: {report.run} {report.started} {report.commit}{of}"


def _rule(first: Repeated, second: Repeated, tolerance: float) -> str:
    """Say what is called better and worse here, and what cannot be known."""
    single = [name for name, runs in (("A", first), ("B", second)) if len(runs.reports) == 1]
    if not single:
        return (
            "better, worse: every run of the one is beyond every run of the other, and the medians differ by more than "
            f"{per_cent(tolerance)}"
        )
    who = "A and B are each a single run" if len(single) == 2 else f"{single[0]} is a single run"
    return (
        f"{who}: the same load run again gives other figures, and how far they move by themselves (the spread) is not "
        "known from one run. So a change marked ? may be chance. To know, run both with --repeat 5"
    )
