"""The options of `vaina load run`, and what they come to. Beside `cli.commands.load`."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import click

from bench.load.cluster import LocalSettings
from bench.load.judging import JudgingError, of_file
from bench.load.long_enough import Bounds, MeasureError, parse_bounds
from bench.load.machines import MAX_MACHINES
from bench.load.repeated import MAX_RUNS
from bench.load.scheduler_command import SchedulerCommand, parse_command, parse_health
from bench.load.settings import Creation, Nodes, Settings
from bench.load.simulated import parse_delays
from bench.load.slo import Limit, SloError, parse_limits
from cli.commands.load_trace import MAX_TRACE

F = TypeVar("F", bound=Callable[..., Any])

#: what Pods run on real nodes, whose registry has no image of the templates
_REAL_IMAGE = "busybox"
_REAL_COMMAND = ("sh", "-c", "trap 'exit 0' TERM; sleep infinity & wait")
#: options that are settings as they are
_PLAIN = (
    "batch_size", "in_flight", "callers", "rate", "arrivals", "seed", "stages", "window_seconds", "patience_seconds", "keep",
    "verify", "verify_seconds", "generate_on", "hollow_on",
)  # fmt: skip
#: ... and those that only `RunOptions` has
_OTHERS = (
    "workload",
    "files",
    "repeat",
    "output",
    "html",
    "perf_dash",
    "apiserver_metrics",
    "etcd_metrics",
    "controller_metrics",
    "kubelet_metrics",
)
#: options that say how processes are started
_LOCAL = (
    "no_fsync", "scheduler_config", "scheduler_flags", "profiles", "scheduler_command", "scheduler_health",
)  # fmt: skip
_SCHEDULER_PAGE = "http://127.0.0.1:10251/metrics"


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What `load run` was asked for, beside the settings of the run."""

    workload: str
    files: tuple[str, ...] = ()
    #: how often it is run
    repeat: int = 1
    #: for how long it is to be measured; None: as long as the workload takes
    bounds: Bounds | None = None
    local: LocalSettings | None = None
    scheduler_metrics: str = ""
    apiserver_metrics: str = ""
    etcd_metrics: str = ""
    controller_metrics: str = ""
    kubelet_metrics: tuple[str, ...] = ()
    limits: list[Limit] = field(default_factory=list)
    output: str = ""
    html: str = ""
    perf_dash: str = ""


