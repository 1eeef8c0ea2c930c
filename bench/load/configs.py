"""Several configurations of the scheduler on one load, side by side: each once or several times. PURE."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from bench.load.compare import Difference
from bench.load.placement import Placement, by_group, elsewhere, median_size, quantiles, room, shares
from bench.load.repeated import Spread, spread
from bench.load.report import Measurement, Report, metrics_of
from bench.load.report_text import verdict
from bench.load.units import number, per_cent, unit_of

FORMAT = "vaina-load-configs/2"
#: figures of a measurement that are shown; the JSON has all
_FIGURES = (
    "throughput", "create_to_bound_p50", "create_to_bound_p99", "sli_p99", "scheduler_us", "apiserver_us", "etcd_us",
    "scheduler_with_events_us", "scheduler_mb",
)  # fmt: skip
#: of these a 0 is an answer
_ALWAYS = ("pods_without_node", "preempted", "fragmentation")
#: zones and types of nodes that are told, the fullest
_MAX_GROUPS = 20
_LETTERS = "ABCDEFGH"
MOST = len(_LETTERS)
#: medians that differ by no more are as good
TOLERANCE = 0.1


class Once(msgspec.Struct, frozen=True):
    """What one run came to."""

    report: Report
    placement: Placement
    #: Pods that gave way to others, as the scheduler counts them (scheduler_preemption_victims); None: not known
    victims: int | None


class Outcome(msgspec.Struct, frozen=True):
    """What one configuration came to."""

    #: of its file; "": the scheduler's defaults
    config: str
    #: at least one
    runs: list[Once]


class Row(msgspec.Struct, frozen=True):
    """One figure of all configurations."""

    name: str
    unit: str
    #: medians, as text
    values: list[str]
    #: how far the runs of each are apart; "": it is not known, or there is nothing to tell
    spreads: list[str]
    #: of each, beside the first: better, worse, with ? where a single run does not tell; "": neither
    verdicts: list[str]


def names(outcomes: Sequence[Outcome]) -> list[str]:
    """Return how each is called: A: default, B: most-allocated.yaml."""
    return [f"{letter}: {one.config or 'default'}" for letter, one in zip(_LETTERS, outcomes, strict=False)]


def rows(outcomes: Sequence[Outcome]) -> list[Row]:
    """Return the figures, side by side; what is 0 everywhere is left out, but for what everybody asks about.

    The median Pod is that of the first run's Pods, pending ones included: all are asked about the same size.
    """
    found = [_row(label, name, values) for label, name, values in _measured(outcomes)]
    found += [_row(label, name, values) for label, name, values in _placed(outcomes)]
    return [row for row in found if row is not None]


#: by configuration, of each run that has the figure
_Values = Sequence[Sequence[float]]


def _measured(outcomes: Sequence[Outcome]) -> list[tuple[str, str, _Values]]:
    found: list[tuple[str, str, _Values]] = []
    for number_of, measurement in enumerate(outcomes[0].runs[0].report.measurements):
        metrics = [[metrics_of(each) for each in measurements_of(one, number_of)] for one in outcomes]
        for name in _FIGURES:
            values = [[each[name] for each in runs if name in each] for runs in metrics]
            found.append((f"{measurement.name}: {name.replace('_', ' ')}", name, values))
    return found


def measurements_of(outcome: Outcome, number_of: int) -> list[Measurement]:
    """Return one of the measurements of each run of a configuration."""
    reports = [run.report for run in outcome.runs]
    return [report.measurements[number_of] for report in reports if number_of < len(report.measurements)]


def _placed(outcomes: Sequence[Outcome]) -> list[tuple[str, str, _Values]]:
    first = outcomes[0].runs[0].placement
    size = median_size(first.sizes)

    def each(value: Callable[[Placement], float]) -> _Values:
        return [[value(run.placement) for run in one.runs] for one in outcomes]

    found: list[tuple[str, str, _Values]] = [
        ("Pods without a node", "pods_without_node", each(lambda one: sum(not node for node in one.pods.values()))),
        (
            "preempted Pods", "preempted",
            [[float(run.victims) for run in one.runs if run.victims is not None] for one in outcomes],
        ),
        (
            "Pods on another node than in the first run of A", "elsewhere",
            [[float(elsewhere(first, run.placement)) for run in one.runs if run is not outcomes[0].runs[0]] for one in outcomes],
        ),
        ("nodes with Pods", "nodes_used", each(lambda one: sum(use.pods > 0 for use in one.nodes.values()))),
        (
            "nodes with Pods beside those of DaemonSets", "nodes_needed",
            each(lambda one: sum(use.movable > 0 for use in one.nodes.values())),
        ),
    ]  # fmt: skip
    groups = [[by_group(run.placement) for run in one.runs] for one in outcomes]
    fullest = sorted(groups[0][0], key=groups[0][0].__getitem__, reverse=True)[:_MAX_GROUPS]
    found += [
        (f"Pods {group}", "pods_in_group", [[counts.get(group, 0) for counts in runs] for runs in groups])
        for group in sorted(fullest)
    ]
    for resource in ("cpu", "memory"):
        uses = [[quantiles(shares(run.placement)[resource]) for run in one.runs] for one in outcomes]
        found += [
            (
                f"{resource} asked for on a node, {name}",
                f"{resource}_use_{name}",
                [[use[name] for use in runs] for runs in uses],
            )
            for name in uses[0][0]
        ]
    rooms = [[room(run.placement, size) for run in one.runs] for one in outcomes]
    return [
        *found,
        ("median Pods that still fit", "pods_that_fit", [[left.fits for left in runs] for runs in rooms]),
        (
            "... if the room were in one piece",
            "room_whole",
            [[left.whole for left in runs] for runs in rooms],
        ),
        ("fragmentation", "fragmentation", [[left.fragmentation for left in runs] for runs in rooms]),
    ]


def _row(label: str, name: str, values: _Values) -> Row | None:
    """Return a figure of all; None where there is nothing to tell."""
    if name not in _ALWAYS and not any(value for runs in values for value in runs):
        return None
    unit, scale = unit_of(name)
    spreads = [spread(runs) if runs else None for runs in values]
    medians = [number(one.median if one else None, scale) for one in spreads]
    return Row(label, unit, medians, [_apart(one) for one in spreads], _verdicts(name, spreads))


def _apart(one: Spread | None) -> str:
    """How far the runs are apart, where several say something else."""
    return "" if one is None or not one.relative else per_cent(one.relative)


def _verdicts(name: str, spreads: Sequence[Spread | None]) -> list[str]:
    first, *others = spreads
    return ["", *(Difference("", name, first, other).verdict(TOLERANCE) for other in others)]


def about(outcomes: Sequence[Outcome]) -> list[str]:
    """Say what the figures are of, and how each run of each was judged."""
    first = outcomes[0].runs[0]
    size = median_size(first.placement.sizes)
    lines = [
        f"{first.report.workload}: {len(outcomes)} configurations, {_times(outcomes)}",
        f"the median Pod asks for {size.cpu_millis:,}m CPU and {size.memory_bytes / 2**20:,.0f} MiB",
        _rule(outcomes),
    ]
    for name, run in runs_of(outcomes):
        lines.append(f"{name}: {verdict(run.report.verification)}")
        lines += [f"{name}: note: {note}" for note in run.report.notes]
    return lines


def runs_of(outcomes: Sequence[Outcome]) -> list[tuple[str, Once]]:
    """Return every run with how it is called, those of a configuration after one another."""
    return [
        (f"{name}, run {place}" if len(one.runs) > 1 else name, run)
        for name, one in zip(names(outcomes), outcomes, strict=True)
        for place, run in enumerate(one.runs, 1)
    ]


def _times(outcomes: Sequence[Outcome]) -> str:
    counts = {len(one.runs) for one in outcomes}
    if counts == {1}:
        return "each once, one after the other"
    return f"each {' or '.join(map(str, sorted(counts)))} times, in turn: medians, and in brackets how far the runs are apart"


def _rule(outcomes: Sequence[Outcome]) -> str:
    if min(len(one.runs) for one in outcomes) == 1:
        return "a single run may come out otherwise the next time: what is marked ? may be chance (--repeat 5 tells)"
    return (
        "better, worse: every run is beyond every run of A, and the medians differ by more than "
        + per_cent(TOLERANCE)
    )


def cell(row: Row, place: int) -> str:
    """Return what a row says of one configuration."""
    beside = [f"({row.spreads[place]})" if row.spreads[place] else "", row.verdicts[place]]
    return " ".join(filter(None, (row.values[place], *beside)))


def table(outcomes: Sequence[Outcome]) -> list[str]:
    """Return the comparison as lines of text."""
    lines = about(outcomes)
    found = rows(outcomes)
    cells = [[cell(row, place) for place in range(len(outcomes))] for row in found]
    widths = [
        max(14, len(name), *(len(each[place]) for each in cells))
        for place, name in enumerate(names(outcomes))
    ]
    head = "".join(f" {name:>{width}}" for name, width in zip(names(outcomes), widths, strict=True))
    lines.append(f"{'':48} {'':6}{head}")
    for row, each in zip(found, cells, strict=True):
        told = "".join(f" {text:>{width}}" for text, width in zip(each, widths, strict=True))
        lines.append(f"{row.name:48} {row.unit:6}{told}")
    return lines


def encode(outcomes: Sequence[Outcome]) -> bytes:
    """Write everything as JSON: the figures, and of each run its report, each node's use, each Pod's node."""
    first = outcomes[0].runs[0].placement
    size = median_size(first.sizes)
    found: list[dict[str, Any]] = [
        {"name": name, "config": one.config, "runs": [_told(run, first) for run in one.runs]}
        for name, one in zip(names(outcomes), outcomes, strict=True)
    ]
    document = {"format": FORMAT, "medianPod": size, "figures": rows(outcomes), "configurations": found}
    return msgspec.json.format(msgspec.json.encode(document), indent=2)


def _told(run: Once, first: Placement) -> Mapping[str, Any]:
    left = room(run.placement, median_size(first.sizes))
    return {
        "victims": run.victims, "elsewhere": elsewhere(first, run.placement),
        "fits": left.fits, "whole": left.whole, "fragmentation": left.fragmentation,
        "use": {resource: quantiles(values) for resource, values in shares(run.placement).items()},
        "nodes": run.placement.nodes, "pods": run.placement.pods, "report": run.report,
    }  # fmt: skip


def complete(configs: Sequence[str], runs: Sequence[Sequence[Once]]) -> list[Outcome]:
    """Return what can be compared: of runs in turn, of which the last may be missing.

    Nothing where one has none.
    """
    if not all(runs):
        return []
    return [Outcome(config, list(some)) for config, some in zip(configs, runs, strict=True)]
