"""The report of several runs as one page: medians with their spread on top, and each run's own below. PURE."""

from collections.abc import Sequence
from html import escape

from bench.load.html import body, document, figures_table
from bench.load.repeated import Figures, Repeated, about, notes, rows
from bench.load.units import number, per_cent

_WHAT = (
    "Median, least and most of the runs. The spread is most minus least by the median: how far a figure moves when "
    "nothing has changed."
)


def page_of_runs(runs: Repeated) -> str:
    """Return the page."""
    first = runs.reports[0]
    parts = [f"<h1>{escape(first.workload)}</h1><p>{escape(first.description)}</p>"]
    parts += [_figures(one, len(runs.reports)) for one in runs.figures]
    heads = ("run", "Pods/s", "load of the machine before", "was it right?")
    parts.append("<h2>The runs</h2>" + figures_table(heads, about(runs), of="wide"))
    violations = [
        f"{report.run}: {words}"
        for report in runs.reports
        if report.verification
        for words in report.verification.violations
    ]
    if violations:
        parts.append(f"<ul class=bad>{''.join(f'<li>{escape(words)}</li>' for words in violations)}</ul>")
    parts += [f"<p class=note>Note: {escape(note)}</p>" for note in notes(runs)]
    parts += [
        _run(number_of, len(runs.reports), body(report)) for number_of, report in enumerate(runs.reports, 1)
    ]
    return document(first.workload, parts)


def _figures(one: Figures, count: int) -> str:
    words = ""
    if rate := one.figures.get("throughput"):
        words = (
            f"<p><b>{number(rate.median)} Pods a second</b>, {number(rate.least)} to {number(rate.most)} "
            f"in {count} runs: a spread of {per_cent(rate.relative)}.</p>"
        )
    head = ("", "", "median", "least", "most", "spread")
    lines: Sequence[Sequence[str]] = [(name.replace("_", " "), *rest) for name, *rest in rows(one)]
    return f"<h2>{escape(one.measurement)}</h2>{words}<p class=note>{_WHAT}</p>{figures_table(head, lines, of='wide')}"


def _run(number_of: int, count: int, content: str) -> str:
    return f"<details><summary>Run {number_of} of {count}</summary>{content}</details>"
