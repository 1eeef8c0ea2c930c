"""The options of `vaina load run`, and what they come to. Beside `cli.commands.load`."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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
from cli import flags
from cli.commands.load_target import MAX_TRACE, PATIENCE, trace_option

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
    "tls", "no_fsync", "scheduler_config", "scheduler_flags", "profiles", "scheduler_command", "scheduler_health",
)  # fmt: skip
_SCHEDULER_PAGE = "https://127.0.0.1:10251/metrics"


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
    scheduler_metrics: str | None = None
    apiserver_metrics: str | None = None
    etcd_metrics: str = ""
    controller_metrics: str | None = None
    kubelet_metrics: tuple[str, ...] = ()
    limits: list[Limit] = field(default_factory=list)
    output: str = ""
    html: str = ""
    perf_dash: str = ""


_OPTIONS = (
    flags.flag("--local", "Start etcd, apiserver and scheduler here, as processes of their own."),
    flags.number(
        "--repeat",
        (1, MAX_RUNS),
        1,
        "Run it so often and report the median and the spread of each figure; every run begins with nothing of those before it.",
    ),
    flags.text(
        "--measure",
        "10s..60s: create more measured Pods, or fewer, until it takes so long to schedule them.",
        "LEAST..MOST",
    ),
    click.option(
        "--nodes",
        type=click.Choice(["objects", "simulated", "hollow", "real"]),
        help="Node objects alone (with --local the default), with one process that plays their kubelets, real kubelets whose runtime runs nothing, or the cluster's own nodes (otherwise the default).",
    ),
    flags.several(
        "--generate-on",
        'Measured Pods are created by the machine that this command reaches ("ssh a vaina load agent"); several share the rate between them.',
        "COMMAND",
    ),
    flags.several(
        "--hollow-on",
        "With --nodes hollow: their kubelets run on the machine that this command reaches; may be repeated.",
        "COMMAND",
    ),
    click.option(
        "--create",
        type=click.Choice(["pending", "batch", "unary"]),
        help="Measured Pods are there before the scheduler starts (with --local the default), are created in batches (otherwise the default), or one a call.",
    ),
    flags.number("--batch-size", (1, 1000), 100, "Pods in a call."),
    flags.number("--in-flight", (1, 64), 4, "Batches under way at once."),
    flags.number("--callers", (1, 1000), 32, "Callers with --create unary."),
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
    trace_option("Open loop: a file with the seconds from the start at which each is due, one a line."),
    click.option("--seed", type=int, default=1, show_default=True, help="Of arrivals and delays."),
    flags.text(
        "--stages",
        "Simulated and hollow nodes: how long stages take: run_sandbox=0.1-0.5,start_container=0.5-2.",
        "STAGE=FROM-TO,...",
    ),
    click.option(
        "--wait-running/--no-wait-running",
        default=None,
        help="Wait until Pods run, not only until they are bound (the default, unless nodes are objects).",
    ),
    flags.text("--image", f"Image of the Pods' containers (with real nodes {_REAL_IMAGE})."),
    flags.number("--window window_seconds", (0.05, 60), 1.0, "Seconds of a window of the throughput."),
    PATIENCE,
    click.option(
        "--verify/--no-verify",
        default=True,
        show_default=True,
        help="Judge afterwards whether nothing was bound twice or where it may not be, and whether nothing waits that fits; the exit code is 1 otherwise.",
    ),
    flags.number(
        "--verify-seconds",
        (0, 86_400),
        2.0,
        "How long the judge walks through affinity and spread, for bindings chosen evenly, to check what it counts for all.",
    ),
    flags.flag("--keep", "Leave everything in the cluster; `vaina load clean` takes it away."),
    flags.flag("--tls", "With --local: all speak over TLS, as the parts of a deployed cluster do."),
    flags.flag("--no-fsync", "With --local: etcd does not wait for the disk."),
    click.option(
        "--scheduler-config",
        type=click.Path(exists=True, dir_okay=False, resolve_path=True),
        default=None,
        help="With --local: the scheduler's configuration.",
    ),
    flags.several(
        "--scheduler-flag scheduler_flags", "With --local: a further flag of the scheduler; may be repeated."
    ),
    flags.text(
        "--scheduler-command",
        "With --local: start this instead of our scheduler; {apiserver} in it, and VAINA_APISERVER, are where the apiserver is.",
        "COMMAND",
    ),
    flags.text(
        "--scheduler-health",
        "With --scheduler-command: answers with 200 once it is ready; otherwise it is when it has bound a first Pod.",
        "URL",
    ),
    flags.several(
        "--profile profiles",
        "With --local: have cProfile watch the scheduler or the apiserver; may be repeated.",
        "PROCESS=FILE",
    ),
    click.option(
        "--scheduler-metrics",
        default=None,
        help=f"Metrics page of a running cluster's scheduler ({_SCHEDULER_PAGE}), or of that of --scheduler-command (none); empty: none.",
    ),
    click.option(
        "--apiserver-metrics",
        default=None,
        help="Metrics page of a running cluster's apiserver (https://127.0.0.1:8080/metrics); empty: none.",
    ),
    flags.text(
        "--etcd-metrics",
        "Metrics page of a running cluster's etcd, which is read in the clear; none unless given.",
    ),
    click.option(
        "--controller-metrics",
        default=None,
        help="Metrics page of a running cluster's controllers (https://127.0.0.1:10252/metrics); empty: none.",
    ),
    flags.several("--kubelet-metrics", "Metrics page of a running cluster's kubelet; may be repeated."),
    flags.text(
        "--slo",
        "throughput>=3000,create_to_bound_p99<=100ms: the exit code is 1 where one does not hold.",
        "LIMIT,...",
    ),
    flags.text("-o --output", "Write the report as JSON."),
    flags.text("--html", "Write the report as one HTML page."),
    flags.text("--perf-dash", "Write what the reference's performance dashboard reads."),
)


def run_options(command: flags.F) -> flags.F:
    """Add the options of `load run`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@contextmanager
