"""What a run found: values that are written as JSON, read again, compared and shown. PURE."""

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from bench.load import histograms as scheduler_histograms
from bench.load import quality as placed
from bench.load import steady as steady_state
from bench.load.events import EventsWritten
from bench.load.stats import Summary, Window

FORMAT = "vaina-load/1"


class ReportError(Exception):
    """A file that is no report."""


class Latency(msgspec.Struct, frozen=True):
    """One latency in seconds: its summary, and (seconds, share of the Pods) for plots."""

    summary: Summary
    distribution: list[tuple[float, float]]


class QueueSample(msgspec.Struct, frozen=True):
    """scheduler_pending_pods at a moment, in seconds from the start."""

    at: float
    queues: dict[str, float]


class ProcessUse(msgspec.Struct, frozen=True):
    """What a process used during a measurement."""

    cpu_seconds: float
    #: CPU microseconds by Pod
    cpu_us_per_pod: float
    #: since the process began, where it tells; otherwise the most that was seen
    peak_memory_bytes: int
    #: resident when the measurement ended
    memory_bytes: int = 0


class Balance(msgspec.Struct, frozen=True):
    """How many of the measured Pods each node got."""

    nodes: int
    #: nodes that got any
    used: int
    least: float
    most: float
    average: float
    deviation: float


class Measurement(msgspec.Struct, frozen=True):
    """One stretch of a run that was measured."""

    name: str
    pods: int
    bound: int
    running: int
    #: from the first creation (Pods that were pending: from the first binding) to the last binding
    seconds: float
    throughput: Summary
    #: none: all Pods came in the message that began the clock, which is too short to tell
    windows: list[Window]
    window_seconds: float
    #: create_to_bound, create_to_running, create: by name
    latencies: dict[str, Latency]
    attempts: dict[str, float]
    queue: list[QueueSample]
    processes: dict[str, ProcessUse]
    etcd_requests: dict[str, float]
    balance: Balance
    #: how late the load generator's own timer was at worst, in seconds: it was too busy where this is large
    lag_seconds: float
    #: refused and asked again, by reason
    retries: dict[str, int]
    #: measured Pods of which an Event `Scheduled` was stored in the end. None: not counted
    scheduled_events: int | None = None
    #: what the scheduler had said and not written yet when the last Pod was bound, and what it had dropped
    #: since the start; None: it does not tell
    events_waiting: int | None = None
    events_dropped: int | None = None
    #: (seconds from the start, Pods that were bound until then), for plots; of a run that is too short for
    #: windows too
    bound_over_time: list[tuple[float, float]] = []
    #: when all were written or dropped, and what that took. None: the scheduler does not tell
    events: EventsWritten | None = None
    #: the scheduler's own, as growth; and those of which its page has nothing at all
    histograms: list[scheduler_histograms.Histogram] = []
    histograms_absent: list[str] = []
    #: how Pods lay on the nodes in the end. None: not known
    quality: placed.Quality | None = None
    #: None: it was none
    steady: steady_state.Steady | None = None


class Machine(msgspec.Struct, frozen=True):
    """Where it was."""

    cpu: str
    cores: int
    kernel: str
    python: str
    compiler: str
    etcd: str
    load_before: tuple[float, float, float]


class LoadMachine(msgspec.Struct, frozen=True):
    """A machine that took part in making the load, beside that of the run (`load@NAME` among the processes)."""

    name: str
    machine: Machine
    #: measured Pods that it created, and processes of kubelets that it ran
    pods: int = 0
    kubelets: int = 0
    #: how late its own timer was at worst
    lag_seconds: float = 0.0
    #: how well it is known when it began to create Pods, of the run's clock: give or take so much
    clock_seconds: float = 0.0


#: instead of Pods a second, where no time passed
TOO_SHORT = "too short to tell: all came in one message of the watch"


class Verification(msgspec.Struct, frozen=True):
    """Whether the whole run was scheduled as it should be, from what the watches brought.

    Follows `bench/judge/history.py`.
    """

    #: why it was not judged; "": it was
    reason: str = ""
    #: of the run's Pods
    bindings: int = 0
    #: bindings that were judged by the rules among Pods (affinity, spread) too, not only by all others
    thorough: int = 0
    #: bindings of which these rules were walked through; of the others it was counted
    walked: int = 0
    #: at most a hundred, in words
    violations: list[str] = []
    #: Pods without a node at the end; none of them fits anywhere, or it is a violation
    pending: int = 0
    #: what judging took
    seconds: float = 0.0
    #: plugins whose rules were left out: none today, those of volumes in older reports
    without: list[str] = []
    #: bindings that were judged by scores; what they lost against the best node on average and at worst, and
    #: what a node has at most
    scored: int = 0
    score_lost: float = 0.0
    score_lost_worst: float = 0.0
    score_most: float = 0.0
    #: decisions among equally good nodes that were looked at for whether these are used evenly
    equals: int = 0
    #: bindings that filters of others were asked about
    asked_others: int = 0
    #: what was not judged, and of how many Pods
    not_judged: list[str] = []


