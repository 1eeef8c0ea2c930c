"""Several runs of one workload: each figure as the median of the runs, and how far they are apart. PURE."""

import statistics
from collections import Counter
from collections.abc import Sequence

import msgspec

from bench.load.report import Report, ReportError, decode, metrics_of
from bench.load.report_text import describe_how, verdict
from bench.load.units import number, per_cent, unit_of

FORMAT = "vaina-load-repeated/1"
#: of one command
MAX_RUNS = 20


class Spread(msgspec.Struct, frozen=True):
    """One figure of several runs."""

    #: how many have it
    runs: int
    median: float
    least: float
    most: float
    #: (most - least) / median; None: of one run it is not known, of a median of 0 it cannot be said
    relative: float | None


class Figures(msgspec.Struct, frozen=True):
    """All figures of one measurement, by the names of `metrics_of`."""

    measurement: str
    figures: dict[str, Spread]


class Repeated(msgspec.Struct, frozen=True):
    """Runs that were made alike, one after the other, at least one."""

    #: how many were asked for; fewer are there when one failed
    asked: int
    figures: list[Figures]
    #: each run's own, in their order
    reports: list[Report]
    format: str = FORMAT


class _Format(msgspec.Struct):
    format: str = ""


def spread(values: Sequence[float]) -> Spread:
    """Return what is told of a figure that was found once or more often."""
    median, least, most = statistics.median(values), min(values), max(values)
    relative = (most - least) / abs(median) if median and len(values) > 1 else None
    return Spread(len(values), median, least, most, relative)


def figures_of(reports: Sequence[Report]) -> list[Figures]:
    """Return the figures of runs of one workload, measurement by measurement."""
    found = []
    for number_of in range(max(len(report.measurements) for report in reports)):
        ones = [report.measurements[number_of] for report in reports if number_of < len(report.measurements)]
        metrics = [metrics_of(one) for one in ones]
        names = dict.fromkeys(name for each in metrics for name in each)
        figures = {name: spread([each[name] for each in metrics if name in each]) for name in names}
        found.append(Figures(ones[0].name, figures))
    return found


def repeated(reports: Sequence[Report], asked: int = 0) -> Repeated:
    """Sum up runs. Args: asked: how many there should have been; 0: as many."""
    return Repeated(asked or len(reports), figures_of(reports), list(reports))


def encode_runs(runs: Repeated) -> bytes:
    """Write the report of several runs as JSON."""
    return msgspec.json.format(msgspec.json.encode(runs), indent=2)


def decode_runs(data: bytes) -> Repeated:
    """Read a report, of one run or of several.

    Raises:
        ReportError: it is none, or one of another format.
    """
    try:
        if msgspec.json.decode(data, type=_Format).format != FORMAT:
            return repeated([decode(data)])
        found = msgspec.json.decode(data, type=Repeated)
    except msgspec.MsgspecError as error:
        raise ReportError(f"no report of a load test: {error}") from error
    if not found.reports:
        raise ReportError("no report of a load test: reports: there is none")
    # Figures are what the runs say, whatever else the file does.
    return repeated([decode(msgspec.json.encode(report)) for report in found.reports], found.asked)


def rows(figures: Figures) -> list[tuple[str, str, str, str, str, str]]:
    """Return name, unit, median, least, most and spread of the figures that were not 0 in all runs."""
    found = []
    for name, one in figures.figures.items():
        if one.least or one.most:
            unit, scale = unit_of(name)
            median, least, most = (number(value, scale) for value in (one.median, one.least, one.most))
            found.append((name, unit, median, least, most, per_cent(one.relative)))
    return found


def about(runs: Repeated) -> list[tuple[str, str, str, str]]:
    """Return of each run: its name, Pods a second, how busy the machine was before it, and whether it was
    right.
    """
    found = []
    for report in runs.reports:
        rates = " ".join(
            f"{one.throughput.average:,.0f}" if one.windows else "-" for one in report.measurements
        )
        found.append(
            (report.run, rates, f"{report.machine.load_before[0]:.2f}", verdict(report.verification))
        )
    return found


def notes(runs: Repeated) -> list[str]:
    """Return what the runs noted, each note once, with how many noted it where not all did."""
    counts = Counter(note for report in runs.reports for note in report.notes)
    of = len(runs.reports)
    found = [note if count == of else f"{note} ({count} of {of} runs)" for note, count in counts.items()]
    if of < runs.asked:
        found.append(f"{runs.asked} runs were asked for, and {of} came to their end")
    return found


def table(runs: Repeated) -> list[str]:
    """Return the report of several runs as lines of text."""
    first = runs.reports[0]
    lines = [f"{first.workload}  {describe_how(first.how)}"]
    for one in runs.figures:
        lines.append(f"{one.measurement}: {len(runs.reports)} runs")
        lines.append(f"  {'':26} {'':6} {'median':>12} {'least':>12} {'most':>12} {'spread':>8}")
        for name, unit, median, least, most, relative in rows(one):
            lines.append(f"  {name:26} {unit:6} {median:>12} {least:>12} {most:>12} {relative:>8}")
    lines += [
        f"{run}: {rates} Pods/s, load of the machine before {load}; {words}"
        for run, rates, load, words in about(runs)
    ]
    return lines + [f"note: {note}" for note in notes(runs)]
