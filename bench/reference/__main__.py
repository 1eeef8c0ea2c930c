"""The same load on kube-apiserver with kube-scheduler and on ours, run by run in turn, and the raw data of both.

    python -m bench.reference CASE/VARIANT... --kube-apiserver PATH --kube-scheduler PATH -o raw.json
    python -m bench.reference table [FILE...] [--into docs/performance.md]

The binaries are those of an official release, or of anybody's build. Each run begins with an empty etcd, and
everything that was started ends with it. `table` prints the table of files of raw data in Markdown; without
files, of those that come with the project.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from bench.load.cluster import ClusterError
from bench.load.context import RunError
from bench.load.long_enough import MeasureError, measured_pods, parse_bounds
from bench.load.parse import WorkloadError, find_workload, read_workloads
from bench.load.progress import Progress
from bench.load.repeated import MAX_RUNS
from bench.load.workload import ChurnNodes, CreatePods, StartCollectingMetrics, Workload
from bench.reference.both import Both, How
from bench.reference.kept import kept_files, read_entries
from bench.reference.programs import ProgramError, find_program
from bench.reference.raw import Raw, RawError, encode, table
from bench.table import put_into
from cli.commands.load_target import terminable
from cli.failures import Exit
from cli.printers.style import visible
from vaina.errors import ApiError

BEGIN, END = "<!-- table of the reference: begin -->", "<!-- table of the reference: end -->"
_MAX_PATIENCE = 3600


class _Parser(argparse.ArgumentParser):
    """Ends with what is wrong: words of files are in it."""

    def error(self, message: str) -> NoReturn:
        super().error(visible(message))


def _table(arguments: Sequence[str]) -> int:
    """Print the table, or put it into a page."""
    parser = _Parser(prog="python -m bench.reference table", description="The table of raw data in Markdown.")
    parser.add_argument("files", nargs="*", type=Path, help="default: those in bench/reference/data")
    parser.add_argument(
        "--into", type=Path, metavar="PAGE", help="a page that has the marks, instead of standard output"
    )
    options = parser.parse_args(arguments)
    try:
        text = "\n".join(table(read_entries(options.files or kept_files()))) + "\n"
        if options.into is None:
            print(text, end="")
        else:
            page = options.into.read_text(encoding="utf-8")
            options.into.write_text(put_into(page, text, begin=BEGIN, end=END), encoding="utf-8")
    except (OSError, RawError, ValueError) as error:
        parser.error(str(error))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m bench.reference",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("workloads", nargs="+", metavar="CASE/VARIANT", help="as `vaina load list` shows them")
    add("-f", "--filename", action="append", default=[], help="a file of workloads; may be repeated")
    add("--kube-apiserver", required=True, metavar="PATH")
    add("--kube-scheduler", required=True, metavar="PATH")
    add("--repeat", type=int, default=1, help=f"runs of each side, 1 to {MAX_RUNS}, in turn")
    add(
        "--measure",
        default="",
        metavar="LEAST..MOST",
        help="10s..60s: each side as many Pods as take so long",
    )
    add("--no-fsync", action="store_true", help="on both sides: etcd does not wait for the disk")
    add(
        "--tls",
        choices=["reference", "both"],
        default="reference",
        help="which side is spoken to with TLS: kube-apiserver alone, with a token, or both, all with certificates",
    )
    add("--seed", type=int, default=1, help="of what is dealt by chance, the same on both sides")
    add("--no-verify", action="store_true", help="do not judge afterwards where Pods went")
    add("--patience", type=float, default=120.0, help="give up when nothing has happened for so many seconds")
    add("-o", "--output", type=Path, required=True, help="the raw data, as JSON")
    return parser


def _checked(parser: argparse.ArgumentParser, options: argparse.Namespace) -> tuple[list[Workload], How]:
    """Return what is run and how, or end with what is wrong, before anything is started."""
    if not 1 <= options.repeat <= MAX_RUNS:
        parser.error(f"--repeat: 1 to {MAX_RUNS}, not {options.repeat}")
    if not 1 <= options.patience <= _MAX_PATIENCE:
        parser.error(f"--patience: 1 to {_MAX_PATIENCE} seconds, not {options.patience:g}")
    try:
        _try_to_write(options.output)
    except OSError as error:
        parser.error(f"--output: {options.output}: it cannot be written: {error.strerror}")
    try:
        known = read_workloads([Path(file) for file in options.filename])
        workloads = [find_workload(name, known) for name in options.workloads]
        bounds = parse_bounds(options.measure) if options.measure else None
        for workload in workloads:
            why = unfit(workload)
            if why:
                parser.error(f"{workload.name}: {why}")
            if bounds is not None:
                measured_pods(workload)
        how = How(
            find_program("kube-apiserver", options.kube_apiserver),
            find_program("kube-scheduler", options.kube_scheduler),
            fsync=not options.no_fsync, certificates=options.tls == "both", repeat=options.repeat, bounds=bounds, seed=options.seed,
            verify=not options.no_verify, patience_seconds=options.patience,
        )  # fmt: skip
    except (WorkloadError, MeasureError, ProgramError) as error:
        parser.error(str(error))
    return workloads, how


def _try_to_write(output: Path) -> None:
    """Open a file for writing, and leave what is there as it is. Raises OSError: that cannot be done."""
    is_there = output.exists()
    with output.open("ab"):
        pass
    if not is_there:
        output.unlink()


def unfit(workload: Workload) -> str:
    """Say why a workload cannot be run on both sides; "" where it can."""
    steps = workload.case.workload_template
    if any(isinstance(step, CreatePods) and step.owners is not None for step in steps):
        return "controllers make its Pods, and kube-controller-manager is not started"
    if any(isinstance(step, ChurnNodes) for step in steps):
        return "churnNodes is not done with a kube-apiserver"
    measured = sum(
        isinstance(step, StartCollectingMetrics) or getattr(step, "collect_metrics", False) for step in steps
    )
    if not measured:
        return (
            "nothing in it is measured (collectMetrics, startCollectingMetrics): there is nothing to compare"
        )
    if measured > 1:
        return (
            f"it is measured {measured} times (collectMetrics, startCollectingMetrics), and each side has one figure: "
            "make a workload of each"
        )
    return ""


async def _run(done: list[Both], workloads: Sequence[Workload], how: How) -> int:
    """Run them, and return the exit code. Args: done: each is put there before it is run."""
    progress = Progress(_tell)
    try:
        async with terminable():
            for workload in workloads:
                done.append(Both(workload, how, progress))
                await done[-1].run()
    except (RunError, ClusterError, MeasureError, ApiError) as error:
        _tell(f"error: {error}\n")
        return 1
    except Exit as error:
        return error.code
    return 0


def keep(done: Sequence[Both], output: Path) -> bool:
    """Write what was found, also where one side has nothing yet, and print its table.

    Say whether it could be written.
    """
    entries = [one.entry() for one in done if one.reference or one.vaina]
    if not entries:
        return True
    print("\n".join(table(entries)))
    try:
        output.write_bytes(encode(Raw(entries)))
    except OSError as error:
        _tell(f"error: {output}: {error.strerror}\n")
        return False
    return True


def _tell(text: str) -> None:
    """Say it: what a program said last is in it, and names of objects."""
    print(visible(text), file=sys.stderr, end="", flush=True)


def main(arguments: Sequence[str]) -> int:
    """Do what the command line says; returns the exit code."""
    if arguments[:1] == ["table"]:
        return _table(arguments[1:])
    parser = _parser()
    options = parser.parse_args(arguments)
    workloads, how = _checked(parser, options)
    done: list[Both] = []
    try:
        code = asyncio.run(_run(done, workloads, how))
    finally:
        # Also what was found before a run failed, or Ctrl-C.
        is_kept = keep(done, options.output)
    violations = [text for one in done for text in one.violations]
    for text in violations:
        _tell(f"violation: {text}\n")
    return code or int(bool(violations) or not is_kept)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
