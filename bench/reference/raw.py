"""The raw data of loads on both sides: what was run, by whom, when and where.

And the table that comes of it. PURE.

An entry is one workload. Its figures are those of the reports of its runs; figures that were told by others,
whose runs are not known, stand in `told`. What is not known is left empty, and the table says so.
"""

import statistics
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from bench.load.report import Machine, Report, metrics_of
from bench.markdown import plain, row

FORMAT: Final = "vaina-reference/1"
#: CPU microseconds a Pod, in the order of the table
PROCESSES: Final = ("etcd", "apiserver", "scheduler")
_UNKNOWN: Final = "-"
#: from so many runs on a median says more than the two ends
_ENOUGH: Final = 3
#: of a time, what is its day: 2026-11-23
_DAY: Final = 10
#: from so many times on tenths say nothing
_WHOLE: Final = 10
_HEADS: Final = (
    "load", "kube-apiserver + kube-scheduler: Pods/s", "vaina: Pods/s", "times", "CPU µs a Pod there: etcd / apiserver / scheduler",
    "CPU µs a Pod here", "from",
)  # fmt: skip


class RawError(Exception):
    """A file that holds no raw data of this format."""


class ProgramUsed(msgspec.Struct, frozen=True):
    """A program of a side."""

    version: str
    #: of the binary; "": not known
    sha256: str = ""
    #: FOLDER and PORT stand for what is of one run; the last one of kube-scheduler is its configuration
    flags: list[str] = []


class Side(msgspec.Struct, frozen=True):
    """One control plane."""

    #: whether clients spoke to its apiserver with TLS; with a token or certificates: a note says it
    tls: bool
    #: by name: etcd, kube-apiserver, ...
    programs: dict[str, ProgramUsed] = {}
    #: one of each run
    reports: list[Report] = []
    #: where there is no report: figures of each run by their names in reports (`throughput`, `etcd_us`)
    told: list[dict[str, float]] = []

    @property
    def figures(self) -> list[Mapping[str, float]]:
        """Figures of each run."""
        return [metrics_of(one.measurements[0]) for one in self.reports] if self.reports else [*self.told]


class Entry(msgspec.Struct, frozen=True):
    """One workload on both sides, run by run in turn."""

    workload: str
    reference: Side
    #: None: not measured
    vaina: Side | None
    #: RFC 3339, or in words
    when: str
    #: in words, beside `machine`
    where: str
    #: of vaina; "": not known
    commit: str = ""
    #: None: not known
    machine: Machine | None = None
    #: whether etcd waited for the disk; None: not known
    fsync: bool | None = None
    #: what a reader has to know
    notes: list[str] = []


class Raw(msgspec.Struct, frozen=True):
    """A file."""

    entries: list[Entry]
    format: str = FORMAT


def encode(raw: Raw) -> bytes:
    """Write a file."""
    return msgspec.json.format(msgspec.json.encode(raw), indent=1) + b"\n"


def decode(data: bytes) -> Raw:
    """Read a file.

    Raises:
        RawError: it is none, one of another format, or a run that has not one measurement.
    """
    try:
        found = msgspec.json.decode(data, type=Raw)
    except msgspec.MsgspecError as error:
        raise RawError(f"no raw data of a load on both sides: {error}") from error
    if found.format != FORMAT:
        raise RawError(f'raw data of the format "{found.format}", not "{FORMAT}"')
    for entry in found.entries:
        for side in filter(None, (entry.reference, entry.vaina)):
            for one in side.reports:
                if len(one.measurements) != 1:
                    raise RawError(
                        f"{entry.workload}: a report with {len(one.measurements)} measurements, not one"
                    )
    return found