_OPTIONS = (
    click.option(
        "--local", is_flag=True, help="Start etcd, apiserver and scheduler here, as processes of their own."
    ),
    click.option(
        "--repeat",
        type=click.IntRange(1, MAX_RUNS),
        default=1,
        show_default=True,
        help="Run it so often and report the median and the spread of each figure; every run begins with nothing of those before it.",
    ),
    click.option(
        "--measure",
        default="",
        metavar="LEAST..MOST",
        help="10s..60s: create more measured Pods, or fewer, until it takes so long to schedule them.",
    ),
    click.option(
        "--nodes",
        type=click.Choice(["objects", "simulated", "hollow", "real"]),
        help="Node objects alone (with --local the default), with one process that plays their kubelets, real kubelets whose runtime runs nothing, or the cluster's own nodes (otherwise the default).",
    ),
    click.option(
        "--generate-on",
        multiple=True,
        metavar="COMMAND",
        help='Measured Pods are created by the machine that this command reaches ("ssh a vaina load agent"); several share the rate between them.',
    ),
    click.option(
        "--hollow-on",
        multiple=True,
        metavar="COMMAND",
        help="With --nodes hollow: their kubelets run on the machine that this command reaches; may be repeated.",
    ),
    click.option(
        "--create",
        type=click.Choice(["pending", "batch", "unary"]),
        help="Measured Pods are there before the scheduler starts (with --local the default), are created in batches (otherwise the default), or one a call.",
    ),
    click.option(
        "--batch-size", type=click.IntRange(1, 1000), default=100, show_default=True, help="Pods in a call."
    ),
    click.option(
        "--in-flight",
        type=click.IntRange(1, 64),
        default=4,
        show_default=True,
        help="Batches under way at once.",
    ),
    click.option(
        "--callers",
        type=click.IntRange(1, 1000),
        default=32,
        show_default=True,
        help="Callers with --create unary.",
    ),
    click.option(
        "--rate",
        type=click.FloatRange(0, 1_000_000),
        default=0.0,
        help="Open loop: so many measured Pods a second.",
    ),
    click.option(
        "--arrivals",
        type=click.Choice(["constant", "poisson"]),
        default="constant",
        show_default=True,
        help="Open loop: how they come.",
    ),
    click.option(
        "--trace",
        type=click.File("r"),
        help="Open loop: a file with the seconds from the start at which each is due, one a line.",
    ),
    click.option("--seed", type=int, default=1, show_default=True, help="Of arrivals and delays."),
    click.option(
        "--stages",
        default="",
        metavar="STAGE=FROM-TO,...",
        help="Simulated and hollow nodes: how long stages take: run_sandbox=0.1-0.5,start_container=0.5-2.",
    ),
    click.option(
        "--wait-running/--no-wait-running",
        default=None,
        help="Wait until Pods run, not only until they are bound (the default, unless nodes are objects).",
    ),
    click.option(
        "--image", default="", help=f"Image of the Pods' containers (with real nodes {_REAL_IMAGE})."
    ),
    click.option(
        "--window",
        "window_seconds",
        type=click.FloatRange(0.05, 60),
        default=1.0,
        show_default=True,
        help="Seconds of a window of the throughput.",
    ),
    click.option(
        "--patience",
        "patience_seconds",
        type=click.FloatRange(1, 3600),
        default=60.0,
        show_default=True,
        help="Give up when nothing has happened for so many seconds.",
    ),
    click.option(
        "--verify/--no-verify",
        default=True,
        show_default=True,
        help="Judge afterwards whether nothing was bound twice or where it may not be, and whether nothing waits that fits; the exit code is 1 otherwise.",
    ),
    click.option(
        "--verify-seconds",
        type=click.FloatRange(0, 86_400),
        default=2.0,
        show_default=True,
        help="How long the judge walks through affinity and spread, for bindings chosen evenly, to check what it counts for all.",
    ),
    click.option(
        "--keep", is_flag=True, help="Leave everything in the cluster; `vaina load clean` takes it away."
    ),
    click.option("--no-fsync", is_flag=True, help="With --local: etcd does not wait for the disk."),
    click.option(
        "--scheduler-config",
        type=click.Path(exists=True, dir_okay=False, resolve_path=True),
        default=None,
        help="With --local: the scheduler's configuration.",
    ),
    click.option(
        "--scheduler-flag",
        "scheduler_flags",
        multiple=True,
        help="With --local: a further flag of the scheduler; may be repeated.",
    ),
    click.option(
        "--scheduler-command",
        default="",
        metavar="COMMAND",
        help="With --local: start this instead of our scheduler; {apiserver} in it, and VAINA_APISERVER, are where the apiserver is.",
    ),
    click.option(
        "--scheduler-health",
        default="",
        metavar="URL",
        help="With --scheduler-command: answers with 200 once it is ready; otherwise it is when it has bound a first Pod.",
    ),
    click.option(
        "--profile",
        "profiles",
        multiple=True,
        metavar="PROCESS=FILE",
        help="With --local: have cProfile watch the scheduler or the apiserver; may be repeated.",
    ),
    click.option(
        "--scheduler-metrics",
        default=None,
        help=f"Metrics page of a running cluster's scheduler ({_SCHEDULER_PAGE}), or of that of --scheduler-command (none); empty: none.",
    ),
    click.option(
        "--apiserver-metrics",
        default="http://127.0.0.1:8080/metrics",
        help="Metrics page of a running cluster's apiserver; empty: none.",
    ),
    click.option(
        "--etcd-metrics",
        default="http://127.0.0.1:2381/metrics",
        help="Metrics page of a running cluster's etcd; empty: none.",
    ),
    click.option(
        "--controller-metrics",
        default="http://127.0.0.1:10252/metrics",
        help="Metrics page of a running cluster's controllers; empty: none.",
    ),
    click.option(
        "--kubelet-metrics",
        multiple=True,
        help="Metrics page of a running cluster's kubelet; may be repeated.",
    ),
    click.option(
        "--slo",
        default="",
        metavar="LIMIT,...",
        help="throughput>=3000,create_to_bound_p99<=100ms: the exit code is 1 where one does not hold.",
    ),
    click.option("-o", "--output", default="", help="Write the report as JSON."),
    click.option("--html", default="", help="Write the report as one HTML page."),
    click.option("--perf-dash", default="", help="Write what the reference's performance dashboard reads."),
)


