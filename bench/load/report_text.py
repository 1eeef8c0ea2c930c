"""A report as text: what a run found, for people at a terminal. PURE."""

from collections.abc import Mapping, Sequence
from typing import Any

from bench.load import histograms as scheduler_histograms
from bench.load import quality as placed
from bench.load import steady as steady_state
from bench.load.events import rows as event_rows
from bench.load.report import TOO_SHORT, LoadMachine, Measurement, QueueSample, Report, Verification

#: histograms that are parted by so many labels are in the JSON and on the page, not in the text
_MANY_LABELS = 2


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
