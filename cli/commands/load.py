"""`vaina load`: load tests of the scheduler. The work is done in `bench.load` (docs/load-testing.md)."""

import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, BinaryIO

import click

from bench.load import compare, imported_files
from bench.load.agent import serve_pipes
from bench.load.cleanup import CLEAN_SECONDS, clean
from bench.load.cluster import ClusterError, LocalCluster, RunningCluster, Target
from bench.load.context import RunError
from bench.load.exported import MAX_BYTES, ImportFailed, read_all
from bench.load.frames import NAME, NAME_WORDS, FrameError
from bench.load.hollow import HollowError
from bench.load.html import page
from bench.load.html_repeated import page_of_runs
from bench.load.imported import Replay, compute_import
from bench.load.long_enough import MeasureError
from bench.load.machines import MachineError
from bench.load.parse import select
from bench.load.repeated import decode_runs, encode_runs, figures_of, repeated
from bench.load.repeated import table as runs_table
from bench.load.report import Report, ReportError, data_items, encode
from bench.load.report_text import table
from bench.load.series import Series
from bench.load.session import run_workload
from bench.load.settings import Settings
from bench.load.slo import failed
from bench.load.workload import Workload
from cli import flags
from cli.app import cli
from cli.commands import load_target
from cli.commands.load_configs import configs_command
from cli.commands.load_options import RunOptions, read_options, run_options
from cli.failures import Exit, Failure
from cli.shell import Shell
from vaina.client.clientset import Clientset
from vaina.objects.manifest import write_json

_MIB = 2**20


async def load_run(shell: Shell, options: RunOptions, settings: Settings) -> None:
    """Run a workload, show what was found, and end with 1 where a limit does not hold."""
    workload = load_target.workload_of(options.workload, options.files)
    load_target.check_trace(workload, settings)
    progress = load_target.progress_of(shell)

    async def once(workload: Workload, settings: Settings) -> Report:
        async with _target(shell, options) as (target, client):
            return await run_workload(workload, target, client, settings, progress, **_how(options))

    series = Series(once, settings, times=options.repeat, bounds=options.bounds, say=progress.say)
    try:
        # Processes that are only starting are to be ended too: the signal is ours from the first on.
        async with load_target.terminable():
            await series.run(workload)
    except (RunError, HollowError, ClusterError, MachineError, MeasureError) as error:
        raise Failure(str(error)) from error
    except TimeoutError as error:
        raise Failure(
            f"it took too long, and something may be left: vaina load clean {settings.run}"
        ) from error
    finally:
        # Also what was found before a run failed, or Ctrl-C.
        if series.reports:
            _tell(shell, options, series.reports)
    _judge(shell, options, series.reports, series.tried)


def _tell(shell: Shell, options: RunOptions, reports: Sequence[Report]) -> None:
    """Show and write what was found: of one run its report, of several what they have in common too."""
    if options.repeat == 1:
        [report] = reports
        shell.out("\n".join(table(report)) + "\n")
        _write(options, encode(report), page(report), report)
        return
    runs = repeated(reports, options.repeat)
    shell.out("\n".join(runs_table(runs)) + "\n")
    _write(options, encode_runs(runs), page_of_runs(runs), reports[0])


def _judge(shell: Shell, options: RunOptions, reports: Sequence[Report], tried: Sequence[Report]) -> None:
    """Say which limits the medians do not hold and what was wrong in any run; end with 1 if anything was."""
    measured = figures_of(reports)
    broken = [
        f"{one.measurement}: {text}"
        for one in measured
        for text in failed(options.limits, {name: figure.median for name, figure in one.figures.items()})
    ]
    if options.limits and not measured:
        broken.append("nothing was measured")
    for text in broken:
        shell.err(f"limit: {text}")
    violations = [text for report in (*tried, *reports) for text in load_target.violations_of(report)]
    for text in violations:
        shell.err(f"violation: {text}")
    if broken or violations:
        raise Exit(1)


