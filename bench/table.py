"""The table of loads of docs/performance.md, from reports of `vaina load run`. PURE but for `main`.

    python -m bench.table REPORT.json... [--into docs/performance.md]

Files of one load, run in one way, are a row: each is of one run or, with `--repeat`, of several. A load with
several measurements has a row for each. Rows are in the order of the files. Beside them stands what the
reference reaches (`bench/reference/data`), below them the machine, the commit and the day. With `--into` the
table goes into that page, between its two marks; without, to standard output.
"""

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from bench.load.repeated import Figures, Repeated, Spread, decode_runs, repeated
from bench.load.report import Report, ReportError
from bench.markdown import plain, row
from bench.reference.kept import reference_rates
from bench.reference.raw import RawError
from cli.printers.style import visible

BEGIN, END = "<!-- table of loads: begin -->", "<!-- table of loads: end -->"
_HEAD = (
    "load", "Pods/s: median (least-most)", "a new Pod is bound, or runs, after: p50 / p99",
    "CPU µs a Pod: etcd / apiserver / scheduler", "... until its Events are written, too",
    "kube-apiserver + kube-scheduler: Pods/s",
)  # fmt: skip
_PROCESSES = ("etcd", "apiserver", "scheduler")
_PENDING = "pending"
#: what reports say (`bench.load.session`), and the option that did it
_CREATION = {"in batches": "batch", "one a call": "unary"}
_SCHEDULER = {"scheduler": "scheduler-command", "scheduler config": "scheduler-config"}
_OPEN = re.compile(r"open, (\S+)/s (\w+)")


def table(files: Sequence[Repeated], reference: Mapping[str, str]) -> str:
    """Return the table as Markdown, and what it was measured on.

    Args:
        files: reports.
        reference: Pods a second of kube-apiserver and kube-scheduler, by what a row is called.
    """
    lines = [row(_HEAD), row(["---"] * len(_HEAD))]
    rows: dict[str, list[Report]] = {}
    for runs in files:
        for report in runs.reports:
            rows.setdefault(title(report), []).append(report)
    lines += [
        row(cells) for name, reports in rows.items() for cells in _rows(name, repeated(reports), reference)
    ]
    return "\n".join([*lines, "", *_about([report for runs in files for report in runs.reports])]) + "\n"


def put_into(page: str, text: str, *, begin: str = BEGIN, end: str = END) -> str:
    """Return the page with this text between its marks.

    Raises:
        ValueError: it has not both marks, in their order.
    """
    before, first, rest = page.partition(begin)
    _, last, after = rest.partition(end)
    if not first or not last:
        raise ValueError(f'there is no "{begin}" with "{end}" after it')
    return f"{before}{begin}\n{text}{end}{after}"


def title(report: Report) -> str:
    """Return the workload's name, and the options of `load run` beside `--local` that say how it was run."""
    how: Mapping[str, object] = report.how
    steady = any(one.steady is not None for one in report.measurements)
    nodes, creation, loop = (str(how.get(name, "")) for name in ("nodes", "creation", "loop"))
    kind = nodes.partition(" (")[0]
    options = [f"--nodes={kind}"] if kind not in ("", "objects") else []
    if not steady:
        options += [f"--create={flag}" for words, flag in _CREATION.items() if creation.startswith(words)]
        rate = _OPEN.fullmatch(loop)
        options += [f"--rate={rate[1]}", f"--arrivals={rate[2]}"] if rate else []
    if how.get("fsync") is False:
        options.append("--no-fsync")
    options += [f"--{option}={how[name]}" for name, option in _SCHEDULER.items() if how.get(name)]
    return " ".join([report.workload, *options])


def _rows(name: str, runs: Repeated, reference: Mapping[str, str]) -> Iterable[list[str]]:
    theirs = reference.get(name, "-")
    for one in runs.figures:
        part = f", {one.measurement}" if len(runs.figures) > 1 else ""
        yield [
            f"{name}{part}",
            _rate(one, runs),
            _latency(one, runs.reports[0]),
            _cpu(one, "_us"),
            _with_events(one),
            theirs,
        ]


