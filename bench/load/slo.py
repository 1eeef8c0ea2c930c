"""Stated limits: `throughput>=3000,create_to_bound_p99<=100ms`. PURE."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from bench.load import events, histograms, quality, steady

_TERM = re.compile(r"\s*([a-z_0-9-]+)\s*(>=|<=)\s*([0-9.]+)\s*(ms|us|s|m)?\s*")
_UNITS = {"": 1.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "m": 60.0}
#: figures that every measurement can have, whatever the workload: others depend on the processes that are seen
_FIXED = (
    "throughput", "throughput_p50", "throughput_p90", "throughput_p95", "throughput_p99", "unscheduled",
    "attempts_scheduled", "attempts_unschedulable", "attempts_error", "etcd_requests", "balance_deviation",
    "balance_most", "lag", *events.METRICS, *quality.METRICS, *steady.METRICS,
)  # fmt: skip
_LATENCIES = tuple(
    f"{latency}_{name}"
    for latency in ("create_to_bound", "create_to_running", "create")
    for name in ("average", "p50", "p90", "p95", "p99", "p999", "maximum")
)
_PROCESSES = tuple(f"{process}_{name}" for process in events.PROCESSES for name in ("us", "mb"))
NAMES = (*_FIXED, *_LATENCIES, *histograms.METRICS, *_PROCESSES)


class SloError(Exception):
    """Limits that cannot be read."""


@dataclass(frozen=True, slots=True)
class Limit:
    """What a figure must reach, or must not exceed."""

    name: str
    at_most: bool
    value: float
    #: as it was written
    text: str

    def holds(self, metrics: Mapping[str, float]) -> bool:
        """Say whether it does; a figure that was not measured fails."""
        if self.name not in metrics:
            return False
        found = metrics[self.name]
        return found <= self.value if self.at_most else found >= self.value


def parse_limits(text: str, names: Collection[str] = NAMES) -> list[Limit]:
    """Read limits that are joined by commas.

    Raises:
        SloError: one cannot be read, or names a figure that there is not, or a unit that the figure has not.
    """
    limits = []
    for part in text.split(","):
        found = _TERM.fullmatch(part)
        if not found:
            raise SloError(
                f'"{part.strip()}" is no limit like throughput>=3000 or create_to_bound_p99<=100ms'
            )
        name, sign, number, unit = found[1], found[2], found[3], found[4] or ""
        if name not in names:
            raise SloError(f'there is no figure "{name}" (there are {", ".join(names)})')
        is_time = name in _LATENCIES or name in histograms.METRICS or name == "lag"
        if is_time != bool(unit):
            raise SloError(f'"{part.strip()}": {"a unit (ms, s) is needed" if is_time else "it has no unit"}')
        try:
            value = float(number) * _UNITS[unit]
        except ValueError:
            raise SloError(f'"{part.strip()}": "{number}" is no number') from None
        limits.append(Limit(name, sign == "<=", value, part.strip()))
    return limits


def failed(limits: Sequence[Limit], metrics: Mapping[str, float]) -> list[str]:
    """Return what to say of each limit that does not hold."""
    return [
        f"{limit.text} does not hold: {metrics[limit.name]:.6g}"
        if limit.name in metrics
        else f"{limit.text}: not measured"
        for limit in limits
        if not limit.holds(metrics)
    ]
