"""The report of a run as one page: what matters on top, then plots, then tables. PURE."""

from collections.abc import Sequence
from html import escape

from bench.load import histograms, quality, steady
from bench.load.events import rows as event_rows
from bench.load.html_document import document, figures_table, folded, items, tiles
from bench.load.html_plot import Points, plot, plots
from bench.load.report import TOO_SHORT, Measurement, Report, Verification
from bench.load.report_text import machine_lines, series, verdict
from bench.load.units import number, per_cent

_HISTOGRAM_HEAD = ("ms", "times", "average", "p50", "p90", "p95", "p99")
_LATENCY_HEAD = ("", "average", "p50", "p90", "p95", "p99", "p99.9", "max")


def page(report: Report) -> str:
    """Return the page."""
    return document(report.workload, [heading(report), body(report)])


def heading(report: Report) -> str:
    """Return what was run."""
    about = f"<p>{escape(report.description)}</p>" if report.description else ""
    commit = f" · commit {escape(report.commit)}" if report.commit else ""
    return f'<h1>{escape(report.workload)}</h1>{about}<p class="note">{escape(report.started)}{commit}</p>'


def body(report: Report) -> str:
    """Return what is told of one run."""
    parts = [judged(report.verification)]
    parts += [f'<p class="note">Note: {escape(note)}</p>' for note in report.notes]
    parts += [_measurement(measurement, report.reference_threshold) for measurement in report.measurements]
    parts.append("<h2>How it was run</h2>" + figures_table("Run", ("", ""), run_rows(report), of="words"))
    return "\n".join(parts)


def run_rows(report: Report) -> list[tuple[str, str]]:
    """Return how a run was made, and where."""
    machine = report.machine
    about = {
        "run": report.run, "started": report.started, "commit": report.commit, **report.params, **report.how,
        "CPU": f"{machine.cpu}, {machine.cores} cores", "kernel": machine.kernel,
        "Python": f"{machine.python} ({machine.compiler})", "etcd": machine.etcd,
        "load before": " ".join(f"{value:.2f}" for value in machine.load_before),
    }  # fmt: skip
    rows = [(name, str(value)) for name, value in about.items() if value not in ("", None)]
    return rows + [("machine", text) for text in machine_lines(report.machines)]


def judged(found: Verification | None, who: str = "") -> str:
    """Say whether a run was scheduled as it should be; what was wrong is folded.

    Args: who: begins the line, where there are several.
    """
    kind = "note" if found is None or found.reason else "bad" if found.violations else "good"
    said = verdict(found)
    words = f"{who}: {said}" if who else said[0].upper() + said[1:]
    wrong = items(found.violations, of="bad") if found else ""
    return f'<p class="{kind}">{escape(words)}</p>' + folded(
        f"What was wrong{f': {who}' if who else ''}", wrong
    )


def milliseconds(seconds: float) -> str:
    """Write a duration so that it is read at once."""
    return f"{number(seconds)} s" if seconds >= 1 else f"{number(seconds, 1e3)} ms"


def _measurement(one: Measurement, threshold: float) -> str:
    return "".join(
        (
            f"<h2>{escape(one.name)}</h2>",
            tiles(_tiles(one, threshold)),
            plots(
                [
                    plot("Pods bound", "s", "Pods", {"": one.bound_over_time}),
                    plot("Pods bound a second, by windows", "s", "Pods/s", {"": _steps(one)}),
                    plot("Latency, % of Pods", "ms", "%", shares(one), logarithmic=True, whole=True),
                    plot("Pods that wait, by queue", "s", "Pods", _queues(one)),
                    plot("Asked for by node, % of allocatable", "% of nodes", "%", use_curves(one)),
                ]
            ),
            '<div class="tables">',
            figures_table("Rates and latencies", _LATENCY_HEAD, _rates(one), of="wide"),
            figures_table(
                "Processes", ("", "CPU µs a Pod", "... until Events are written", "CPU s", "peak MB", "MB at the end"),
                _processes(one), of="wide",
            ),
            figures_table("Steady state", ("", ""), steady.rows(one.steady) if one.steady else (), of="words"),
            figures_table("Placement", ("", ""), _placement(one), of="words"),
            figures_table("Events", ("", ""), _events(one), of="words"),
            figures_table("Counts", ("", ""), _counts(one)),
            figures_table("The scheduler's histograms", _HISTOGRAM_HEAD, _histograms(one, plugins=False), of="wide"),
            "</div>",
            items([f"{name}: not on the scheduler's page" for name in one.histograms_absent], of="note"),
            folded("Plugins", figures_table("Plugin execution", _HISTOGRAM_HEAD, _histograms(one, plugins=True), of="wide")),
        )
    )  # fmt: skip