def usage(option: str) -> Iterator[None]:
    """Raise what is wrong with an option's value as a UsageError."""
    try:
        yield
    except (ValueError, JudgingError, MeasureError, SloError) as error:
        raise click.UsageError(f"{option}: {error}") from error


def _refuse(wrong: object, words: str) -> None:
    if wrong:
        raise click.UsageError(words)


def _option(name: str) -> str:
    return f"--{name.replace('_', '-').removesuffix('s')}"


def read_options(given: dict[str, Any]) -> tuple[Settings, RunOptions]:
    """Make settings of what was given; what is left out depends on where it runs. Raises click.UsageError."""
    local: bool = given["local"]
    nodes: Nodes = given["nodes"] or ("objects" if local else "real")
    open_loop = given["rate"] or given["trace"]
    create: Creation = given["create"] or (
        "pending" if local and not open_loop and not given["generate_on"] else "batch"
    )
    _refuse_mixtures(given, nodes=nodes, create=create)
    _refuse_repeated(given)
    _refuse_machines(given, nodes=nodes, create=create)
    with usage("--stages"):
        parse_delays(given["stages"])
    for name in _LOCAL:
        _refuse(given[name] and not local, f"{_option(name)} needs --local")
    if given["scheduler_config"]:
        with usage("--scheduler-config"):
            of_file(given["scheduler_config"])
    local_settings = LocalSettings(
        fsync=not given["no_fsync"],
        tls=given["tls"],
        scheduler_config=given["scheduler_config"] or "",
        scheduler_flags=given["scheduler_flags"],
        profiles=_profiles(given["profiles"]),
        scheduler_command=_scheduler_command(given),
    )
    with usage("--slo"):
        limits = parse_limits(given["slo"]) if given["slo"] else []
    with usage("--measure"):
        bounds = parse_bounds(given["measure"]) if given["measure"] else None
    options = RunOptions(
        bounds=bounds,
        local=local_settings if local else None,
        limits=limits,
        scheduler_metrics=given["scheduler_metrics"],
        **{name: given[name] for name in _OTHERS},
    )
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
    return settings, options