def _rate(one: Figures, runs: Repeated) -> str:
    """Say Pods a second, and what was not as it should be."""
    rate = one.figures.get("throughput")
    text = f"**{rate.median:,.0f}**" if rate is not None else "too short to tell"
    if rate is not None and rate.runs > 1:
        text += f" ({rate.least:,.0f}-{rate.most:,.0f})"
    left = one.figures["unscheduled"].most
    if left:
        text += f", {left:,.0f} without a node"
    found = sum(len(report.verification.violations) for report in runs.reports if report.verification)
    return text + (f", {found:,} violations" if found else "")


def _latency(one: Figures, report: Report) -> str:
    """Say how long a Pod waited; of Pods that were there before the scheduler it is the queue's length, and
    says nothing.
    """
    if str(report.how.get("creation", "")).startswith(_PENDING):
        return "-"
    word, name = "runs", "create_to_running"
    if f"{name}_p50" not in one.figures:
        word, name = "bound", "create_to_bound"
    if f"{name}_p50" not in one.figures:
        return "-"
    return f"{word}: {_time(one.figures[f'{name}_p50'])} / {_time(one.figures[f'{name}_p99'])}"


def _cpu(one: Figures, end: str) -> str:
    """Say what the processes used a Pod. Args: end: of the names of these figures."""

    def of(process: str) -> str:
        found = one.figures.get(f"{process}{end}")
        return f"{found.median:,.0f}" if found else "-"

    if all(f"{process}{end}" not in one.figures for process in _PROCESSES):
        return "-"
    text = " / ".join(of(process) for process in _PROCESSES)
    return text + (f" (controllers {of('controller')})" if f"controller{end}" in one.figures else "")


def _with_events(one: Figures) -> str:
    """Say the same until no Event waited to be written, and how many were not."""
    dropped = one.figures.get("events_dropped")
    return _cpu(one, "_with_events_us") + (
        f", {dropped.median:,.0f} dropped" if dropped and dropped.median else ""
    )


def _time(value: Spread) -> str:
    seconds = value.median
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1e3:.0f} ms"


def _about(reports: Sequence[Report]) -> list[str]:
    """Say on what, when and from which commit: everything that differs between the runs is named."""

    def each(of: Callable[[Report], str]) -> str:
        return plain(", ".join(dict.fromkeys(filter(None, map(of, reports))))) or "not known"

    busy = [report.machine.load_before[0] for report in reports]
    return [
        f"{len(reports)} runs on {each(lambda one: one.started[:10])}; commit {each(lambda one: one.commit)}; "
        f"{each(lambda one: f'{one.machine.cores} cores of {one.machine.cpu}')}, Python "
        f"{each(lambda one: one.machine.python)}, etcd {each(lambda one: one.machine.etcd)}; load of the machine before "
        f"a run {min(busy):.1f} to {max(busy):.1f}."
    ]


def _read(path: Path) -> Repeated:
    try:
        return decode_runs(path.read_bytes())
    except ReportError as error:
        raise ReportError(f"{path}: {error}") from error


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the reports, and print the table or write it into the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("reports", nargs="+", type=Path, metavar="REPORT.json")
    parser.add_argument("--into", type=Path, metavar="PAGE", help="a page that has the marks")
    options = parser.parse_args(arguments)
    try:
        text = table([_read(path) for path in options.reports], reference_rates())
        if options.into is None:
            sys.stdout.write(text)
        else:
            page = put_into(options.into.read_text(encoding="utf-8"), text)
            options.into.write_text(page, encoding="utf-8")
    except (OSError, ReportError, RawError, ValueError) as error:
        sys.stderr.write(visible(f"error: {error}\n"))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
