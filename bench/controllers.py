"""What controllers cost: python -m bench.controllers [--case deployment] [--pods 5000] [--sets 1000]
[--deployments 1000].

Real processes on the loopback: etcd, apiserver, scheduler, controllers, hollow kubelets. Each case has
processes of its own:

    unchanged    what a decision costs when nothing has changed; no processes
    deployment   a Deployment comes up, and is rolled over
    sets         ReplicaSets of ten Pods come up
    job          a Job runs, all its Pods at once, and is complete
    rest         nothing happens to many Deployments of one Pod

Said of each: seconds, writes a Pod, CPU µs a Pod of each process, and the most memory of each. The JSON
gathers: a run takes the place of its cases, the others' stay.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import unchanged
from bench.control_plane import ControlPlane, control_plane, until
from bench.report import Target, show_targets, write
from vaina.api.batch.v1 import job_pb2
from vaina.objects.jobs import COMPLETE, is_true
from vaina.testing.builders import make_deployment, make_replica_set

PODS_PER_SET = 10
UNCHANGED_TARGET_US = 200.0
#: at rest; leases are the nodes' signs of life, minions their statuses; bookkeeping is what each transaction
#: writes besides
HEARTBEATS = ("leases", "minions", "bookkeeping")
REST_CORE_TARGET = 0.01
#: nothing but heartbeats for so long is rest; statuses of what came last, Events and traces are written by then
SETTLE_SECONDS = 10.0
RESULTS = Path(__file__).parent / "results" / "controllers.json"
_CREATORS = 16


@dataclass(frozen=True, slots=True)
class Row:
    """One case, measured once."""

    case: str
    what: str
    pods: int
    seconds: float
    #: transactions of etcd a Pod, and objects written a Pod by what was done to which
    revisions: float
    writes: dict[str, float]
    cpu_us: dict[str, float] = field(default_factory=dict)
    #: the most that each process had, MB
    memory_mb: dict[str, float] = field(default_factory=dict)
    #: the controllers' share of a core
    core: float = 0.0


class Meter:
    """Measures what happens in a block, for so many Pods."""

    def __init__(self, made: ControlPlane, case: str) -> None:
        self._made, self._case = made, case

    async def measure(
        self, what: str, pods: int, act: Callable[[], Awaitable[None]], over: Callable[[], Awaitable[bool]]
    ) -> Row:
        """Do something, wait until it is over, and print what it cost."""
        made = self._made
        made.reset_memory()
        revision, before, began = made.revision(), made.cpu(), time.perf_counter()
        await act()
        await until(over, look_seconds=0.5)
        seconds = time.perf_counter() - began
        after, memory = made.cpu(), made.memory()
        used = {name: after[name] - before[name] for name in before}
        done = await asyncio.to_thread(made.writes, revision, made.revision())
        row = Row(
            self._case, what, pods, seconds, done.revisions / pods,
            {name: count / pods for name, count in done.objects.most_common()},
            {name: one / pods * 1e6 for name, one in used.items()}, memory, used["controller"] / seconds,
        )  # fmt: skip
        show(row)
        return row


async def measure_deployment(made: ControlPlane, options: argparse.Namespace) -> list[Row]:
    """Bring a Deployment up, and roll it over."""
    client, size = made.client.deployments, options.pods
    meter = Meter(made, "deployment")
    deployment = make_deployment("web", replicas=size)
    cheap(deployment.spec.template)

    async def create() -> None:
        await client.create(deployment)

    async def roll() -> None:
        found = await client.get("web", "default")
        found.spec.template.spec.containers[0].image = "busybox:2"
        await client.update(found)

    async def complete() -> bool:
        found = await client.get("web", "default")
        status = found.status
        if status.observed_generation != found.metadata.generation:
            return False
        counts = {status.updated_replicas, status.replicas, status.available_replicas}
        return counts == {size} and await _count(made) == size

    return [
        await meter.measure(f"a Deployment of {size:,} from nothing", size, create, complete),
        await meter.measure(f"a Deployment of {size:,} rolled over", size, roll, complete),
    ]


async def _count(made: ControlPlane) -> int:
    """Return how many Pods there are, those included that are ending."""
    return len((await made.client.pods.list("default", page=2000)).items)


async def measure_sets(made: ControlPlane, options: argparse.Namespace) -> list[Row]:
    """Bring many ReplicaSets up."""
    client, count = made.client.replica_sets, options.sets
    objects = [make_replica_set(f"rs-{number:05}", replicas=PODS_PER_SET) for number in range(count)]

    async def create() -> None:
        for one in objects:
            cheap(one.spec.template)
        await in_parallel(client.create, objects)

    async def complete() -> bool:
        sets = (await client.list("default")).items
        return bool(sum(rs.status.available_replicas for rs in sets) == count * PODS_PER_SET)

    what = f"{count:,} ReplicaSets of {PODS_PER_SET}"
    return [await Meter(made, "sets").measure(what, count * PODS_PER_SET, create, complete)]


async def measure_job(made: ControlPlane, options: argparse.Namespace) -> list[Row]:
    """Run a Job to completion."""
    size = options.pods
    job = job_pb2.Job(spec=job_pb2.JobSpec(completions=size, parallelism=size))
    job.metadata.name, job.metadata.namespace = "batch", "default"
    job.spec.template.CopyFrom(make_replica_set("batch").spec.template)
    cheap(job.spec.template)
    job.spec.template.metadata.labels.clear()
    job.spec.template.spec.restart_policy = "Never"
    job.spec.template.spec.containers[0].command.extend(["sleep", str(options.run_seconds)])

    async def create() -> None:
        await made.client.jobs.create(job)

    async def complete() -> bool:
        status = (await made.client.jobs.get("batch", "default")).status
        return bool(is_true(status.conditions, COMPLETE) and status.succeeded == size)

    return [await Meter(made, "job").measure(f"a Job of {size:,}", size, create, complete)]


async def measure_rest(made: ControlPlane, options: argparse.Namespace) -> list[Row]:
    """Let many Deployments be, once they are there."""
    count = options.deployments
    objects = [make_deployment(f"web-{number:05}", replicas=1) for number in range(count)]
    for one in objects:
        cheap(one.spec.template)
    await in_parallel(made.client.deployments.create, objects)

    async def complete() -> bool:
        found = (await made.client.deployments.list("default")).items
        return bool(sum(one.status.available_replicas for one in found) == count)

    async def settled() -> bool:
        before = made.revision()
        await asyncio.sleep(SETTLE_SECONDS)
        return not made.writes(before, made.revision()).without(*HEARTBEATS)

    async def rest() -> None:
        await asyncio.sleep(options.rest_seconds)

    async def over() -> bool:
        return True

    await until(complete, look_seconds=1.0)
    await until(settled)
    what = f"{count:,} Deployments at rest for {options.rest_seconds:.0f} s"
    return [await Meter(made, "rest").measure(what, count, rest, over)]


def cheap(template: Any) -> None:
    """Have a Pod ask for so little that a hundred find room on a node."""
    template.spec.containers[0].resources.requests["cpu"].string = "1m"


async def in_parallel(create: Callable[[Any], Awaitable[Any]], objects: list[Any]) -> None:
    """Create objects, some at a time."""
    left = iter(objects)

    async def worker() -> None:
        for one in left:
            await create(one)

    async with asyncio.TaskGroup() as group:
        for _ in range(_CREATORS):
            group.create_task(worker())


CASES: dict[str, Callable[[ControlPlane, argparse.Namespace], Awaitable[list[Row]]]] = {
    "deployment": measure_deployment,
    "sets": measure_sets,
    "job": measure_job,
    "rest": measure_rest,
}


def show(row: Row) -> None:
    """Print a row."""
    cpu = "  ".join(f"{name} {used:,.0f}" for name, used in row.cpu_us.items())
    memory = "  ".join(f"{name} {most:,.0f}" for name, most in row.memory_mb.items())
    writes = "  ".join(f"{name} {count:.3g}" for name, count in row.writes.items())
    total = sum(row.writes.values())
    print(
        f"{row.what}: {row.seconds:.1f} s, {total:.2f} writes a Pod in {row.revisions:.2f} transactions, "
        f"controllers {row.core:.2%} of a core\n    µs a Pod: {cpu}\n    MB: {memory}\n    writes a Pod: {writes}",
        flush=True,
    )


def targets_of(rows: list[Row], costs: dict[str, float]) -> list[Target]:
    """Return the figures that have to be reached, of the cases that were measured."""
    found: list[Target] = []
    if costs:
        name = f"reconcile of an unchanged ReplicaSet of {unchanged.PODS:,} Pods, µs"
        found.append(Target(name, next(iter(costs.values())), UNCHANGED_TARGET_US, at_most=True))
    for row in rows:
        if row.case == "rest":
            written = sum(n * row.pods for name, n in row.writes.items() if name.split()[1] not in HEARTBEATS)
            found.append(Target("at rest: writes besides heartbeats", written, 0.0, at_most=True))
            found.append(
                Target("at rest: controllers, share of a core", row.core, REST_CORE_TARGET, at_most=True)
            )
    return found


def earlier(out: Path) -> tuple[list[Row], dict[str, float]]:
    """Return the rows and costs that are in the file."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        content = json.loads(out.read_text())
        return [Row(**row) for row in content["rows"]], content["unchanged"]
    return [], {}


