"""The report of several runs as one page: medians with their spread on top, and each run's own below. PURE."""

from collections.abc import Sequence
from html import escape

from bench.load.html import body, heading, judged, shares, words
from bench.load.html_document import document, figures_table, folded, tiles
from bench.load.html_plot import plot, plots
from bench.load.repeated import Figures, Repeated, about, notes, rows
from bench.load.units import number, per_cent, unit_of

_WHAT = (
    "Median, least and most of the runs. The spread is most minus least by the median: how far a figure moves when "
    "nothing has changed."
)
#: of the figures that are seen first: how they are called
_FIRST = {
    "throughput": "Pods a second", "create_to_bound_p50": "create to bound, p50", "create_to_bound_p99": "create to bound, p99",
    "scheduler_us": "scheduler, CPU", "apiserver_us": "apiserver, CPU", "nodes_used": "nodes with Pods",
    "fragmentation": "fragmentation",
}  # fmt: skip


def page_of_runs(runs: Repeated) -> str:
    """Return the page."""
    first = runs.reports[0]
    heads = ("run", "Pods/s", "load of the machine before", "was it right?")
    parts = [heading(first), *(judged(report.verification, report.run) for report in runs.reports)]
    parts += [f'<p class="note">Note: {escape(note)}</p>' for note in notes(runs)]
    parts += [_figures(one, number_of, runs) for number_of, one in enumerate(runs.figures)]
    parts.append("<h2>The runs</h2>" + figures_table("Runs", heads, about(runs), of="words"))
    parts += [
        folded(f"Run {number_of} of {len(runs.reports)}", body(report))
        for number_of, report in enumerate(runs.reports, 1)
    ]
    return document(first.workload, parts)


def _figures(one: Figures, number_of: int, runs: Repeated) -> str:
    measured = [
        report.measurements[number_of] for report in runs.reports if number_of < len(report.measurements)
    ]
    named = {f"run {place}": each for place, each in enumerate(measured, 1)}
    lines: Sequence[Sequence[str]] = [(words(name), *rest) for name, *rest in rows(one)]
    return "".join(
        (
            f"<h2>{escape(one.measurement)}</h2>",
            tiles(_tiles(one)),
            plots(
                [
                    plot("Pods bound", "s", "Pods", {name: each.bound_over_time for name, each in named.items()}),
                    plot(
                        "Create to bound, % of Pods", "ms", "%",
                        {name: points for name, each in named.items() for points in shares(each, ["create_to_bound"]).values()},
                        logarithmic=True, whole=True,
                    ),
                ]
            ),
            f'<p class="note">{_WHAT}</p>',
            figures_table("Figures", ("", "", "median", "least", "most", "spread"), lines, of="wide"),
        )
    )  # fmt: skip


def _tiles(one: Figures) -> list[tuple[str, str, str]]:
    found = []
    for name, called in _FIRST.items():
        if (figure := one.figures.get(name)) is None or not figure.most:
            continue
        unit, scale = unit_of(name)
        beside = f"{number(figure.least, scale)} to {number(figure.most, scale)}"
        if figure.relative is not None:
            beside += f", spread {per_cent(figure.relative)}"
        shown = "" if name == "throughput" else unit
        found.append((called, f"{number(figure.median, scale)} {shown}".rstrip(), beside))
    return found
