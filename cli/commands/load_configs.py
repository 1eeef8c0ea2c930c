"""`vaina load compare-configs`: one load on several configurations of the scheduler.

The work is done in `bench.load`.
"""

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from bench.load.cluster import ClusterError, LocalCluster, LocalSettings
from bench.load.configs import MOST, Once, Outcome, complete, encode, runs_of, table
from bench.load.context import RunError
from bench.load.html_configs import page_of_configs
from bench.load.measure import page_of
from bench.load.parse import WorkloadError, find_workload, read_workloads
from bench.load.placement import compute_placement
from bench.load.progress import Progress
from bench.load.repeated import MAX_RUNS
from bench.load.session import run_workload
from bench.load.settings import Settings
from bench.load.workload import Workload
from cli import flags
from cli.commands.load_options import wrong_configuration
from cli.commands.load_target import client_of, terminable
from cli.commands.load_trace import MAX_TRACE, check_trace
from cli.failures import Exit, Failure
from cli.printers.style import OVER
from cli.shell import Shell

_DEFAULT = "default"
_VICTIMS = "scheduler_preemption_victims_sum"


async def load_compare_configs(shell: Shell, given: dict[str, Any]) -> None:
    """Run a workload once or more for each configuration, each time on processes of its own.

    Show and write what came of it.
    """
    workload, configs = _checked(given)
    settings = Settings(
        run=f"load-{secrets.token_hex(3)}", create=given["create"] or ("batch" if given["trace"] else "pending"),
        in_flight=given["in_flight"], seed=given["seed"], verify=given["verify"], patience_seconds=given["patience_seconds"],
        trace=given["trace"].read(MAX_TRACE) if given["trace"] else "",
    )  # fmt: skip
    check_trace(workload, settings)
    progress = Progress(shell.err_text, over=OVER if shell.interactive else "")
    runs: list[list[Once]] = [[] for _ in configs]
    config = ""
    try:
        async with terminable():
            # In turn: what the machine does beside meets all of them alike.
            for number in range(1, given["repeat"] + 1):
                for config, done in zip(configs, runs, strict=True):
                    again = f", run {number} of {given['repeat']}" if given["repeat"] > 1 else ""
                    progress.say(f"with {config or _DEFAULT}{again}")
                    local = LocalSettings(fsync=not given["no_fsync"], scheduler_config=config)
                    done.append(await _run(workload, local, settings, progress))
    except (RunError, ClusterError) as error:
        raise Failure(f"{config or _DEFAULT}: {error}") from error
    finally:
        # Also what was found before a run failed, or Ctrl-C.
        outcomes = complete([Path(one).name for one in configs], runs)
        if outcomes:
            shell.out("\n".join(table(outcomes)) + "\n")
            _write(given, outcomes)
    _judge(shell, outcomes)


def _judge(shell: Shell, outcomes: Sequence[Outcome]) -> None:
    """Say what was wrong in any run, and end with 1 where there is any."""
    violations = [
        f"{name}: {text}"
        for name, run in runs_of(outcomes)
        for text in (run.report.verification.violations if run.report.verification else ())
    ]
    for text in violations:
        shell.err(f"violation: {text}")
    if violations:
        raise Exit(1)


def _checked(given: dict[str, Any]) -> tuple[Workload, list[str]]:
    """Return the workload and the files of configurations ("": the defaults), or say what is wrong before
    anything runs.
    """
    configs: tuple[str, ...] = given["configs"]
    if not 2 <= len(configs) <= MOST:
        raise Failure(f"--scheduler-config: 2 to {MOST} are compared, not {len(configs)}")
    for config in configs:
        if config != _DEFAULT and (wrong := wrong_configuration(config)):
            raise Failure(wrong)
    if given["trace"] and given["create"] == "pending":
        raise Failure("--create pending has no --trace: all Pods are there before")
    try:
        workload = find_workload(given["workload"], read_workloads([Path(file) for file in given["files"]]))
    except WorkloadError as error:
        raise Failure(str(error)) from error
    return workload, ["" if config == _DEFAULT else str(Path(config).resolve()) for config in configs]


async def _run(workload: Workload, local: LocalSettings, settings: Settings, progress: Progress) -> Once:
    how = {"fsync": local.fsync, "scheduler config": local.scheduler_config}
    async with LocalCluster(local) as cluster, client_of(cluster.address) as client:
        report = await run_workload(workload, cluster, client, settings, progress, **how)
        metrics = await page_of(cluster.scheduler_page)
        nodes, pods = await client.nodes.list(), await client.pods.list()
    placement = compute_placement(nodes.items, pods.items, run=settings.run)
    victims = int(metrics.total(_VICTIMS)) if metrics.has(_VICTIMS) else None
    return Once(report, placement, victims)


def _write(given: dict[str, Any], outcomes: Sequence[Outcome]) -> None:
    try:
        if given["output"]:
            Path(given["output"]).write_bytes(encode(outcomes))
        if given["html"]:
            Path(given["html"]).write_text(page_of_configs(outcomes), encoding="utf-8")
    except OSError as error:
        raise Failure(f"cannot write {error.filename}: {error.strerror}") from error


@click.command("compare-configs")
@click.argument("workload", metavar="CASE/VARIANT")
@click.option(
    "-f",
    "--filename",
    "files",
    multiple=True,
    help="A file of workloads, instead of those that come with the project.",
)
@click.option(
    "--scheduler-config",
    "configs",
    multiple=True,
    metavar="FILE",
    help=f"A configuration of the scheduler, or `{_DEFAULT}`; 2 to {MOST}. The first is what the others are compared with.",
)
@click.option(
    "--local", is_flag=True, help="It always runs on processes of its own: this says so, and changes nothing."
)
@click.option(
    "--repeat",
    type=click.IntRange(1, MAX_RUNS),
    default=1,
    show_default=True,
    help="Run it so often with each, in turn: medians, and how far the runs are apart.",
)
@click.option(
    "--trace",
    type=click.File("r"),
    help="Open loop: a file with the seconds from the start at which each Pod is due, one a line.",
)
@click.option(
    "--create",
    type=click.Choice(["pending", "batch"]),
    help="Measured Pods are there before the scheduler starts (the default), or are created in batches while it runs (with --trace the default).",
)
@click.option(
    "--in-flight",
    type=click.IntRange(1, 64),
    default=4,
    show_default=True,
    help="Batches under way at once; 1 keeps the order of Pods.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of what a workload draws.")
@click.option(
    "--patience",
    "patience_seconds",
    type=click.FloatRange(1, 3600),
    default=60.0,
    show_default=True,
    help="Give up when nothing has happened for so many seconds.",
)
@click.option("--verify/--no-verify", default=True, show_default=True, help="Judge each run afterwards.")
@click.option("--no-fsync", is_flag=True, help="etcd does not wait for the disk.")
@click.option(
    "-o",
    "--output",
    default="",
    help="Write everything as JSON: each report, each node's use, each Pod's node.",
)
@click.option("--html", default="", help="Write the comparison as one HTML page.")
def configs_command(**given: Any) -> None:
    """Run a workload for each of several configurations of the scheduler, and show them side by side.

    \b
      vaina load compare-configs Imported/Pending -f mine/workload.yaml \\
        --scheduler-config default --scheduler-config most-allocated.yaml
    """  # noqa: D301  # click reads the backspace as "leave the lines as they are"
    flags.start(lambda shell, _: load_compare_configs(shell, given))