@asynccontextmanager
async def _target(shell: Shell, options: RunOptions) -> AsyncIterator[tuple[Target, Clientset]]:
    if options.local is None:
        scheme = "http" if shell.credentials is None else "https"

        def page(given: str | None, port: int) -> str:
            return f"{scheme}://127.0.0.1:{port}/metrics" if given is None else given

        running = RunningCluster(
            shell.server,
            page(options.scheduler_metrics, 10251),
            page(options.apiserver_metrics, 8080),
            options.etcd_metrics,
            page(options.controller_metrics, 10252),
            options.kubelet_metrics,
            shell.credentials,
        )
        async with load_target.client_of(shell.server, shell.credentials) as client:
            yield running, client
        return
    async with (
        LocalCluster(options.local) as cluster,
        load_target.client_of(cluster.address, cluster.credentials) as client,
    ):
        yield cluster, client


def _how(options: RunOptions) -> dict[str, Any]:
    if options.local is None:
        return {"fsync": "as the cluster has it"}
    command = options.local.scheduler_command
    return {
        "fsync": options.local.fsync, "scheduler config": options.local.scheduler_config,
        "scheduler": str(command) if command else "",
    }  # fmt: skip


def _write(options: RunOptions, data: bytes, html: str, report: Report) -> None:
    items = write_json(data_items(report), indent=2) if options.perf_dash else ""
    load_target.write_files(
        ((options.output, data), (options.html, html.encode()), (options.perf_dash, items.encode()))
    )


@cli.group("load", no_args_is_help=True)
def load_command() -> None:
    """Load tests of the scheduler's throughput."""


load_command.add_command(configs_command)


@load_command.command("run")
@click.argument("workload", metavar="CASE/VARIANT")
@flags.server
@load_target.FILES
@run_options
def run_command(**given: Any) -> None:
    """Run a workload: nodes and Pods are created, and what becomes of them is measured.

    \b
      vaina load run SchedulingBasic/5Nodes                  on the cluster of make up
      vaina load run SchedulingBasic/500Nodes --local        on processes of its own
      vaina load run SchedulingBasic/500Nodes --local --rate 200 --html report.html
      vaina load run SchedulingBasic/500Nodes --local --repeat 5 --measure 10s..60s
    Workloads are shown by `vaina load list`.
    """  # noqa: D301  # click reads the backspace as "leave the lines as they are"
    settings, options = read_options(given)
    flags.start(lambda shell, _: load_run(shell, options, settings))


def _read(names: tuple[str, ...], max_bytes: int, stdin: BinaryIO) -> list[tuple[str, bytes]]:
    """Return the files' content, together no more than so many bytes: their sizes are asked first."""
    if names.count("-") > 1:
        raise Failure("standard input (-) can be read once")
    try:
        left = max_bytes - sum(Path(name).stat().st_size for name in names if name != "-")
        found = []
        for name in names if left >= 0 else ():
            content = stdin.read(left + 1) if name == "-" else Path(name).read_bytes()
            left -= len(content) if name == "-" else 0
            found.append((name, content))
    except OSError as error:
        raise Failure(f"cannot read {error.filename}: {error.strerror}") from error
    if left < 0:
        raise Failure(f"{', '.join(names)}: more than {max_bytes // _MIB:,} MiB (--max-size)")
    return found


@load_command.command("import")
@click.argument("names", metavar="FILE...", nargs=-1, required=True)
@click.option("-o", "--output", "folder", default="imported", show_default=True, help="The folder to write.")
@click.option(
    "--replay",
    type=click.Choice(["pending", "all"]),
    default="pending",
    show_default=True,
    help="Measure the Pods that are pending, or schedule all of them anew, the oldest first.",
)
@flags.flag("--scrub", "Replace names, namespaces, labels' values and images; what matched still matches.")
@flags.number(
    "--speed",
    (1e-3, 1e9),
    1.0,
    "How many times faster than in the cluster Pods arrive in arrivals.txt (load run --trace).",
)
@flags.number(
    "--max-size max_mib",
    (1, 16_384),
    MAX_BYTES // _MIB,
    "MiB of all files together; memory is needed several times as much.",
)
@click.pass_context
def import_command(
    context: click.Context,
    names: tuple[str, ...],
    folder: str,
    replay: Replay,
    *,
    scrub: bool,
    speed: float,
    max_mib: int,
) -> None:
    """Make a workload of a cluster, as kubectl shows it (- for standard input).

    \b
      kubectl get nodes,pods,ns,pdb,pvc,pv,sc,rs,sts,pc,csinodes -A -o json > export.json
      vaina load import export.json -o mine --scrub
      vaina load run -f mine/workload.yaml Imported/Pending --local
    Only what a scheduler looks at is kept: no environment, commands or annotations.
    """  # noqa: D301  # click reads the backspace as "leave the lines as they are"
    shell = flags.shell_of(context)
    with shell.computing(f"reading {', '.join(names)}"):
        read = _read(names, max_mib * _MIB, shell.stdin)
        try:
            found = compute_import(read_all(read), replay=replay, scrub=scrub)
        except ImportFailed as error:
            raise Failure(str(error)) from error
    with shell.computing(f"writing {folder}"):
        load_target.write_files(
            (str(Path(folder) / name), content)
            for name, content in imported_files.files(found, replay, speed).items()
        )
    shell.out("\n".join(imported_files.words(found, folder, replay, speed)) + "\n")


