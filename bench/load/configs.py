"""Several configurations of the scheduler on one load, side by side. PURE."""

from collections.abc import Sequence
from html import escape
from typing import Any

import msgspec

from bench.load.html import curve
from bench.load.html_document import document, figures_table
from bench.load.html_plot import plot
from bench.load.placement import Placement, elsewhere, median_size, quantiles, room, shares
from bench.load.report import Report, metrics_of, verdict
from bench.load.units import number, per_cent, unit_of

FORMAT = "vaina-load-configs/1"
#: figures of a measurement that are shown; the JSON has all
_FIGURES = (
    "throughput", "create_to_bound_p50", "create_to_bound_p99", "scheduler_us", "apiserver_us", "scheduler_mb",
)  # fmt: skip
_LETTERS = "ABCDEFGH"
MOST = len(_LETTERS)


class Outcome(msgspec.Struct, frozen=True):
    """What one configuration came to."""

    #: of its file; "": the scheduler's defaults
    config: str
    report: Report
    placement: Placement
    #: Pods that gave way to others, as the scheduler counts them (scheduler_preemption_victims); None: not known
    victims: int | None


class Row(msgspec.Struct, frozen=True):
    """One figure of all configurations."""

    name: str
    unit: str
    values: list[str]


def names(outcomes: Sequence[Outcome]) -> list[str]:
    """Return how each is called: A: default, B: most-allocated.yaml."""
    return [f"{letter}: {one.config or 'default'}" for letter, one in zip(_LETTERS, outcomes, strict=False)]


def rows(outcomes: Sequence[Outcome]) -> list[Row]:
    """Return the figures, side by side.

    The median Pod is that of the first configuration's Pods, pending ones included: all are asked about the same size.
    """
    found: list[Row] = []
    for number_of, measurement in enumerate(outcomes[0].report.measurements):
        metrics = [metrics_of(one.report.measurements[number_of]) for one in outcomes]
        for name in _FIGURES:
            if any(name in one for one in metrics):
                unit, scale = unit_of(name)
                values = [number(one.get(name), scale) for one in metrics]
                found.append(Row(f"{measurement.name}: {name.replace('_', ' ')}", unit, values))
    size = median_size(outcomes[0].placement.sizes)
    rooms = [room(one.placement, size) for one in outcomes]
    placements = [one.placement for one in outcomes]
    found += [
        Row("Pods without a node", "", [number(sum(not node for node in one.pods.values())) for one in placements]),
        Row("preempted Pods", "", [number(one.victims) for one in outcomes]),
        Row("on another node than in A", "Pods", [number(elsewhere(placements[0], one)) for one in placements]),
        Row("nodes with Pods", "", [number(sum(use.pods > 0 for use in one.nodes.values())) for one in placements]),
    ]  # fmt: skip
    for resource in ("cpu", "memory"):
        parts = [quantiles(shares(one)[resource]) for one in placements]
        found += [
            Row(f"{resource} asked for on a node, {name}", "", [per_cent(one[name]) for one in parts])
            for name in parts[0]
        ]
    found += [
        Row("median Pods that still fit", "", [number(one.fits) for one in rooms]),
        Row("... if the room were in one piece", "", [number(one.whole) for one in rooms]),
        Row("fragmentation", "", [per_cent(one.fragmentation) for one in rooms]),
    ]
    return found


def about(outcomes: Sequence[Outcome]) -> list[str]:
    """Say what the figures are of, and whether each run was in order."""
    size = median_size(outcomes[0].placement.sizes)
    first = outcomes[0].report
    lines = [
        f"{first.workload}: {len(outcomes)} configurations, each once, one after the other",
        f"the median Pod asks for {size.cpu_millis:,}m CPU and {size.memory_bytes / 2**20:,.0f} MiB",
    ]
    for name, one in zip(names(outcomes), outcomes, strict=True):
        lines.append(f"{name}: {verdict(one.report.verification)}")
        lines += [f"{name}: note: {note}" for note in one.report.notes]
    return lines


def table(outcomes: Sequence[Outcome]) -> list[str]:
    """Return the comparison as lines of text."""
    lines = about(outcomes)
    width = max(14, *(len(name) for name in names(outcomes)))
    head = "".join(f" {name:>{width}}" for name in names(outcomes))
    lines.append(f"{'':42} {'':6}{head}")
    for row in rows(outcomes):
        lines.append(f"{row.name:42} {row.unit:6}" + "".join(f" {value:>{width}}" for value in row.values))
    return lines


def encode(outcomes: Sequence[Outcome]) -> bytes:
    """Write everything as JSON: the figures, each report, each node's use, each Pod's node."""
    size = median_size(outcomes[0].placement.sizes)
    found: list[dict[str, Any]] = []
    for name, one in zip(names(outcomes), outcomes, strict=True):
        left = room(one.placement, size)
        found.append(
            {
                "name": name, "config": one.config, "victims": one.victims,
                "elsewhere": elsewhere(outcomes[0].placement, one.placement),
                "fits": left.fits, "whole": left.whole, "fragmentation": left.fragmentation,
                "use": {resource: quantiles(values) for resource, values in shares(one.placement).items()},
                "nodes": one.placement.nodes, "pods": one.placement.pods, "report": one.report,
            }
        )  # fmt: skip
    return msgspec.json.format(
        msgspec.json.encode({"format": FORMAT, "medianPod": size, "configurations": found}), indent=2
    )


def page(outcomes: Sequence[Outcome]) -> str:
    """Return the comparison as a page: the figures, and how full the nodes are."""
    title = f"{outcomes[0].report.workload}: configurations"
    parts = [f"<h1>{escape(title)}</h1>"]
    parts += [f"<p class=note>{escape(line)}</p>" for line in about(outcomes)]
    head = ("", "", *names(outcomes))
    lines = [(row.name, row.unit, *row.values) for row in rows(outcomes)]
    parts.append(figures_table("Figures", head, lines, of="wide"))
    for resource in ("cpu", "memory"):
        curves = {
            name: curve(shares(one.placement)[resource])
            for name, one in zip(names(outcomes), outcomes, strict=True)
        }
        title_of = (
            f"{resource.upper() if resource == 'cpu' else resource} asked for, by node, the emptiest first"
        )
        parts.append(plot(title_of, "% of nodes", "%", curves))
    return document(title, parts)
