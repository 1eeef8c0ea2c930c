"""`vaina load compare-configs`: one load on several configurations of the scheduler."""

import secrets
from pathlib import Path
from typing import Any

import click

from bench.load.cluster import ClusterError, LocalCluster, LocalSettings
from bench.load.configs import MOST, Once, complete, encode, runs_of, table
from bench.load.context import RunError
from bench.load.html_configs import page_of_configs
from bench.load.judging import JudgingError, of_file
from bench.load.measure import page_of
from bench.load.placement import compute_placement
from bench.load.progress import Progress
from bench.load.repeated import MAX_RUNS
from bench.load.session import run_workload
from bench.load.settings import Settings
from bench.load.workload import Workload
from cli import flags
from cli.commands import load_target
from cli.failures import Exit, Failure
from cli.shell import Shell

_DEFAULT = "default"
_VICTIMS = "scheduler_preemption_victims_sum"


async def _compare_configs(shell: Shell, given: dict[str, Any]) -> None:
    """Run a workload for each configuration, on processes of its own; show and write what came of it."""
    workload, configs = _checked(given)
    settings = Settings(
        run=f"load-{secrets.token_hex(3)}", create=given["create"] or ("batch" if given["trace"] else "pending"),
        in_flight=given["in_flight"], seed=given["seed"], verify=given["verify"], patience_seconds=given["patience_seconds"],
        trace=given["trace"].read(load_target.MAX_TRACE) if given["trace"] else "",
    )  # fmt: skip
    load_target.check_trace(workload, settings)
    progress = load_target.progress_of(shell)
    runs: list[list[Once]] = [[] for _ in configs]
    config = ""
    try:
        async with load_target.terminable():
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
            load_target.write_files(
                ((given["output"], encode(outcomes)), (given["html"], page_of_configs(outcomes).encode()))
            )
    violations = [
        f"{name}: {words}"
        for name, run in runs_of(outcomes)
        for words in load_target.violations_of(run.report)
    ]
    for words in violations:
        shell.err(f"violation: {words}")
    if violations:
        raise Exit(1)


def _checked(given: dict[str, Any]) -> tuple[Workload, list[str]]:
    """Return the workload and the files of configurations ("": the defaults). Raises Failure."""
    configs: tuple[str, ...] = given["configs"]
    if not 2 <= len(configs) <= MOST:
        raise Failure(f"--scheduler-config: 2 to {MOST} are compared, not {len(configs)}")
    for config in configs:
        if config != _DEFAULT:
            try:
                of_file(config)
            except JudgingError as error:
                raise Failure(f"--scheduler-config: {error}") from error
    if given["trace"] and given["create"] == "pending":
        raise Failure("--create pending has no --trace: all Pods are there before")
    workload = load_target.workload_of(given["workload"], given["files"])
    return workload, ["" if config == _DEFAULT else str(Path(config).resolve()) for config in configs]


async def _run(workload: Workload, local: LocalSettings, settings: Settings, progress: Progress) -> Once:
    how = {"fsync": local.fsync, "scheduler config": local.scheduler_config}
    async with (
        LocalCluster(local) as cluster,
        load_target.client_of(cluster.address, cluster.credentials) as client,
    ):
        report = await run_workload(workload, cluster, client, settings, progress, **how)
        metrics = await page_of(cluster.scheduler_page)
        nodes, pods = await client.nodes.list(), await client.pods.list()
    placement = compute_placement(nodes.items, pods.items, run=settings.run)
    victims = int(metrics.total(_VICTIMS)) if metrics.has(_VICTIMS) else None
    return Once(report, placement, victims)


_OPTIONS = (
    load_target.FILES,
    flags.several(
        "--scheduler-config configs",
        f"A configuration of the scheduler, or `{_DEFAULT}`; 2 to {MOST}. The first is what the others are compared with.",
        "FILE",
    ),
    flags.flag("--local", "It always runs on processes of its own: this says so, and changes nothing."),
    flags.number(
        "--repeat",
        (1, MAX_RUNS),
        1,
        "Run it so often with each, in turn: medians, and how far the runs are apart.",
    ),
    load_target.trace_option(
        "Open loop: a file with the seconds from the start at which each Pod is due, one a line."
    ),
    click.option(
        "--create",
        type=click.Choice(["pending", "batch"]),
        help="Measured Pods are there before the scheduler starts (the default), or are created in batches while it runs (with --trace the default).",
    ),
    flags.number("--in-flight", (1, 64), 4, "Batches under way at once; 1 keeps the order of Pods."),
    click.option("--seed", type=int, default=1, show_default=True, help="Of what a workload draws."),
    load_target.PATIENCE,
    click.option("--verify/--no-verify", default=True, show_default=True, help="Judge each run afterwards."),
    flags.flag("--no-fsync", "etcd does not wait for the disk."),
    flags.text("-o --output", "Write everything as JSON: each report, each node's use, each Pod's node."),
    flags.text("--html", "Write the comparison as one HTML page."),
)


def _options(command: flags.F) -> flags.F:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command("compare-configs")
@click.argument("workload", metavar="CASE/VARIANT")
@_options
def configs_command(**given: Any) -> None:
    """Run a workload for each of several configurations of the scheduler, and show them side by side.

    \b
      vaina load compare-configs Imported/Pending -f mine/workload.yaml \\
        --scheduler-config default --scheduler-config most-allocated.yaml
    """  # noqa: D301  # click reads the backspace as "leave the lines as they are"
    flags.start(lambda shell, _: _compare_configs(shell, given))