async def run(case: str, options: argparse.Namespace) -> list[Row]:
    """Measure a case on processes of its own."""
    async with control_plane(options) as made:
        return await CASES[case](made, options)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--case", action="append", choices=("unchanged", *CASES), help="may be repeated; default: all"
    )
    parser.add_argument("--pods", type=int, default=5000, help="of the Deployment and of the Job")
    parser.add_argument("--sets", type=int, default=1000, help="ReplicaSets of ten Pods")
    parser.add_argument("--deployments", type=int, default=1000, help="at rest")
    parser.add_argument("--rest-seconds", type=float, default=60.0, help="how long they are watched")
    parser.add_argument("--run-seconds", type=float, default=1.0, help="how long a Pod of the Job runs")
    parser.add_argument("--nodes", type=int, default=100, help="hollow nodes")
    parser.add_argument(
        "--profile", action="append", default=[], metavar="PROCESS=FILE", help="cProfile of a process"
    )
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    cases = options.case or ["unchanged", *CASES]
    rows, costs = earlier(options.out)
    for case in cases:
        rows = [row for row in rows if row.case != case]
        if case == "unchanged":
            costs = unchanged.costs()
            for name, cost in costs.items():
                print(f"{'unchanged: ' + name:60}{cost:12,.0f} µs")
            continue
        rows += asyncio.run(run(case, options))
        # Whoever ends this between two cases has the first.
        _write(options, rows, costs)
    targets = _write(options, rows, costs)
    show_targets(targets)


def _write(options: argparse.Namespace, rows: list[Row], costs: dict[str, float]) -> list[Target]:
    targets = targets_of(rows, costs)
    about = {name: str(value) for name, value in vars(options).items()}
    write(options.out, "controllers", rows, targets, unchanged=costs, options=about)
    return targets


if __name__ == "__main__":
    main()
