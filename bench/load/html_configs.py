"""Several configurations of the scheduler as one page: their figures side by side, and where their Pods are.

PURE.
"""

from collections.abc import Sequence
from html import escape

from bench.load.configs import Outcome, Row, about, cell, measurements_of, names, rows, runs_of
from bench.load.html import curve, heading, judged, run_rows, shares
from bench.load.html_document import document, figures_table, folded
from bench.load.html_plot import Points, plot, plots
from bench.load.placement import shares as use_shares
from bench.load.quality import thinned

#: figures that are seen first, by how their rows end
_FIRST = (
    "throughput", "create to bound p99", "scheduler us", "beside those of DaemonSets", "preempted Pods", "Pods without a node",
    "fragmentation",
)  # fmt: skip
_OF_FIRST = '<p class="note">The plots are of the first run of each.</p>'
#: how verdicts are coloured
_KINDS = {"better": "good", "better?": "good", "worse": "bad", "worse?": "bad"}


def page_of_configs(outcomes: Sequence[Outcome]) -> str:
    """Return the comparison: what it comes to, plots, all figures, how each run was judged."""
    first, found = outcomes[0].runs[0].report, rows(outcomes)
    title = f"{first.workload}: configurations"
    notes = [f"{name}: {note}" for name, run in runs_of(outcomes) for note in run.report.notes]
    parts = [
        heading(first),
        *(f'<p class="note">{escape(line)}</p>' for line in about(outcomes)[:3]),
        *(judged(run.report.verification, name) for name, run in runs_of(outcomes)),
        *(f'<p class="note">Note: {escape(note)}</p>' for note in notes),
        _first(outcomes, found),
        plots(_plots(outcomes)),
        _OF_FIRST if max(len(one.runs) for one in outcomes) > 1 else "",
        _figures(outcomes, found),
        *(
            folded(
                f"How {name} was run",
                figures_table("Run", ("", ""), run_rows(one.runs[0].report), of="words"),
            )
            for name, one in zip(names(outcomes), outcomes, strict=True)
        ),
    ]
    return document(title, parts)


def _first(outcomes: Sequence[Outcome], found: Sequence[Row]) -> str:
    """Return what everybody asks first, a line for each configuration."""
    shown = [row for end in _FIRST for row in found if row.name.endswith(end)]
    single = len(outcomes[0].runs[0].report.measurements) == 1
    called = [row.name.partition(": ")[2] or row.name if single else row.name for row in shown]
    called = [f"{name.removesuffix(' us')} CPU" if name.endswith(" us") else name for name in called]
    head = [
        "",
        *(f"{name}, {row.unit}" if row.unit else name for name, row in zip(called, shown, strict=True)),
    ]
    lines = [[name, *(cell(row, place) for row in shown)] for place, name in enumerate(names(outcomes))]
    marks = [["", *(_KINDS.get(row.verdicts[place], "") for row in shown)] for place in range(len(outcomes))]
    return figures_table("At a glance", head, lines, of="wide glance", marks=marks)


def _figures(outcomes: Sequence[Outcome], found: Sequence[Row]) -> str:
    """Return a column for each configuration, and one beside it that says how far its runs are apart and what
    that means.
    """
    several = any(spread for row in found for spread in row.spreads)
    judges = any(verdict for row in found for verdict in row.verdicts)
    head, lines, marks = ["", ""], [[row.name, row.unit] for row in found], [["", ""] for _ in found]
    for place, name in enumerate(names(outcomes)):
        head += [name, *(["spread"] if several else []), *(["beside A"] if judges and place else [])]
        for row, line, mark in zip(found, lines, marks, strict=True):
            kind = _KINDS.get(row.verdicts[place], "")
            line.extend((row.values[place], *([row.spreads[place]] if several else [])))
            mark.extend(("", *([""] if several else [])))
            if judges and place:
                line.append(row.verdicts[place])
                mark.append(kind)
    return figures_table("Figures", head, lines, of="wide", marks=marks)


def _plots(outcomes: Sequence[Outcome]) -> list[str]:
    """Plots are of the first run of each: where several are, the figures say how far these are apart."""
    called = dict(zip(names(outcomes), outcomes, strict=True))
    found = []
    for number_of, measurement in enumerate(outcomes[0].runs[0].report.measurements):
        measured = {
            name: some[0] for name, one in called.items() if (some := measurements_of(one, number_of))
        }
        bound = {name: one.bound_over_time for name, one in measured.items()}
        latencies: dict[str, Points] = {
            name: points
            for name, one in measured.items()
            for points in shares(one, ["create_to_bound"]).values()
        }
        found += [
            plot(f"{measurement.name}: Pods bound", "s", "Pods", bound),
            plot(
                f"{measurement.name}: create to bound, % of Pods", "ms", "%", latencies,
                logarithmic=True, whole=True,
            ),
        ]  # fmt: skip
    for resource, called_so in (("cpu", "CPU"), ("memory", "Memory")):
        curves = {
            name: curve(thinned(use_shares(one.runs[0].placement)[resource])) for name, one in called.items()
        }
        title = f"{called_so} by node, % of allocatable"
        found.append(plot(title, "% of nodes", "%", curves))
    return found
