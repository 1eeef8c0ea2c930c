"""A report as one page that needs nothing else: figures in tables, plots as SVG in the text. PURE."""

import math
from collections.abc import Sequence
from html import escape

from bench.load import steady
from bench.load.report import Measurement, Report, series, verdict

Points = Sequence[tuple[float, float]]

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _BOTTOM, _TOP = 640, 220, 64, 30, 28, 10
_COLOURS = ("#1f6feb", "#d1572d", "#2da44e", "#8250df", "#6e7781")
_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:1400px;margin:2em auto;padding:0 1em;color:#1f2328;background:#fff}
h1{font-size:1.5em}h2{font-size:1.2em;margin-top:2em}h3{font-size:1em;margin:.5em 0}
table{border-collapse:collapse;margin:.5em 0}td,th{padding:.15em .8em;text-align:right;border-bottom:1px solid #d8dee4}
td:first-child,th:first-child,.words td{text-align:left}h1,p,li{overflow-wrap:anywhere}.wide{overflow-x:auto}th,.wide td:first-child{white-space:nowrap}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,26em),1fr));gap:1em 1.5em;margin:1em 0}
svg{width:100%;height:auto}svg text{font:12px system-ui,sans-serif;fill:#59636e}.note{color:#59636e}.legend{margin:.2em 0;font-size:.9em}
.legend span{margin-right:1.2em;white-space:nowrap}.legend i{display:inline-block;width:1.2em;height:.25em;margin-right:.4em;vertical-align:middle}
.bad{color:#b42318}summary{cursor:pointer;margin:1em 0;font-weight:600}
@media(prefers-color-scheme:dark){body{background:#0d1117;color:#e6edf3}td,th{border-color:#30363d}svg text,.note{fill:#9198a1;color:#9198a1}.bad{color:#ff9b8e}}
"""


def page(report: Report) -> str:
    """Return the page."""
    head = f"<h1>{escape(report.workload)}</h1><p>{escape(report.description)}</p>"
    return document(report.workload, [head, body(report)])


def document(title: str, parts: Sequence[str]) -> str:
    """Return a page of these parts."""
    head = (
        f"<!doctype html><html lang=en><meta charset=utf-8>"
        f"<meta name=viewport content='width=device-width,initial-scale=1'><title>{escape(title)}</title><style>{_STYLE}</style>"
    )
    return "\n".join((head, *parts)) + "</html>\n"


def body(report: Report) -> str:
    """Return what is told of one run."""
    parts = [_measurement(measurement, report) for measurement in report.measurements]
    said = verdict(report.verification)
    parts.append(f"<h2>Was it right?</h2><p>{escape(said[0].upper() + said[1:])}</p>")
    if report.verification and report.verification.violations:
        items = "".join(f"<li>{escape(words)}</li>" for words in report.verification.violations)
        parts.append(f"<ul class=bad>{items}</ul>")
    parts += [f"<p class=note>Note: {escape(note)}</p>" for note in report.notes]
    machine = report.machine
    about = {
        "run": report.run, "started": report.started, "commit": report.commit, **report.params, **report.how,
        "CPU": f"{machine.cpu}, {machine.cores} cores", "kernel": machine.kernel,
        "Python": f"{machine.python} ({machine.compiler})", "etcd": machine.etcd,
        "load before": " ".join(f"{value:.2f}" for value in machine.load_before),
    }  # fmt: skip
    parts.append(
        "<h2>How it was run</h2>"
        + figures_table(
            ("", ""), [(name, str(value)) for name, value in about.items() if value != ""], of="words"
        )
    )
    return "\n".join(parts)


def _measurement(one: Measurement, report: Report) -> str:
    rate = one.throughput
    rows = [
        (
            "Pods/s, by windows",
            *(
                f"{value:,.0f}"
                for value in (rate.average, rate.p50, rate.p90, rate.p95, rate.p99, rate.maximum)
            ),
        )
    ]
    for name, latency in one.latencies.items():
        value = latency.summary
        cells = (value.average, value.p50, value.p90, value.p95, value.p99, value.maximum)
        rows.append((f"{_words(name)}, ms", *(f"{cell * 1e3:,.1f}" for cell in cells)))
    processes = [
        (
            name,
            f"{use.cpu_us_per_pod:,.0f}",
            f"{use.cpu_seconds:,.2f}",
            f"{use.peak_memory_bytes / 2**20:,.0f}",
        )
        for name, use in one.processes.items()
    ]
    counts = [(f"attempts: {name}", f"{value:,.0f}") for name, value in one.attempts.items()]
    counts += [
        (f"etcd requests: {name}", f"{value:,.0f}") for name, value in sorted(one.etcd_requests.items())
    ]
    counts += [
        ("most Pods on a node", f"{one.balance.most:,.0f}"),
        ("deviation of Pods on a node", f"{one.balance.deviation:,.2f}"),
        ("load generator late at worst, ms", f"{one.lag_seconds * 1e3:,.0f}"),
    ]
    if one.scheduled_events is not None:
        counts.append(("Pods with an Event Scheduled", f"{one.scheduled_events:,}"))
    if one.events_waiting is not None and one.events_dropped is not None:
        counts.append(("Events not written yet when the last Pod was bound", f"{one.events_waiting:,}"))
        counts.append(("Events dropped until then", f"{one.events_dropped:,}"))
    threshold = (
        f" The reference's CI asks {report.reference_threshold:,.0f} of itself."
        if report.reference_threshold
        else ""
    )
    return "".join(
        (
            f"<h2>{escape(one.name)}</h2><p>{one.bound:,} of {one.pods:,} Pods bound in {one.seconds:.2f} s: "
            f"<b>{rate.average:,.0f} Pods a second</b>.{threshold}</p>",
            figures_table(("", "average", "p50", "p90", "p95", "p99", "max"), rows, of="wide"),
            figures_table(("", ""), steady.rows(one.steady), of="words") if one.steady else "",
            '<div class="plots">',
            plot("Pods bound a second", "s", _steps(one)),
            plot("Latency: of how many Pods, in per cent", "ms", _shares(one), logarithmic=True),
            plot("Pods that wait, by queue", "s", _queues(one)),
            "</div>",
            figures_table(("process", "CPU µs a Pod", "CPU s", "peak MB"), processes),
            figures_table(("", ""), counts),
        )
    )  # fmt: skip


def _steps(one: Measurement) -> dict[str, Points]:
    points: list[tuple[float, float]] = []
    for window in one.windows:
        points += [(window.start, window.rate), (window.start + window.seconds, window.rate)]
    return {"": points}


def _shares(one: Measurement) -> dict[str, Points]:
    return {
        _words(name): [(max(seconds * 1e3, 0.01), share * 100) for seconds, share in latency.distribution]
        for name, latency in one.latencies.items()
    }


def _queues(one: Measurement) -> dict[str, Points]:
    names = sorted({name for sample in one.queue for name in sample.queues})
    return {name: series(one.queue, name) for name in names}


def plot(title: str, unit: str, lines: dict[str, Points], *, logarithmic: bool = False) -> str:
    """Return lines over a common axis as an SVG with a title.

    Args:
        title: stands above.
        unit: of x.
        lines: by name; empty ones are left out.
        logarithmic: whether x is; then all x are above 0.
    """
    # What is never there would lie on the axis, over what is there.
    drawn = {name: points for name, points in lines.items() if any(y for _, y in points)}
    drawn = drawn or {name: points for name, points in lines.items() if points}
    if not drawn:
        return f"<div><h3>{escape(title)}</h3><p class=note>nothing was measured</p></div>"
    scale = math.log10 if logarithmic else float
    xs = [scale(x) for points in drawn.values() for x, _ in points]
    least, most = min(xs), max(xs)
    span = (most - least) or 1.0
    top = max((y for points in drawn.values() for _, y in points), default=0.0) or 1.0

    def place(x: float, y: float) -> str:
        across = _LEFT + (scale(x) - least) / span * (_WIDTH - _LEFT - _RIGHT)
        down = _TOP + (1 - y / top) * (_HEIGHT - _TOP - _BOTTOM)
        return f"{across:.1f},{down:.1f}"

    marks = []
    for at in _powers(10**least, 10**most) if logarithmic else _round(least, most):
        across = place(at, 0.0).split(",")[0]
        marks.append(f'<text x="{across}" y="{_HEIGHT - 8}" text-anchor="middle">{at:,.4g} {unit}</text>')
    for y in _round(0.0, top):
        down = place(xs[0] if not logarithmic else 10 ** xs[0], y).split(",")[1]
        marks.append(f'<text x="{_LEFT - 6}" y="{down}" text-anchor="end" dy="4">{_amount(y)}</text>')
        marks.append(f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{down}" y2="{down}" stroke="#8883" />')
    names = []
    for number, (name, points) in enumerate(drawn.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        path = " ".join(place(x, y) for x, y in points)
        marks.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.8" />')
        names.append(f'<span><i style="background:{colour}"></i>{escape(name)}</span>' if name else "")
    names += [f"<span>{escape(name)}: none</span>" for name in lines if name not in drawn]
    return (
        f"<div><h3>{escape(title)}</h3>"
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">{"".join(marks)}</svg>'
        f'<p class="note legend">{" ".join(names)}</p></div>'
    )


def _amount(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def _round(least: float, most: float) -> list[float]:
    """Return round numbers from the one to the other, some five."""
    rough = (most - least) / 6
    if rough <= 0:
        return [least]
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    return [
        number * step for number in range(math.ceil(least / step - 1e-9), math.floor(most / step + 1e-9) + 1)
    ]


def _powers(least: float, most: float) -> list[float]:
    """Return round numbers for a logarithmic axis: powers of ten, with 2 and 5 between them where there are few; else round ones."""
    exponents = range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)
    for factors in ((1,), (1, 3), (1, 2, 5)):
        found = [
            factor * 10.0**exponent
            for exponent in exponents
            for factor in factors
            if least <= factor * 10.0**exponent <= most
        ]
        if len(found) >= 3:
            return found
    return _round(least, most)


def figures_table(head: Sequence[str], rows: Sequence[Sequence[str]], *, of: str = "") -> str:
    """Return a table. Args: of: numbers, `words`, or `wide`: one that is pushed about where there is no room."""
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<div class='{of}'><table>{f'<tr>{top}</tr>' if any(head) else ''}{body}</table></div>"


def _words(name: str) -> str:
    return name.replace("_", " ")
