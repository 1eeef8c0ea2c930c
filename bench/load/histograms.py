"""The scheduler's own histograms over a measurement.

What they grew by, with quantiles as scheduler_perf takes them. PURE.

Which are read, and by which labels they are told, is what upstream's scheduler_perf collects
(kubernetes/kubernetes, test/integration/scheduler_perf/scheduler_perf.go, defaultMetricsCollectorConfig), and
the SLI beside it. The names are upstream's, so the page of a kube-scheduler is read in the same way.
"""

import math
from collections.abc import Mapping, Sequence

import msgspec

from bench.load.scrape import Page

_PREFIX = "scheduler_"
#: metric -> the labels that its figures are parted by; all others are summed up
SERIES: Mapping[str, tuple[str, ...]] = {
    "scheduler_pod_scheduling_sli_duration_seconds": (),
    "scheduler_scheduling_attempt_duration_seconds": ("result",),
    "scheduler_framework_extension_point_duration_seconds": ("extension_point",),
    "scheduler_plugin_execution_duration_seconds": ("extension_point", "plugin"),
}
QUANTILES = (50, 90, 95, 99)
_FIGURES = ("average", "p50", "p90", "p95", "p99")
#: figures that limits and comparisons name, of the SLI and of attempts that ended with a node
METRICS = tuple(f"{short}_{name}" for short in ("sli", "attempt") for name in _FIGURES)
#: of one metric in a report: more are no plugins and extension points
_MAX_SERIES = 500

#: upper bound -> how much was not above it
Buckets = Mapping[float, float]


class Histogram(msgspec.Struct, frozen=True):
    """One series, in seconds."""

    metric: str
    #: values of the labels that `SERIES` names, in its order
    labels: list[str]
    count: int
    average: float
    p50: float
    p90: float
    p95: float
    p99: float

    @property
    def name(self) -> str:
        """How people call it: scheduling attempt: scheduled."""
        words = self.metric.removeprefix(_PREFIX).removesuffix("_duration_seconds").replace("_", " ")
        return f"{words}: {' '.join(self.labels)}" if self.labels else words


def compute_histograms(before: Page, after: Page) -> list[Histogram]:
    """Return what the histograms grew by from the one page to the other; series that did not are left out.

    A series that is smaller than before began anew with its process, and all of it is growth.
    """
    found = []
    for metric, labels in SERIES.items():
        first, last = _parted(before, metric, labels), _parted(after, metric, labels)
        for key in sorted(last)[:_MAX_SERIES]:
            one = _grown(metric, key, first.get(key), last[key])
            if one is not None:
                found.append(one)
    return found


def absent(page: Page) -> list[str]:
    """Return which of the metrics a scheduler's page does not have at all.

    Of a page that cannot be read, none.
    """
    if page.is_empty:
        return []
    return [metric for metric in SERIES if not page.declares(metric) and not page.has(f"{metric}_count")]


def quantile(share: float, buckets: Sequence[tuple[float, float]]) -> float:
    """Return the value that a share of all does not exceed, by interpolation within its bucket.

    What lies above the last finite bound is told as that bound (component-base, metrics/testutil/metrics.go,
    bucketQuantile).

    Args:
        share: 0 to 1.
        buckets: (upper bound, how much was not above it) in their order, the last bound infinite; at least
        two, not all empty.
    """
    rank = share * buckets[-1][1]
    index = next(number for number, (_, count) in enumerate(buckets) if count >= rank)
    bound, count = buckets[index]
    if index == len(buckets) - 1 and math.isinf(bound):
        return buckets[-2][0]
    low, below = buckets[index - 1] if index else (0.0, 0.0)
    return low + (bound - low) * (rank - below) / (count - below) if count > below else bound


class _Series:
    """Owned by the function that reads a page."""

    def __init__(self) -> None:
        self.buckets: dict[float, float] = {}
        self.count = self.sum = 0.0


def _parted(page: Page, metric: str, labels: Sequence[str]) -> dict[tuple[str, ...], _Series]:
    found: dict[tuple[str, ...], _Series] = {}
    for ending in ("bucket", "count", "sum"):
        for given, value in page.samples(f"{metric}_{ending}"):
            one = found.setdefault(tuple(given.get(label, "") for label in labels), _Series())
            if ending == "count":
                one.count += value
            elif ending == "sum":
                one.sum += value
            else:
                try:
                    bound = float(given.get("le", ""))
                except ValueError:
                    continue
                one.buckets[bound] = one.buckets.get(bound, 0.0) + value
    return found


def _grown(metric: str, key: tuple[str, ...], before: _Series | None, after: _Series) -> Histogram | None:
    if before is None or before.count > after.count:
        before = _Series()
    count = after.count - before.count
    buckets = [
        (bound, after.buckets[bound] - before.buckets.get(bound, 0.0)) for bound in sorted(after.buckets)
    ]
    if count <= 0 or len(buckets) < 2 or buckets[-1][1] <= 0:
        return None
    average = (after.sum - before.sum) / count
    p50, p90, p95, p99 = (quantile(percent / 100, buckets) for percent in QUANTILES)
    return Histogram(metric, list(key), int(count), average, p50, p90, p95, p99)


def metrics_of(histograms: Sequence[Histogram]) -> dict[str, float]:
    """Return the figures that limits and comparisons name."""
    found: dict[str, float] = {}
    for short, metric, labels in (
        ("sli", "scheduler_pod_scheduling_sli_duration_seconds", []),
        ("attempt", "scheduler_scheduling_attempt_duration_seconds", ["scheduled"]),
    ):
        for one in histograms:
            if one.metric == metric and one.labels == labels:
                found |= {f"{short}_{name}": getattr(one, name) for name in _FIGURES}
    return found


def rows(histograms: Sequence[Histogram]) -> list[tuple[str, ...]]:
    """Return name, count, and average, p50, p90, p95, p99 in milliseconds, as text."""
    return [
        (one.name, f"{one.count:,}", *(f"{getattr(one, name) * 1e3:,.4g}" for name in _FIGURES))
        for one in histograms
    ]
