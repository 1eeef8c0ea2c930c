"""What Deployments and ReplicaSets cost: python -m bench.controllers [--deployment 5000] [--sets 1000] [--plans-only].

Real processes on the loopback: etcd, apiserver, scheduler, controllers, hollow kubelets. A Deployment comes up and is rolled over,
ReplicaSets of ten Pods come up. Said of each: seconds until all is available, writes of etcd a Pod, CPU µs a Pod of each process, and how
large the controllers got. `--plans-only` measures what a decision costs when nothing has changed, in this process.
"""

import argparse
import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.etcd import EtcdProcess
from bench.processes import ServiceProcess, cpu_seconds
from bench.report import Target, write
from controller.deployment.reconcile import reconcile as plan_deployment
from controller.replicaset.owner import of_replica_set
from controller.replicaset.reconcile import observe, reconcile
from controller.replicaset.status import compute_status
from controller.rest import AtRest
from vaina.client.clientset import Clientset
from vaina.client.transport import GrpcTransport
from vaina.testing.builders import make_deployment, make_pod, make_replica_set, owner_ref
from vaina.testing.clock import EPOCH

PODS_PER_SET = 10
PLAN_PODS, PLAN_TARGET_US = 1000, 200.0
LOOK_SECONDS, PATIENCE_SECONDS = 0.25, 1800.0
RESULTS = Path(__file__).parent / "results" / "controllers.json"


@dataclass(frozen=True, slots=True)
class Row:
    """One case, measured once."""

    case: str
    pods: int
    seconds: float
    #: revisions of etcd a Pod
    writes: float
    cpu_us: dict[str, float] = field(default_factory=dict)
    #: of the controllers at the end, MB
    memory_mb: float = 0.0


