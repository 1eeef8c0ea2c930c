"""`vaina load`: load tests of the scheduler. The work is done in `bench.load` (docs/load-testing.md)."""

import asyncio
import secrets
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from bench.load import compare
from bench.load.arrivals import parse_trace
from bench.load.cleanup import clean
from bench.load.cluster import ClusterError, LocalCluster, LocalSettings, RunningCluster, Target
from bench.load.hollow import HollowError
from bench.load.html import page
from bench.load.parse import WorkloadError, find_workload, read_workloads, select
from bench.load.progress import Progress
from bench.load.report import Report, ReportError, data_items, decode, encode, metrics_of, table
from bench.load.run import RunError
from bench.load.session import run_workload
from bench.load.settings import Creation, Nodes, Settings
from bench.load.simulated import parse_delays
from bench.load.slo import Limit, SloError, failed, parse_limits
from bench.load.workload import CreatePods, Workload
from cli import flags
from cli.shell import Exit, Failure, Shell
from vaina.client.clientset import Clientset
from vaina.client.transport import GrpcTransport
from vaina.objects.manifest import write_json

#: a call may wait long for its turn under load
_CALL_SECONDS = 60.0
#: what Pods run on real nodes, whose registry has no image of the templates
_REAL_IMAGE = "busybox"
_REAL_COMMAND = ("sh", "-c", "trap 'exit 0' TERM; sleep infinity & wait")
_TERMINATED = 143
#: characters of a trace
_MAX_TRACE = 32 * 1024 * 1024
#: options that are settings as they are
_PLAIN = (
    "batch_size", "in_flight", "callers", "rate", "arrivals", "seed", "stages", "window_seconds", "patience_seconds", "keep",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What `load run` was asked for, beside the settings of the run."""

    workload: str
    files: tuple[str, ...] = ()
    local: LocalSettings | None = None
    scheduler_metrics: str = ""
    apiserver_metrics: str = ""
    limits: list[Limit] = field(default_factory=list)
    output: str = ""
    html: str = ""
    perf_dash: str = ""


def _workloads(files: tuple[str, ...]) -> list[Workload]:
    try:
        return read_workloads([Path(file) for file in files])
    except WorkloadError as error:
        raise Failure(str(error)) from error


async def load_run(shell: Shell, options: RunOptions, settings: Settings) -> None:
    """Run a workload, show what was found, and end with 1 where a limit does not hold."""
    try:
        workload = find_workload(options.workload, _workloads(options.files))
    except WorkloadError as error:
        raise Failure(str(error)) from error
    _check_trace(workload, settings)
    progress = Progress(lambda text: shell.err_bytes(text.encode()), interactive=shell.interactive)
    try:
        async with _target(shell, options) as (target, client), _terminable():
            report = await run_workload(workload, target, client, settings, progress, **_how(options))
    except (RunError, HollowError, ClusterError) as error:
        raise Failure(str(error)) from error
    except TimeoutError as error:
        raise Failure(
            f"it took too long, and something may be left: vaina load clean {settings.run}"
        ) from error
    shell.out("\n".join(table(report)) + "\n")
    _write(options, report)
    broken = [
        f"{one.name}: {text}"
        for one in report.measurements
        for text in failed(options.limits, metrics_of(one))
    ]
    if options.limits and not report.measurements:
        broken.append("nothing was measured")
    for text in broken:
        shell.err(f"limit: {text}")
    if broken:
        raise Exit(1)


def _check_trace(workload: Workload, settings: Settings) -> None:
    """Find out before anything is made that a trace is too short."""
    for step in workload.case.workload_template:
        if settings.trace and isinstance(step, CreatePods) and step.collect_metrics:
            try:
                parse_trace(settings.trace, workload.count(step))
            except ValueError as error:
                raise Failure(f"--trace: {error}") from error


@asynccontextmanager
async def _target(shell: Shell, options: RunOptions) -> AsyncIterator[tuple[Target, Clientset]]:
    if options.local is None:
        running = RunningCluster(shell.server, options.scheduler_metrics, options.apiserver_metrics)
        async with _client(shell.server) as client:
            yield running, client
        return
    async with LocalCluster(options.local) as cluster, _client(cluster.address) as client:
        yield cluster, client


def _client(address: str) -> Clientset:
    """Return a client that is patient, and deaf to the server's warnings: there would be one a Pod."""
    return Clientset(GrpcTransport(address, user_agent="vaina-load"), timeout=_CALL_SECONDS)


@asynccontextmanager
async def _terminable() -> AsyncIterator[None]:
    """Have SIGTERM end the run as Ctrl-C does: what was made is deleted."""
    loop, task, told = asyncio.get_running_loop(), asyncio.current_task(), False
    assert task is not None

    def end() -> None:
        nonlocal told
        told = True
        task.cancel()

    loop.add_signal_handler(signal.SIGTERM, end)
    try:
        yield
    except asyncio.CancelledError:
        if told:
            raise Exit(_TERMINATED) from None
        raise
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


def _how(options: RunOptions) -> dict[str, Any]:
    if options.local is None:
        return {"fsync": "as the cluster has it"}
    return {"fsync": options.local.fsync, "scheduler config": options.local.scheduler_config}


def _write(options: RunOptions, report: Report) -> None:
    try:
        if options.output:
            _file(options.output).write_bytes(encode(report))
        if options.html:
            _file(options.html).write_text(page(report), encoding="utf-8")
        if options.perf_dash:
            _file(options.perf_dash).write_text(write_json(data_items(report), indent=2))
    except OSError as error:
        raise Failure(f"cannot write {error.filename}: {error.strerror}") from error


def _file(name: str) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def load_compare(shell: Shell, first: str, second: str, tolerance: float) -> None:
    """Show what changed between two reports."""
    reports = []
    for name in (first, second):
        try:
            reports.append(decode(Path(name).read_bytes()))
        except OSError as error:
            raise Failure(f"cannot read {name}: {error.strerror}") from error
        except ReportError as error:
            raise Failure(f"{name}: {error}") from error
    shell.out("\n".join(compare.table(*reports, tolerance=tolerance)) + "\n")


async def load_clean(shell: Shell, clients: Clientset, run: str, wait_seconds: float) -> None:
    """Delete what runs have left that were killed."""
    await clean(clients, run, wait_seconds=wait_seconds, say=shell.err)


def load_list(shell: Shell, files: tuple[str, ...], label_filter: str) -> None:
    """Show the workloads there are."""
    for workload in select(_workloads(files), label_filter):
        counts = " ".join(f"{name}={value}" for name, value in workload.variant.params.items())
        shell.out(f"{workload.name:52} {counts:60} {','.join(sorted(workload.labels))}".rstrip() + "\n")


@click.group("load", no_args_is_help=True)
def load_command() -> None:
    """Load tests of the scheduler's throughput."""


_FILES = click.option(
    "-f",
    "--filename",
    "files",
    multiple=True,
    help="A file of workloads, instead of those that come with the project.",
)


@load_command.command("run")
@click.argument("workload", metavar="CASE/VARIANT")
@flags.server
@_FILES
@click.option(
    "--local", is_flag=True, help="Start etcd, apiserver and scheduler here, as processes of their own."
)
@click.option(
    "--nodes",
    type=click.Choice(["objects", "simulated", "hollow", "real"]),
    help="Node objects alone (with --local the default), with one process that plays their kubelets, real kubelets whose runtime runs nothing, or the cluster's own nodes (otherwise the default).",
)
@click.option(
    "--create",
    type=click.Choice(["pending", "batch", "unary"]),
    help="Measured Pods are there before the scheduler starts (with --local the default), are created in batches (otherwise the default), or one a call.",
)
@click.option(
    "--batch-size", type=click.IntRange(1, 1000), default=100, show_default=True, help="Pods in a call."
)
@click.option(
    "--in-flight", type=click.IntRange(1, 64), default=4, show_default=True, help="Batches under way at once."
)
@click.option(
    "--callers",
    type=click.IntRange(1, 1000),
    default=32,
    show_default=True,
    help="Callers with --create unary.",
)
@click.option(
    "--rate",
    type=click.FloatRange(0, 1_000_000),
    default=0.0,
    help="Open loop: so many measured Pods a second.",
)
@click.option(
    "--arrivals",
    type=click.Choice(["constant", "poisson"]),
    default="constant",
    show_default=True,
    help="Open loop: how they come.",
)
@click.option(
    "--trace",
    type=click.File("r"),
    help="Open loop: a file with the seconds from the start at which each is due, one a line.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of arrivals and delays.")
@click.option(
    "--stages",
    default="",
    metavar="STAGE=FROM-TO,...",
    help="Simulated and hollow nodes: how long stages take: run_sandbox=0.1-0.5,start_container=0.5-2.",
)
@click.option(
    "--wait-running/--no-wait-running",
    default=None,
    help="Wait until Pods run, not only until they are bound (the default, unless nodes are objects).",
)
@click.option("--image", default="", help=f"Image of the Pods' containers (with real nodes {_REAL_IMAGE}).")
@click.option(
    "--window",
    "window_seconds",
    type=click.FloatRange(0.05, 60),
    default=1.0,
    show_default=True,
    help="Seconds of a window of the throughput.",
)
@click.option(
    "--patience",
    "patience_seconds",
    type=click.FloatRange(1, 3600),
    default=60.0,
    show_default=True,
    help="Give up when nothing has happened for so many seconds.",
)
@click.option(
    "--keep", is_flag=True, help="Leave everything in the cluster; `vaina load clean` takes it away."
)
@click.option("--no-fsync", is_flag=True, help="With --local: etcd does not wait for the disk.")
@click.option(
    "--scheduler-config",
    type=click.Path(exists=True, dir_okay=False),
    default=None,
    help="With --local: the scheduler's configuration.",
)
@click.option(
    "--scheduler-flag",
    "scheduler_flags",
    multiple=True,
    help="With --local: a further flag of the scheduler; may be repeated.",
)
@click.option(
    "--profile",
    "profiles",
    multiple=True,
    metavar="PROCESS=FILE",
    help="With --local: have cProfile watch the scheduler or the apiserver; may be repeated.",
)
@click.option(
    "--scheduler-metrics",
    default="http://127.0.0.1:10251/metrics",
    help="Metrics page of a running cluster's scheduler; empty: none.",
)
@click.option(
    "--apiserver-metrics",
    default="http://127.0.0.1:8080/metrics",
    help="Metrics page of a running cluster's apiserver; empty: none.",
)
@click.option(
    "--slo",
    default="",
    metavar="LIMIT,...",
    help="throughput>=3000,create_to_bound_p99<=100ms: the exit code is 1 where one does not hold.",
)
@click.option("-o", "--output", default="", help="Write the report as JSON.")
@click.option("--html", default="", help="Write the report as one HTML page.")
@click.option("--perf-dash", default="", help="Write what the reference's performance dashboard reads.")
def run_command(**given: Any) -> None:
    """Run a workload: nodes and Pods are created, and what becomes of them is measured."""
    settings, options = _read(given)
    flags.start(lambda shell, _: load_run(shell, options, settings))


def _read(given: dict[str, Any]) -> tuple[Settings, RunOptions]:
    """Make settings of what was given; what is left out depends on where it runs."""
    local: bool = given["local"]
    nodes: Nodes = given["nodes"] or ("objects" if local else "real")
    create: Creation = given["create"] or (
        "pending" if local and not given["rate"] and not given["trace"] else "batch"
    )
    _refuse(given, local=local, create=create)
    plain_image = nodes == "real" and not given["image"]
    settings = Settings(
        run=f"load-{secrets.token_hex(3)}",
        nodes=nodes,
        create=create,
        trace=given["trace"].read(_MAX_TRACE) if given["trace"] else "",
        wait_running=nodes != "objects" if given["wait_running"] is None else given["wait_running"],
        image=_REAL_IMAGE if plain_image else given["image"],
        command=_REAL_COMMAND if plain_image else (),
        **{name: given[name] for name in _PLAIN},
    )
    local_settings = LocalSettings(
        fsync=not given["no_fsync"],
        scheduler_config=given["scheduler_config"] or "",
        scheduler_flags=given["scheduler_flags"],
        profiles=_profiles(given["profiles"]),
    )
    try:
        limits = parse_limits(given["slo"]) if given["slo"] else []
    except SloError as error:
        raise click.UsageError(f"--slo: {error}") from error
    options = RunOptions(
        local=local_settings if local else None,
        limits=limits,
        **{
            name: given[name]
            for name in (
                "workload",
                "files",
                "output",
                "html",
                "perf_dash",
                "scheduler_metrics",
                "apiserver_metrics",
            )
        },
    )
    return settings, options


def _profiles(given: Sequence[str]) -> dict[str, Path]:
    found = {}
    for text in given:
        process, equals, name = text.partition("=")
        if process not in ("scheduler", "apiserver") or not equals or not name:
            raise click.UsageError(f'--profile: "{text}" is not scheduler=FILE or apiserver=FILE')
        found[process] = Path(name).absolute()
    return found


def _refuse(given: dict[str, Any], *, local: bool, create: str) -> None:
    """Refuse what does not go together."""
    open_loop = given["rate"] or given["trace"]
    if given["rate"] and given["trace"]:
        raise click.UsageError("--rate and --trace exclude one another")
    if create == "pending" and not local:
        raise click.UsageError(
            "--create pending needs --local: the scheduler of a running cluster is not ours to stop"
        )
    if create == "pending" and open_loop:
        raise click.UsageError("--create pending has no --rate and no --trace: all Pods are there before")
    if given["wait_running"] and given["nodes"] == "objects":
        raise click.UsageError("--wait-running needs kubelets: --nodes simulated, hollow or real")
    if given["stages"] and given["nodes"] not in ("simulated", "hollow"):
        raise click.UsageError("--stages needs --nodes simulated or hollow")
    try:
        parse_delays(given["stages"])
    except ValueError as error:
        raise click.UsageError(f"--stages: {error}") from error
    for name in ("no_fsync", "scheduler_config", "scheduler_flags", "profiles"):
        if given[name] and not local:
            raise click.UsageError(f"--{name.replace('_', '-').removesuffix('s')} needs --local")


@load_command.command("list")
@_FILES
@click.option(
    "-l",
    "--labels",
    "label_filter",
    default="",
    help="Those with (and with - without) these labels: performance,-short.",
)
def list_command(files: tuple[str, ...], label_filter: str) -> None:
    """Show the workloads there are."""
    shell = flags.shell_of(click.get_current_context())
    try:
        load_list(shell, files, label_filter)
    except Failure as error:
        raise click.ClickException(str(error)) from error


@load_command.command("compare")
@click.argument("first", metavar="A.json")
@click.argument("second", metavar="B.json")
@click.option(
    "--tolerance",
    type=click.FloatRange(0, 10),
    default=0.1,
    show_default=True,
    help="Changes up to this share are not judged.",
)
def compare_command(first: str, second: str, tolerance: float) -> None:
    """Show what changed from one report to another."""
    shell = flags.shell_of(click.get_current_context())
    try:
        load_compare(shell, first, second, tolerance)
    except Failure as error:
        raise click.ClickException(str(error)) from error


@load_command.command("clean")
@click.argument("run", default="")
@flags.server
@click.option(
    "--wait",
    "wait_seconds",
    type=click.FloatRange(0, 3600),
    default=30.0,
    show_default=True,
    help="Seconds to wait for namespaces to end.",
)
def clean_command(run: str, wait_seconds: float) -> None:
    """Delete what runs (or one RUN) left in a cluster that were killed, or told to keep."""
    flags.start(lambda shell, clients: load_clean(shell, clients, run, wait_seconds))