class Report(msgspec.Struct, frozen=True):
    """A whole run."""

    workload: str
    description: str
    params: dict[str, int]
    #: Pods a second that the reference's CI asks of itself; 0: nothing
    reference_threshold: float
    run: str
    #: RFC 3339
    started: str
    commit: str
    machine: Machine
    #: how it was run: nodes, creation, pace, fsync, ...
    how: dict[str, Any]
    measurements: list[Measurement]
    notes: list[str]
    #: None: it was not asked for
    verification: Verification | None = None
    #: beside that of the run
    machines: list[LoadMachine] = []
    format: str = FORMAT


def metrics_of(measurement: Measurement) -> dict[str, float]:
    """Return the figures that limits and comparisons name.

    Throughput, create_to_bound_p99 (seconds), scheduler_us (CPU), ...
    """
    found = _rates(measurement) if measurement.windows else {}
    for latency, value in measurement.latencies.items():
        for name in ("average", "p50", "p90", "p95", "p99", "p999", "maximum"):
            found[f"{latency}_{name}"] = getattr(value.summary, name)
    found["unscheduled"] = float(measurement.pods - measurement.bound)
    for result, count in measurement.attempts.items():
        found[f"attempts_{result}"] = count
    for process, use in measurement.processes.items():
        found[f"{process}_us"] = use.cpu_us_per_pod
        found[f"{process}_mb"] = use.peak_memory_bytes / 2**20
    found["etcd_requests"] = math.fsum(measurement.etcd_requests.values())
    found["balance_deviation"] = measurement.balance.deviation
    found["balance_most"] = measurement.balance.most
    found["lag"] = measurement.lag_seconds
    return found | _figures_beside(measurement)


def _figures_beside(measurement: Measurement) -> dict[str, float]:
    """Return the figures that a measurement may or may not have."""
    found = scheduler_histograms.metrics_of(measurement.histograms)
    if measurement.scheduled_events is not None:
        found["events_scheduled"] = float(measurement.scheduled_events)
    if measurement.events_dropped is not None:
        found["events_dropped"] = float(measurement.events_dropped)
    if measurement.events is not None:
        found["events_dropped"] = float(measurement.events.dropped)
        for process, used in measurement.events.cpu_us_per_pod.items():
            found[f"{process}_with_events_us"] = used
    if measurement.quality is not None:
        found |= placed.metrics_of(measurement.quality)
    if measurement.steady is not None:
        for name in steady_state.METRICS:
            found[name] = float(getattr(measurement.steady, name))
    return found


def _rates(measurement: Measurement) -> dict[str, float]:
    names = ("p50", "p90", "p95", "p99")
    rate = measurement.throughput
    return {"throughput": rate.average} | {f"throughput_{name}": getattr(rate, name) for name in names}


def encode(report: Report) -> bytes:
    """Write a report as JSON."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2)


def decode(data: bytes) -> Report:
    """Read a report.

    Raises:
        ReportError: it is none, or one of another format.
    """
    try:
        report = msgspec.json.decode(data, type=Report)
    except msgspec.MsgspecError as error:
        raise ReportError(f"no report of a load test: {error}") from error
    if report.format != FORMAT:
        raise ReportError(f'a report of the format "{report.format}", not "{FORMAT}"')
    return report


def data_items(report: Report) -> dict[str, Any]:
    """Return what the reference's performance dashboard reads (perf-dash;
    test/integration/scheduler_perf/util.go, DataItems).
    """
    items: list[dict[str, Any]] = []
    for measurement in report.measurements:
        labels = {"Name": f"{report.workload}/{measurement.name}"}
        if measurement.windows:
            items.append(_item("SchedulingThroughput", measurement.throughput, "pods/s", labels))
        items.append(
            {
                "data": {"Duration": measurement.seconds},
                "unit": "s",
                "labels": {**labels, "Metric": "SchedulingDuration"},
            }
        )
        for name, latency in measurement.latencies.items():
            items.append(_item(f"{name}_duration_seconds", latency.summary, "ms", labels, scale=1e3))
        for one in measurement.histograms:
            parts = dict(zip(scheduler_histograms.SERIES.get(one.metric, ()), one.labels, strict=False))
            items.append(_item(one.metric, one, "ms", {**labels, **parts}, scale=1e3))
    return {"version": "v1", "dataItems": items}


def _item(
    metric: str,
    values: Summary | scheduler_histograms.Histogram,
    unit: str,
    labels: Mapping[str, str],
    *,
    scale: float = 1.0,
) -> dict[str, Any]:
    data = {
        "Average": values.average, "Perc50": values.p50, "Perc90": values.p90, "Perc95": values.p95,
        "Perc99": values.p99,
    }  # fmt: skip
    return {
        "data": {name: value * scale for name, value in data.items()},
        "unit": unit,
        "labels": {**labels, "Metric": metric},
    }
