"""What benchmarks measure and print alike.

Rows with rates, latencies and CPU per object, their medians, targets, JSON.
"""

import json
import os
import platform
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """One case, measured once."""

    case: str
    #: objects a second
    rate: float
    #: of a call
    p50_ms: float
    p99_ms: float
    #: CPU µs per object, by process
    cpu_us: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure must reach."""

    name: str
    value: float
    bound: float
    #: whether the bound is a ceiling; otherwise it is a floor
    at_most: bool = False

    @property
    def is_met(self) -> bool:
        """Whether it does."""
        return self.value <= self.bound if self.at_most else self.value >= self.bound


def row(
    case: str, objects: int, seconds: float, latencies: Sequence[float], cpu_seconds: Mapping[str, float]
) -> Row:
    """Make a row of what was measured.

    Args:
        case: its name.
        objects: how many were written or read.
        seconds: that it took.
        latencies: of each call, in seconds; at least one.
        cpu_seconds: that each process used.
    """
    ordered = sorted(latencies)
    return Row(
        case, objects / seconds, ordered[len(ordered) // 2] * 1e3, ordered[int(len(ordered) * 0.99)] * 1e3,
        {name: used / objects * 1e6 for name, used in cpu_seconds.items()},
    )  # fmt: skip


def median(rows: Sequence[Row]) -> Row:
    """Return the row with the medians of a case's repetitions."""

    def middle(of: Callable[[Row], float]) -> float:
        return statistics.median(map(of, rows))

    cpu = {name: middle(lambda one, name=name: one.cpu_us[name]) for name in rows[0].cpu_us}  # type: ignore[misc]  # the default binds the name
    return Row(
        rows[0].case, middle(lambda one: one.rate), middle(lambda one: one.p50_ms),
        middle(lambda one: one.p99_ms), cpu,
    )  # fmt: skip


def show(rows: Sequence[Row], targets: Sequence[Target]) -> None:
    """Print the tables."""
    names = list(dict.fromkeys(name for one in rows for name in one.cpu_us))
    print(
        f"{'case':38}{'a second':>10}{'p50 ms':>9}{'p99 ms':>9}  CPU µs per object:"
        + "".join(f"{n:>11}" for n in names)
    )
    for one in rows:
        cpu = "".join(f"{one.cpu_us[n]:11.0f}" if n in one.cpu_us else f"{'':11}" for n in names)
        print(f"{one.case:38}{one.rate:10,.0f}{one.p50_ms:9.2f}{one.p99_ms:9.2f}{'':20}{cpu}")
    show_targets(targets)


def show_targets(targets: Sequence[Target]) -> None:
    """Print what was reached beside what is to be."""
    for target in targets:
        verdict = "met" if target.is_met else "MISSED"
        sign = "≤" if target.at_most else "≥"
        print(f"{target.name:66}{target.value:10,.2f}  target {sign} {target.bound:,.2f}: {verdict}")


def write(path: Path, bench: str, rows: Sequence[Any], targets: Sequence[Target], **about: Any) -> None:
    """Write the JSON, with what the machine was.

    Rows are dataclasses, `about` is whatever else there is to say.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "bench": bench, **about, "python": platform.python_version(), "compiler": sys.version,
        "machine": platform.machine(), "cores": len(os.sched_getaffinity(0)), "load_after": os.getloadavg(),
        "rows": [asdict(one) for one in rows],
        "targets": [{**asdict(target), "is_met": target.is_met} for target in targets],
    }  # fmt: skip
    path.write_text(json.dumps(content, indent=2))