def _tiles(one: Measurement, threshold: float) -> list[tuple[str, str, str]]:
    rate = one.throughput
    found = [
        (
            "Pods a second",
            number(rate.average) if one.windows else "-",
            (f"the reference's CI asks {number(threshold)}" if threshold else "")
            if one.windows
            else TOO_SHORT,
        ),
        ("bound", f"{one.bound:,}", f"of {one.pods:,} in {milliseconds(one.seconds)}"),
    ]
    if latency := one.latencies.get("create_to_bound"):
        found.append(
            (
                "create to bound, p50",
                milliseconds(latency.summary.p50),
                f"p99 {milliseconds(latency.summary.p99)}",
            )
        )
    if latency := one.latencies.get("create_to_running"):
        found.append(
            (
                "create to running, p50",
                milliseconds(latency.summary.p50),
                f"p99 {milliseconds(latency.summary.p99)}",
            )
        )
    served = {name: use for name, use in one.processes.items() if name != "load"}
    if served:
        total = sum(use.cpu_us_per_pod for use in served.values())
        parts = ", ".join(f"{name} {number(use.cpu_us_per_pod)}" for name, use in served.items())
        found.append(("CPU µs a Pod", number(total), parts))
    if one.quality is not None:
        lies = one.quality
        found.append(("nodes with Pods", f"{lies.used:,}", f"of {lies.nodes:,}"))
        found.append(
            ("fragmentation", per_cent(lies.fragmentation), f"room for {lies.fits:,} more median Pods")
        )
    if one.events is not None:
        beside = f"{one.events.dropped:,} dropped" + (
            f", {one.events.left:,} left" if one.events.left else ""
        )
        found.append(("Events written after", milliseconds(one.events.seconds), beside))
    return found


def _rates(one: Measurement) -> list[tuple[str, ...]]:
    rate = one.throughput
    values = (rate.average, rate.p50, rate.p90, rate.p95, rate.p99, rate.p999, rate.maximum)
    found: list[tuple[str, ...]] = []
    if one.windows:
        found.append(("Pods bound a second, by windows", *(number(value) for value in values)))
    for name, latency in one.latencies.items():
        value = latency.summary
        cells = (value.average, value.p50, value.p90, value.p95, value.p99, value.p999, value.maximum)
        found.append((f"{words(name)}, ms", *(number(cell, 1e3) for cell in cells)))
    return found


def _processes(one: Measurement) -> list[tuple[str, ...]]:
    until = one.events.cpu_us_per_pod if one.events else {}
    return [
        (
            name, number(use.cpu_us_per_pod), number(until.get(name)), f"{use.cpu_seconds:,.2f}",
            number(use.peak_memory_bytes / 2**20), number(use.memory_bytes / 2**20 if use.memory_bytes else None),
        )
        for name, use in one.processes.items()
    ]  # fmt: skip


def _placement(one: Measurement) -> list[tuple[str, str]]:
    spread = one.balance
    line = (
        "measured Pods on a node",
        f"{spread.least:,.0f} to {spread.most:,.0f}, average {spread.average:,.2f}, deviation {spread.deviation:,.2f}, "
        f"on {spread.used:,} of {spread.nodes:,} nodes",
    )
    return [line, *(quality.rows(one.quality) if one.quality else ())]


def _events(one: Measurement) -> list[tuple[str, str]]:
    found = []
    if one.events_waiting:
        found.append(("waited when the last Pod was bound", f"{one.events_waiting:,}"))
    if one.events is not None:
        return found + event_rows(one.events, one.scheduled_events, one.bound)
    if one.scheduled_events is not None:
        found.append(("Pods with an Event Scheduled", f"{one.scheduled_events:,}"))
    return found


def _counts(one: Measurement) -> list[tuple[str, str]]:
    counts = {f"attempts: {name}": value for name, value in one.attempts.items()}
    counts |= {f"etcd requests: {name}": value for name, value in sorted(one.etcd_requests.items())}
    counts |= {f"asked again: {name}": float(value) for name, value in one.retries.items()}
    counts["load generator late at worst, ms"] = one.lag_seconds * 1e3
    return [(name, f"{value:,.0f}") for name, value in counts.items() if round(value)]


def _histograms(one: Measurement, *, plugins: bool) -> list[tuple[str, ...]]:
    return histograms.rows([each for each in one.histograms if (len(each.labels) > 1) == plugins])


def _steps(one: Measurement) -> Points:
    """Return the rate over time; of one window there is nothing to draw."""
    if len(one.windows) < 2:
        return ()
    points: list[tuple[float, float]] = []
    for window in one.windows:
        points += [(window.start, window.rate), (window.start + window.seconds, window.rate)]
    return points


def shares(one: Measurement, only: Sequence[str] = ()) -> dict[str, Points]:
    """Return of each latency how many Pods had it or less. Args: only: these; none: all."""
    return {
        words(name): [(max(seconds * 1e3, 0.01), share * 100) for seconds, share in latency.distribution]
        for name, latency in one.latencies.items()
        if not only or name in only
    }


def use_curves(one: Measurement) -> dict[str, Points]:
    """Return what is asked for of each node, in per cent, over per cent of the nodes."""
    if one.quality is None:
        return {}
    return {
        name: curve(use.curve) for name, use in (("cpu", one.quality.cpu), ("memory", one.quality.memory))
    }


def curve(ordered: Sequence[float]) -> Points:
    """Return shares over the place in their order, both in per cent."""
    last = max(1, len(ordered) - 1)
    return [(100 * index / last, 100 * value) for index, value in enumerate(ordered)]


def _queues(one: Measurement) -> dict[str, Points]:
    names = sorted({name for sample in one.queue for name in sample.queues})
    return {name: series(one.queue, name) for name in names}


def words(name: str) -> str:
    """Write the name of a figure as people do."""
    return name.replace("_", " ")
