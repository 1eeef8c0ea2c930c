"""The scheduler's table: every workload of it on processes of its own, beside what the reference does.

    python -m bench.scheduler [--labels performance] [--case SchedulingBasic] [--repeat 1]
        [--measure 10s..60s] [--no-fsync] [--output bench/results/scheduler]

Each workload is a `vaina load run --local` (docs/load-testing.md): etcd with fsync, apiserver and scheduler
as processes, Node objects, measured Pods pending before the scheduler starts. SchedulingBasic with 10,000
Pods is run in the other ways too: created while measured, in batches and by 32 unary callers, and in an open
loop of 1,000 Pods a second. The table has how many Pods were measured, for how long (the first run), Pods a
second, what was aimed at, the reference (bench/reference/data) and its CI's threshold, and CPU µs a Pod of
each process; medians of the repeats, and of Pods a second the spread (most minus least, by the median).
Reports of every run are in the output folder. A workload that fails, or takes longer than a quarter of an
hour, is told and the others go on. Nothing is asserted. The cycle alone is measured by `bench.decide`.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.etcd import ROOT
from bench.load.parse import read_workloads, select
from bench.load.repeated import figures_of
from bench.load.report import Report, decode
from bench.load.units import per_cent
from bench.reference.kept import reference_rates

#: of one run, whatever it does
RUN_SECONDS = 900.0
#: ... and then until it has ended its processes
END_SECONDS = 60.0
BASIC = "SchedulingBasic/5000Nodes_10000Pods"


#: in Pods a second
AIMS = {
    BASIC: 10_000,
    f"{BASIC} --create=batch": 6_000,
    f"{BASIC} --create=unary": 2_500,
    "SchedulingBasic/5000Nodes_50000Pods": 8_000,
    "SchedulingBasicHeterogeneous/5000Nodes_10000Pods": 2_000,
    "SchedulingDaemonset/15000Nodes": 5_000,
    "TopologySpreading/5000Nodes_5000Pods": 5_000,
    "PreferredTopologySpreading/5000Nodes_5000Pods": 4_000,
    "SchedulingPodAntiAffinity/5000Nodes_2000Pods": 4_000,
    "SchedulingPodAffinity/5000Nodes_5000Pods": 4_000,
    "SchedulingPreferredPodAffinity/5000Nodes_5000Pods": 3_000,
    "SchedulingPreferredPodAntiAffinity/5000Nodes_5000Pods": 3_000,
    "SchedulingNodeAffinity/5000Nodes_10000Pods": 6_000,
    "MixedSchedulingBasePod/5000Nodes_5000Pods": 3_000,
    "PreemptionAsync/5000Nodes": 1_000,
    "Unschedulable/5kNodes/100Init/10kPods": 3_000,
    "SchedulingWithMixedChurn/5000Nodes_10000Pods": 3_000,
}
#: other ways of the first row
WAYS = (("--create=batch",), ("--create=unary",), ("--create=batch", "--rate=1000", "--arrivals=poisson"))
_PROCESSES = ("etcd", "apiserver", "scheduler", "load")


def run(name: str, options: Sequence[str], output: Path) -> Report | None:
    """Run one workload; None when it failed, which is told."""
    output.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "cli", "load", "run", name, "--local", f"--output={output}", *options]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            _, said = process.communicate(timeout=RUN_SECONDS)
        except subprocess.TimeoutExpired:
            # Not SIGKILL: etcd, apiserver and scheduler are its to end.
            process.terminate()
            try:
                process.communicate(timeout=END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
            said = f"not done after {RUN_SECONDS:.0f} s"
    if process.returncode:
        print(f"{name} {' '.join(options)}: {(said.strip().splitlines() or ['?'])[-1]}", flush=True)
        return None
    return decode(output.read_bytes())


def row(title: str, reports: Sequence[Report]) -> str:
    """Return the line of a workload: medians of its repeats."""
    found = figures_of(reports)[0].figures

    def middle(name: str) -> float:
        return found[name].median if name in found else 0.0

    aim, threshold = AIMS.get(title, 0), reports[0].reference_threshold
    cpu = "".join(f"{middle(f'{process}_us'):11,.0f}" for process in _PROCESSES)
    first = reports[0].measurements[0]
    apart = per_cent(found["throughput"].relative) if "throughput" in found else "-"
    return (
        f"{title:64}{first.pods:9,}{first.seconds:7.1f}{middle('throughput'):9,.0f}{apart:>8}{aim or '-':>8}{reference_rates().get(title, '-'):>12}{threshold or '-':>8}"
        f"{middle('create_to_bound_p99') * 1e3:10,.0f}{cpu}{middle('scheduler_mb'):9,.0f}"
    )


def workloads(options: argparse.Namespace) -> None:
    """Run the table and print it as it comes."""
    heads = "".join(f"{process + ' µs':>11}" for process in _PROCESSES)
    print(
        f"{'workload':64}{'Pods':>9}{'s':>7}{'Pods/s':>9}{'spread':>8}{'aim':>8}{'reference':>12}{'its CI':>8}{'p99 ms':>10}{heads}{'sched MB':>9}"
    )
    common = ["--no-fsync"] if options.no_fsync else []
    common += [f"--measure={options.measure}"] if options.measure else []
    for workload in select(read_workloads(), options.labels):
        if options.case and workload.case.name not in options.case:
            continue
        ways: list[tuple[str, ...]] = [(), *(WAYS if workload.name == BASIC else ())]
        for way in ways:
            title = " ".join((workload.name, *way))
            file = title.replace("/", "_").replace(" --", "__")
            found = [
                run(workload.name, [*common, *way], options.output / f"{file}-{n}.json")
                for n in range(options.repeat)
            ]
            reports = [report for report in found if report is not None]
            if reports:
                print(row(title, reports), flush=True)


def main() -> None:
    """Run, print the tables, write the JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--labels", default="performance", help="of the workloads: performance,-short")
    parser.add_argument("--case", action="append", help="only these cases; may be repeated")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--measure", default="", help="10s..60s: so many measured Pods as take so long")
    parser.add_argument("--no-fsync", action="store_true")
    parser.add_argument("--output", type=Path, default=Path("bench/results/scheduler"))
    options = parser.parse_args()
    workloads(options)


if __name__ == "__main__":
    main()