def _scheduler_command(given: dict[str, Any]) -> SchedulerCommand | None:
    """Return the scheduler that is started instead of ours, or refuse what only ours has."""
    if not given["scheduler_command"]:
        _refuse(given["scheduler_health"], "--scheduler-health needs --scheduler-command")
        return None
    for name in ("scheduler_config", "scheduler_flags"):
        words = f"--scheduler-command and {_option(name)} exclude one another: the command has its own"
        _refuse(given[name], words)
    words = "--scheduler-command and --profile scheduler exclude one another: cProfile watches ours"
    _refuse("scheduler" in _profiles(given["profiles"]), words)
    with usage("--scheduler-command"):
        command = parse_command(given["scheduler_command"])
    with usage("--scheduler-health"):
        health = parse_health(given["scheduler_health"])
    return SchedulerCommand(command, health, given["scheduler_metrics"] or "")


def _profiles(given: Sequence[str]) -> dict[str, Path]:
    found = {}
    for word in given:
        process, equals, name = word.partition("=")
        wrong = process not in ("scheduler", "apiserver") or not equals or not name
        _refuse(wrong, f'--profile: "{word}" is not scheduler=FILE or apiserver=FILE')
        found[process] = Path(name).absolute()
    return found


def _refuse_mixtures(given: dict[str, Any], *, nodes: str, create: str) -> None:
    local, rate, trace = given["local"], given["rate"], given["trace"]
    pending = create == "pending"
    _refuse(rate and trace, "--rate and --trace exclude one another")
    _refuse(
        pending and not local,
        "--create pending needs --local: the scheduler of a running cluster is not ours to stop",
    )
    _refuse(
        pending and (rate or trace),
        "--create pending has no --rate and no --trace: all Pods are there before",
    )
    _refuse(
        local and nodes == "real", "--nodes real needs a running cluster: --local has no nodes of its own"
    )
    _refuse(
        given["wait_running"] and nodes == "objects",
        "--wait-running needs kubelets: --nodes simulated, hollow or real",
    )
    _refuse(
        given["stages"] and nodes not in ("simulated", "hollow"), "--stages needs --nodes simulated or hollow"
    )


def _refuse_machines(given: dict[str, Any], *, nodes: str, create: str) -> None:
    _refuse(
        given["generate_on"] and create == "pending",
        "--generate-on needs --create batch or unary: pending Pods are created before anything is measured",
    )
    _refuse(given["hollow_on"] and nodes != "hollow", "--hollow-on needs --nodes hollow")
    for name in ("generate_on", "hollow_on"):
        commands, option = given[name], _option(name)
        _refuse(len(commands) > MAX_MACHINES, f"{option}: {MAX_MACHINES} machines at most")
        repeated = len({*commands}) < len(commands)
        _refuse(repeated, f"{option}: the same command twice is one machine")
        for command in commands:
            with usage(option):
                parse_command(command)


def _refuse_repeated(given: dict[str, Any]) -> None:
    reasons = {
        ("repeat", "keep"): "a run would be measured beside what those before it left",
        ("repeat", "profiles"): "each run would write over the profile of the one before",
        ("repeat", "perf_dash"): "what it writes is of one run",
        ("measure", "keep"): "it takes several runs to find how many Pods are needed",
        ("measure", "trace"): "a trace says how many Pods there are",
    }
    asked = {"repeat": given["repeat"] > 1, "measure": bool(given["measure"])}
    for (one, other), reason in reasons.items():
        words = f"{_option(other)} and --{one} exclude one another: {reason}"
        _refuse(asked[one] and given[other], words)