def table(entries: Sequence[Entry]) -> list[str]:
    """Return the table of the documents, in Markdown, and below it of which versions, when and where its rows
    are.
    """
    lines = [row(_HEADS), row(["---"] * len(_HEADS))]
    sources: dict[str, list[Entry]] = {}
    for entry in entries:
        theirs, ours = entry.reference, entry.vaina or Side(tls=False)
        about = _about(entry)
        sources.setdefault(about, []).append(entry)
        cells = (
            entry.workload, _measured(theirs), _measured(ours), _times(theirs, ours), _cpu(theirs), _cpu(ours),
            str([*sources].index(about) + 1),
        )  # fmt: skip
        lines.append(row(cells))
    told = (
        f"{number}. {plain(about)}{_busy(some)}" for number, (about, some) in enumerate(sources.items(), 1)
    )
    return [*lines, "", *told]


def _busy(entries: Sequence[Entry]) -> str:
    """Say how busy the machine was before the runs, where that is known."""
    reports = [
        report
        for entry in entries
        for side in (entry.reference, entry.vaina)
        if side
        for report in side.reports
    ]
    busy = [report.machine.load_before[0] for report in reports]
    return f". Load of the machine before a run: {min(busy):.1f} to {max(busy):.1f}" if busy else ""


def _measured(side: Side) -> str:
    """Say Pods a second, and of how many Pods where the runs are known.

    With more Pods a scheduler has more to look at.
    """
    counts = [one.measurements[0].pods for one in side.reports]
    return rate(side) + (f"; {_several(counts)} Pods" if counts else "")


def _several(values: Sequence[float]) -> str:
    """Say a figure of one run, the two ends of two, and of more the median with its ends.

    Where all are one, that.
    """
    if not values:
        return _UNKNOWN
    if min(values) == max(values):
        return f"{values[0]:,.0f}"
    ends = f"{min(values):,.0f} to {max(values):,.0f}"
    if len(values) < _ENOUGH:
        return ends
    return f"{statistics.median(values):,.0f} ({ends})"


def _named(figures: Sequence[Mapping[str, float]], name: str) -> list[float]:
    return [one[name] for one in figures if name in one]


def rate(side: Side) -> str:
    """Return the Pods a second of a side, as the table has them."""
    return _several(_named(side.figures, "throughput"))


def _cpu(side: Side) -> str:
    found = [_several(_named(side.figures, f"{process}_us")) for process in PROCESSES]
    return _UNKNOWN if set(found) == {_UNKNOWN} else " / ".join(found)


def _times(theirs: Side, ours: Side) -> str:
    """Say how many times as many Pods a second ours binds: of medians."""
    rates = [_named(side.figures, "throughput") for side in (theirs, ours)]
    if not all(rates):
        return _UNKNOWN
    there, here = map(statistics.median, rates)
    if not there:
        return _UNKNOWN
    times = here / there
    return f"{times:.0f}" if times >= _WHOLE else f"{times:.1f}"


def _about(entry: Entry) -> str:
    """Say of which versions, when and where an entry is, and what has to be known."""
    there = entry.reference.programs
    versions = dict.fromkeys(one.version for name, one in there.items() if name.startswith("kube"))
    parts = [f"kube-apiserver and kube-scheduler {', '.join(versions)}"] if versions else []
    if entry.vaina is not None:
        parts.append(f"vaina {entry.commit}" if entry.commit else "vaina's commit not told")
    parts.append(entry.when[:_DAY] if entry.machine is not None else entry.when)
    if entry.machine is not None:
        parts.append(f"{entry.machine.cores} cores of {entry.machine.cpu}")
    if entry.where:
        parts.append(entry.where)
    if entry.fsync is not None:
        parts.append("fsync" if entry.fsync else "no fsync")
    parts.append(_tls(entry))
    return ". ".join(["; ".join(parts), *entry.notes])


def _tls(entry: Entry) -> str:
    if entry.vaina is None or entry.vaina.tls == entry.reference.tls:
        return "TLS" if entry.reference.tls else "no TLS"
    return "TLS there, none here" if entry.reference.tls else "TLS here, none there"