@load_command.command("list")
@load_target.FILES
@flags.text("-l --labels label_filter", "Those with (and with - without) these labels: performance,-short.")
@click.pass_context
def list_command(context: click.Context, files: tuple[str, ...], label_filter: str) -> None:
    """Show the workloads there are."""
    shell = flags.shell_of(context)
    found = select(load_target.workloads(files), label_filter)
    if not found:
        shell.err("No workloads found.")
    for workload in found:
        counts = " ".join(f"{name}={value}" for name, value in workload.variant.params.items())
        shell.out(f"{workload.name:52} {counts:60} {','.join(sorted(workload.labels))}".rstrip() + "\n")


@load_command.command("compare")
@click.argument("first", metavar="A.json")
@click.argument("second", metavar="B.json")
@flags.number(
    "--tolerance",
    (0, 10),
    0.1,
    "Changes up to this share are not judged, nor what is within the spread of the runs.",
)
@click.pass_context
def compare_command(context: click.Context, first: str, second: str, tolerance: float) -> None:
    """Show what changed from one report to another, beyond what the runs of each are apart by themselves.

    Reports of `vaina load run --repeat 5` say how far that is; of a single run it is not known.
    """
    reports = []
    for name in (first, second):
        try:
            reports.append(decode_runs(Path(name).read_bytes()))
        except OSError as error:
            raise Failure(f"cannot read {name}: {error.strerror}") from error
        except ReportError as error:
            raise Failure(f"{name}: {error}") from error
    flags.shell_of(context).out("\n".join(compare.table(*reports, tolerance=tolerance)) + "\n")


@flags.verb(load_command, "clean")
@click.argument("run", default="")
@flags.server
@flags.number("--wait wait_seconds", (0, 3600), 30.0, "Seconds to wait for namespaces to end.")
async def load_clean(shell: Shell, clients: Clientset, *, run: str, wait_seconds: float) -> None:
    """Delete what runs (or one RUN) left in a cluster that were killed, or told to keep."""
    try:
        with shell.busy("waiting for what runs have left to be gone"):
            await clean(clients, run, wait_seconds=wait_seconds, say=shell.err)
    except TimeoutError as error:
        raise Failure(f"not everything was deleted within {CLEAN_SECONDS:.0f} s; try again") from error


@flags.verb(load_command, "agent")
@click.option("--name", default=socket.gethostname, help="What the report calls this machine (its hostname).")
async def load_agent(shell: Shell, _: Clientset, *, name: str) -> None:
    """Take part in a load from this machine.

    A run starts it, through ssh for example, and speaks with it over its pipes.

    \b
      vaina load run CASE/VARIANT -s HOST:PORT --generate-on "ssh a vaina load agent" --generate-on "ssh b
      vaina load agent"
    It listens nowhere. It ends when the run does, and with it what it has started.
    """  # noqa: D301  # click reads the backspace as "leave the lines as they are"
    if not NAME.fullmatch(name):
        raise Failure(f'--name: "{name}": {NAME_WORDS}')
    if shell.interactive:
        raise Failure('it is started by a run: vaina load run ... --generate-on "ssh HOST vaina load agent"')
    try:
        async with load_target.terminable():
            await serve_pipes(name, lambda address: load_target.client_of(address, shell.credentials))
    except (FrameError, ValueError, PermissionError) as error:
        raise Failure(f"what comes is not a run of vaina load: {error}") from error