class Plane:
    """The processes and a client."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._etcd = EtcdProcess("--unsafe-no-fsync", "--quota-backend-bytes=4294967296")
        quiet = "--log-level=warning"
        api = ServiceProcess("apiserver", f"--etcd-endpoints={self._etcd.target}", quiet)
        self.processes = {"apiserver": api}
        api.wait_healthy()
        at = f"--apiserver={api.target}"
        for name, more in (
            ("scheduler", ("--leader-elect=false",)),
            ("controller", ("--leader-elect=false", f"--hollow-cidr-mask={24}")),
            ("kubelet", (f"--hollow-nodes={options.nodes}", "--hollow-prefix=hollow")),
        ):
            self.processes[name] = ServiceProcess(name, at, quiet, *more)
        self.client = Clientset(GrpcTransport(api.target))

    def cpu(self) -> dict[str, float]:
        """Return the CPU seconds of each process."""
        used = {name: process.cpu_seconds() for name, process in self.processes.items()}
        return {**used, "etcd": cpu_seconds(self._etcd.pid)}

    async def version(self) -> int:
        """Return the revision of etcd: each write has one."""
        return int((await self.client.namespaces.list(limit=1)).resource_version) // 128

    async def close(self) -> None:
        """End everything."""
        await self.client.close()
        for process in reversed(self.processes.values()):
            process.close()
        self._etcd.close()


@asynccontextmanager
async def plane(options: argparse.Namespace) -> AsyncIterator[Plane]:
    """Run the processes until the block ends, with all nodes Ready."""
    made = Plane(options)
    try:
        await until(lambda: nodes_are_ready(made, options.nodes))
        yield made
    finally:
        await made.close()


async def nodes_are_ready(made: Plane, count: int) -> bool:
    """Say whether so many nodes are Ready."""
    nodes = (await made.client.nodes.list_all()).items
    return count == sum(
        any(one.type == "Ready" and one.status == "True" for one in node.status.conditions) for node in nodes
    )


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Look again and again until something holds. Raises TimeoutError."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await holds():  # noqa: ASYNC110  # what is waited for happens in other processes
            await asyncio.sleep(LOOK_SECONDS)


async def measure(
    made: Plane, case: str, pods: int, act: Callable[[], Awaitable[None]], over: Callable[[], Awaitable[bool]]
) -> Row:
    """Do something and wait until it is over."""
    version, before, began = await made.version(), made.cpu(), time.perf_counter()
    await act()
    await until(over)
    seconds = time.perf_counter() - began
    after, writes = made.cpu(), await made.version() - version
    used = {name: (after[name] - before[name]) / pods * 1e6 for name in before}
    return Row(case, pods, seconds, writes / pods, used, made.processes["controller"].memory_bytes() / 1e6)


async def run(options: argparse.Namespace) -> list[Row]:
    """Measure all cases, one after the other."""
    async with plane(options) as made:
        client, size = made.client, options.deployment
        deployment = make_deployment("web", replicas=size)
        small = deployment.spec.template.spec.containers[0].resources.requests
        small["cpu"].string = "1m"

        async def create() -> None:
            await client.deployments.create(deployment)

        async def roll() -> None:
            found = await client.deployments.get("web", "default")
            found.spec.template.spec.containers[0].image = "busybox:2"
            await client.deployments.update(found)

        async def complete() -> bool:
            found = await client.deployments.get("web", "default")
            status = found.status
            return bool(status.observed_generation == found.metadata.generation) and (
                status.updated_replicas == status.replicas == status.available_replicas == size
            )

        rows = [
            await measure(made, f"a Deployment of {size:,} from nothing", size, create, complete),
            await measure(made, f"a Deployment of {size:,} rolled over", size, roll, complete),
        ]
        await client.deployments.delete("web", "default")
        await until(lambda: _is_empty(made))

        async def create_sets() -> None:
            for number in range(options.sets):
                rs = make_replica_set(f"rs-{number:05}", replicas=PODS_PER_SET)
                rs.spec.template.spec.containers[0].resources.requests["cpu"].string = "1m"
                await client.replica_sets.create(rs)

        async def all_there() -> bool:
            sets = (await client.replica_sets.list_all("default")).items
            return bool(sum(rs.status.available_replicas for rs in sets) == options.sets * PODS_PER_SET)

        case = f"{options.sets:,} ReplicaSets of {PODS_PER_SET}"
        return [*rows, await measure(made, case, options.sets * PODS_PER_SET, create_sets, all_there)]


async def _is_empty(made: Plane) -> bool:
    return not (await made.client.pods.list("default", limit=1)).items


def plans() -> dict[str, float]:
    """Return what decisions cost when nothing has changed: µs each."""
    ref = owner_ref("ReplicaSet", "web", "uid-default-web")
    pods = [
        make_pod(f"web-{number}", labels={"app": "web"}, owner=ref, phase="Running", ready=True)
        for number in range(PLAN_PODS)
    ]
    replica_set = make_replica_set("web", replicas=PLAN_PODS)
    owner = of_replica_set(replica_set)
    told = compute_status(owner, observe(owner, pods), failure=None, now=EPOCH).status
    assert told is not None
    replica_set.status.CopyFrom(told)

    def keep() -> None:
        observed = observe(owner, pods)
        assert not reconcile(owner, observed, may_act=True, now=EPOCH).create
        assert compute_status(owner, observed, failure=None, now=EPOCH).status is None

    deployment = make_deployment("web", replicas=PLAN_PODS)
    made = plan_deployment(deployment, [], EPOCH)
    assert made.create is not None
    rest = AtRest()
    rest.note("web", replica_set, pods)

    def look_again() -> None:
        # As the controller does: the Pods come out of the cache, a list of their own each time.
        assert rest.is_same("web", replica_set, [*pods])

    return {
        f"a ReplicaSet of {PLAN_PODS:,} Pods, again": _microseconds(look_again),
        f"a ReplicaSet of {PLAN_PODS:,} Pods, for the first time": _microseconds(keep),
        "a Deployment with one ReplicaSet": _microseconds(
            lambda: plan_deployment(deployment, [made.create] if made.create else [], EPOCH)
        ),
    }


def _microseconds(act: Callable[[], object]) -> float:
    """Return the least that a call took of some: other work on the machine only adds."""
    best = float("inf")
    for _ in range(20):
        began = time.perf_counter()
        act()
        best = min(best, time.perf_counter() - began)
    return best * 1e6


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--deployment", type=int, default=5000, help="Pods of the Deployment")
    parser.add_argument("--sets", type=int, default=1000, help="ReplicaSets of ten Pods")
    parser.add_argument("--nodes", type=int, default=100, help="hollow nodes")
    parser.add_argument("--plans-only", action="store_true")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    costs = plans()
    for name, cost in costs.items():
        print(f"{'unchanged: ' + name:44}{cost:12,.0f} µs")
    rows = [] if options.plans_only else asyncio.run(run(options))
    for one in rows:
        cpu = "  ".join(f"{name} {used:,.0f}" for name, used in one.cpu_us.items())
        print(
            f"{one.case:44}{one.seconds:8.1f} s  {one.writes:5.1f} writes a Pod  µs: {cpu}  {one.memory_mb:.0f} MB"
        )
    target = Target(
        "reconcile of an unchanged ReplicaSet of 1,000 Pods, µs",
        next(iter(costs.values())),
        PLAN_TARGET_US,
        at_most=True,
    )
    write(
        options.out,
        "controllers",
        rows,
        [target],
        plans=costs,
        options={k: str(v) for k, v in vars(options).items()},
    )
    print(
        f"{target.name}: {target.value:,.0f} (target {target.bound:,.0f}): {'met' if target.is_met else 'MISSED'}"
    )


if __name__ == "__main__":
    main()