def run_options(command: F) -> F:
    """Add the options of `load run`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def wrong_configuration(path: str) -> str:
    """Say what is wrong with a file of configuration; an empty text: nothing."""
    try:
        of_file(path)
    except JudgingError as error:
        return f"--scheduler-config: {error}"
    return ""


def read_options(given: dict[str, Any]) -> tuple[Settings, RunOptions]:
    """Make settings of what was given; what is left out depends on where it runs."""
    local: bool = given["local"]
    nodes: Nodes = given["nodes"] or ("objects" if local else "real")
    create: Creation = given["create"] or (
        "pending"
        if local and not given["rate"] and not given["trace"] and not given["generate_on"]
        else "batch"
    )
    _refuse(given, local=local, nodes=nodes, create=create)
    if given["scheduler_config"] and (wrong := wrong_configuration(given["scheduler_config"])):
        raise click.UsageError(wrong)
    plain_image = nodes == "real" and not given["image"]
    settings = Settings(
        run=f"load-{secrets.token_hex(3)}",
        nodes=nodes,
        create=create,
        trace=given["trace"].read(MAX_TRACE) if given["trace"] else "",
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
        scheduler_command=_scheduler_command(given),
    )
    try:
        limits = parse_limits(given["slo"]) if given["slo"] else []
    except SloError as error:
        raise click.UsageError(f"--slo: {error}") from error
    try:
        bounds = parse_bounds(given["measure"]) if given["measure"] else None
    except MeasureError as error:
        raise click.UsageError(f"--measure: {error}") from error
    options = RunOptions(
        bounds=bounds,
        local=local_settings if local else None,
        limits=limits,
        scheduler_metrics=_SCHEDULER_PAGE
        if given["scheduler_metrics"] is None
        else given["scheduler_metrics"],
        **{name: given[name] for name in _OTHERS},
    )
    return settings, options


def _scheduler_command(given: dict[str, Any]) -> SchedulerCommand | None:
    """Return the scheduler that is started instead of ours, or refuse what only ours has."""
    if not given["scheduler_command"]:
        if given["scheduler_health"]:
            raise click.UsageError("--scheduler-health needs --scheduler-command")
        return None
    for name in ("scheduler_config", "scheduler_flags"):
        if given[name]:
            option = name.replace("_", "-").removesuffix("s")
            raise click.UsageError(
                f"--scheduler-command and --{option} exclude one another: the command has its own"
            )
    if "scheduler" in _profiles(given["profiles"]):
        raise click.UsageError(
            "--scheduler-command and --profile scheduler exclude one another: cProfile watches ours"
        )
    try:
        words = parse_command(given["scheduler_command"])
    except ValueError as error:
        raise click.UsageError(f"--scheduler-command: {error}") from error
    try:
        health = parse_health(given["scheduler_health"])
    except ValueError as error:
        raise click.UsageError(f"--scheduler-health: {error}") from error
    return SchedulerCommand(words, health, given["scheduler_metrics"] or "")


def _profiles(given: Sequence[str]) -> dict[str, Path]:
    found = {}
    for text in given:
        process, equals, name = text.partition("=")
        if process not in ("scheduler", "apiserver") or not equals or not name:
            raise click.UsageError(f'--profile: "{text}" is not scheduler=FILE or apiserver=FILE')
        found[process] = Path(name).absolute()
    return found


def _refuse(given: dict[str, Any], *, local: bool, nodes: str, create: str) -> None:
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
    if local and nodes == "real":
        raise click.UsageError("--nodes real needs a running cluster: --local has no nodes of its own")
    if given["wait_running"] and nodes == "objects":
        raise click.UsageError("--wait-running needs kubelets: --nodes simulated, hollow or real")
    if given["stages"] and nodes not in ("simulated", "hollow"):
        raise click.UsageError("--stages needs --nodes simulated or hollow")
    _refuse_repeated(given)
    _refuse_machines(given, nodes=nodes, create=create)
    try:
        parse_delays(given["stages"])
    except ValueError as error:
        raise click.UsageError(f"--stages: {error}") from error
    for name in _LOCAL:
        if given[name] and not local:
            raise click.UsageError(f"--{name.replace('_', '-').removesuffix('s')} needs --local")


def _refuse_machines(given: dict[str, Any], *, nodes: str, create: str) -> None:
    """Refuse what other machines cannot do, and commands that cannot be run."""
    if given["generate_on"] and create == "pending":
        raise click.UsageError(
            "--generate-on needs --create batch or unary: pending Pods are created before anything is measured"
        )
    if given["hollow_on"] and nodes != "hollow":
        raise click.UsageError("--hollow-on needs --nodes hollow")
    for name in ("generate_on", "hollow_on"):
        option = f"--{name.replace('_', '-')}"
        if len(given[name]) > MAX_MACHINES:
            raise click.UsageError(f"{option}: {MAX_MACHINES} machines at most")
        if len({*given[name]}) < len(given[name]):
            raise click.UsageError(f"{option}: the same command twice is one machine")
        for command in given[name]:
            try:
                parse_command(command)
            except ValueError as error:
                raise click.UsageError(f"{option}: {error}") from error


def _refuse_repeated(given: dict[str, Any]) -> None:
    """Refuse what is for one run, or for a count that is known."""
    reasons = {
        ("repeat", "keep"): "a run would be measured beside what those before it left",
        ("repeat", "profiles"): "each run would write over the profile of the one before",
        ("repeat", "perf_dash"): "what it writes is of one run",
        ("measure", "keep"): "it takes several runs to find how many Pods are needed",
        ("measure", "trace"): "a trace says how many Pods there are",
    }
    asked = {"repeat": given["repeat"] > 1, "measure": bool(given["measure"])}
    for (one, other), reason in reasons.items():
        if asked[one] and given[other]:
            option = other.replace("_", "-").removesuffix("s")
            raise click.UsageError(f"--{option} and --{one} exclude one another: {reason}")
