"""What a run found: values that are written as JSON, read again, compared and shown. PURE."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from bench.load import histograms as scheduler_histograms
from bench.load import quality as placed
from bench.load import steady as steady_state
from bench.load.events import EventsWritten
from bench.load.events import rows as event_rows
from bench.load.stats import Summary, Window

FORMAT = "vaina-load/1"
#: histograms that are parted by so many labels are in the JSON and on the page, not in the text
_MANY_LABELS = 2


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


def table(report: Report) -> list[str]:
    """Return the report as lines of text."""
    lines = [f"{report.workload}  {describe_how(report.how)}"]
    for one in report.measurements:
        rate = one.throughput
        lines += [
            f"{one.name}: {one.bound:,} of {one.pods:,} Pods bound in {one.seconds:.2f} s",
            f"  throughput Pods/s   average {rate.average:,.0f}   p50 {rate.p50:,.0f}   p90 {rate.p90:,.0f}   p95 {rate.p95:,.0f}"
            f"   p99 {rate.p99:,.0f}   ({rate.count} windows)"
            if one.windows
            else f"  throughput Pods/s   {TOO_SHORT}",
        ]
        if report.reference_threshold:
            lines[-1] += f"   reference's threshold {report.reference_threshold:,.0f}"
        if one.steady is not None:
            lines += [f"  {name:19} {text}" for name, text in steady_state.rows(one.steady)]
        for name, latency in one.latencies.items():
            value = latency.summary
            lines.append(
                f"  {name.replace('_', ' '):19} p50 {value.p50 * 1e3:,.1f} ms   p90 {value.p90 * 1e3:,.1f}   p99 {value.p99 * 1e3:,.1f}"
                f"   max {value.maximum * 1e3:,.1f}"
            )
        lines.append("  attempts            " + _counts(one.attempts))
        cpu = "   ".join(f"{name} {use.cpu_us_per_pod:,.0f}" for name, use in one.processes.items())
        memory = "   ".join(
            f"{name} {use.peak_memory_bytes / 2**20:,.0f}" for name, use in one.processes.items()
        )
        lines.append(f"  CPU µs per Pod      {cpu}")
        lines.append(f"  peak memory MB      {memory}")
        lines.append("  etcd requests       " + _counts(one.etcd_requests))
        lines += [f"  {name:19} {text}" for name, text in _events(one)]
        lines += _histogram_lines(one)
        balance = one.balance
        lines.append(
            f"  Pods on a node      {balance.least:.0f} to {balance.most:.0f}, average {balance.average:.2f}, deviation "
            f"{balance.deviation:.2f}, on {balance.used:,} of {balance.nodes:,} nodes"
        )
        if one.quality is not None:
            lines += [f"  {name:27} {text}" for name, text in placed.rows(one.quality)]
        lines.append(
            f"  load generator      at most {one.lag_seconds * 1e3:,.0f} ms late" + _retries(one.retries)
        )
    lines += [f"machine {text}" for text in machine_lines(report.machines)]
    lines.append(verdict(report.verification))
    return lines + [f"note: {note}" for note in report.notes]


def machine_lines(machines: Sequence[LoadMachine]) -> list[str]:
    """Say of each other machine what it is, and what it did."""
    found = []
    for one in machines:
        text = f"{one.name}: {one.machine.cpu}, {one.machine.cores} cores, Python {one.machine.python}, load before {one.machine.load_before[0]:.2f}"
        if one.pods:
            text += (
                f"; created {one.pods:,} Pods, at most {one.lag_seconds * 1e3:,.0f} ms late, its beginning known to "
                f"{one.clock_seconds * 1e3:,.1f} ms"
            )
        found.append(text + (f"; {one.kubelets} processes of kubelets" if one.kubelets else ""))
    return found


def verdict(found: Verification | None) -> str:
    """Say in a line whether the run was scheduled as it should be."""
    if found is None:
        return "not verified: it was not asked for"
    if found.reason:
        return f"not verified: {found.reason}"
    partly = f"; affinity and spread of {found.thorough:,} of them" if found.thorough < found.bindings else ""
    words = f"{len(found.violations):,} VIOLATIONS" if found.violations else "no violation"
    without = f", without {', '.join(found.without)}" if found.without else ""
    return (
        f"verified: {words} in {found.bindings:,} bindings{partly}, {found.pending:,} Pods pending "
        f"({found.seconds:.1f} s{without})" + _judged(found)
    )


def _judged(found: Verification) -> str:
    """Say what decisions were judged by, and what was not judged."""
    words = ""
    if found.scored:
        words += (
            f"; score lost {found.score_lost:.1f} on average, {found.score_lost_worst:.0f} at worst, of {found.score_most:.0f} "
            f"({found.scored:,} bindings, {found.equals:,} among equals)"
        )
    if found.asked_others:
        words += f"; filters of others asked about {found.asked_others:,}"
    return words + (f"; not judged: {', '.join(found.not_judged)}" if found.not_judged else "")


def describe_how(how: Mapping[str, Any]) -> str:
    """Say in a line how a run was made."""
    return ", ".join(f"{name} {value}" for name, value in how.items() if value not in ("", None))


def _events(one: Measurement) -> list[tuple[str, str]]:
    """Say what became of the Events."""
    found = []
    if one.events_waiting is not None:
        found.append(("Events", f"{one.events_waiting:,} waited to be written when the last Pod was bound"))
    if one.events is not None:
        return found + event_rows(one.events, one.scheduled_events, one.bound)
    if one.scheduled_events is not None:
        found.append(("Events Scheduled", f"{one.scheduled_events:,} stored for {one.bound:,} bound Pods"))
    return found


def _histogram_lines(one: Measurement) -> list[str]:
    """Return the scheduler's histograms, but for those of single plugins, of which there are many."""
    shown = [each for each in one.histograms if len(each.labels) < _MANY_LABELS]
    lines = [
        f"  {name:41} {count:>9} times   ms: average {average}   p50 {p50}   p90 {p90}   p95 {p95}   p99 {p99}"
        for name, count, average, p50, p90, p95, p99 in scheduler_histograms.rows(shown)
    ]
    return lines + [f"  {name}: not on the scheduler's page" for name in one.histograms_absent]


def _counts(counts: Mapping[str, float]) -> str:
    return (
        "   ".join(f"{name} {value:,.0f}" for name, value in sorted(counts.items()) if value) or "not known"
    )


def _retries(retries: Mapping[str, int]) -> str:
    return (
        f"; asked again: {', '.join(f'{name} {count}' for name, count in retries.items())}" if retries else ""
    )


def series(samples: Sequence[QueueSample], name: str) -> list[tuple[float, float]]:
    """Return one queue's depth over time."""
    return [(sample.at, sample.queues.get(name, 0.0)) for sample in samples]
