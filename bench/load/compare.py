"""What changed between two runs: the same figures beside one another. PURE."""

import math
from dataclasses import dataclass
from itertools import zip_longest

from bench.load.report import Report, Verification, metrics_of

#: figures that are better when they are higher; of the others less is better
_HIGHER = ("throughput",)
#: figures that are neither good nor bad
_NEUTRAL = ("attempts_scheduled", "events_scheduled")


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure of both; None where a run does not have it."""

    measurement: str
    name: str
    before: float | None
    after: float | None

    @property
    def ratio(self) -> float | None:
        """The second by the first; None where that cannot be said."""
        if self.before is None or self.after is None or not self.before:
            return None
        return self.after / self.before

    def verdict(self, tolerance: float) -> str:
        """Return better, worse, or "" where it changed by no more than the tolerance (0.1: a tenth)."""
        ratio = self.ratio
        if ratio is None and self.before == 0 and self.after:
            # From nothing to something there is no ratio, and it did change.
            ratio = math.inf
        if ratio is None or self.name in _NEUTRAL or abs(ratio - 1) <= tolerance:
            return ""
        return "better" if (ratio > 1) == self.name.startswith(_HIGHER) else "worse"


def differences(first: Report, second: Report) -> list[Difference]:
    """Return every figure of either run, measurement by measurement in their order: names of measurements may differ."""
    found = []
    for one, other in zip_longest(first.measurements, second.measurements):
        before, after = metrics_of(one) if one else {}, metrics_of(other) if other else {}
        name = (one or other).name
        found += [
            Difference(name, metric, before.get(metric), after.get(metric))
            for metric in dict.fromkeys((*before, *after))
        ]
    return found


def unlike(first: Report, second: Report) -> list[str]:
    """Return what differs in the way they were run: a comparison says something where only what is compared is different."""
    found = []
    pairs = {
        "workload": (first.workload, second.workload),
        "params": (first.params, second.params),
        "commit": (first.commit, second.commit),
        "cpu": (first.machine.cpu, second.machine.cpu),
        "cores": (first.machine.cores, second.machine.cores),
        "python": (first.machine.python, second.machine.python),
        "etcd": (first.machine.etcd, second.machine.etcd),
        "verified": (verified(first.verification), verified(second.verification)),
        "load before": (_load(first), _load(second)),
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


def _load(report: Report) -> str:
    """The load average, as far as it matters: nobody runs twice under the same."""
    value = report.machine.load_before[0] / max(1, report.machine.cores)
    return "idle" if value < 0.5 else "busy" if value < 2 else "very busy"


def table(first: Report, second: Report, *, tolerance: float = 0.1) -> list[str]:
    """Return the comparison as lines of text."""
    lines = [
        f"A: {first.run} {first.started} {first.commit}",
        f"B: {second.run} {second.started} {second.commit}",
    ]
    lines += [f"differs: {text}" for text in unlike(first, second)]
    lines.append(f"{'':28} {'':6} {'A':>14} {'B':>14} {'B/A':>8}")
    place = ""
    for difference in differences(first, second):
        if difference.measurement != place:
            place = difference.measurement
            lines.append(place)
        ratio = f"{difference.ratio:8.2f}" if difference.ratio is not None else f"{'':8}"
        unit, scale = unit_of(difference.name)
        lines.append(
            f"  {difference.name:26} {unit:6} {_number(difference.before, scale)} {_number(difference.after, scale)} {ratio} "
            f"{difference.verdict(tolerance)}".rstrip()
        )
    return lines


def unit_of(name: str) -> tuple[str, float]:
    """Return in what a figure is shown, and by what it is multiplied for that."""
    if name.startswith("throughput"):
        return "Pods/s", 1.0
    if name.startswith("create") or name == "lag":
        return "ms", 1e3
    for end, unit in (("_us", "µs/Pod"), ("_mb", "MB")):
        if name.endswith(end):
            return unit, 1.0
    return "", 1.0


def _number(value: float | None, scale: float) -> str:
    if value is None:
        return f"{'-':>14}"
    value *= scale
    return f"{value:14,.0f}" if abs(value) >= 1000 else f"{value:14.4g}"
