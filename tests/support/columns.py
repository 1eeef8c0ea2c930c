"""Are a scheduler's columns true? For the end of any test that schedules: what `vaina scheduler verify` asks."""

from scheduler.columns.pod_counts import DomainSum, PodColumn
from scheduler.columns.topology import Topology
from scheduler.debug.verify import Rebuilt, capture, compare, rebuild
from scheduler.scheduler import Scheduler
from scheduler.service import SchedulerService
from vaina.client.clientset import Clientset
from vaina.client.scheduler import SchedulerClient
from vaina.client.transport import GrpcTransport, InProcessTransport
from vaina.clock import Clock


def column_differences(scheduler: Scheduler) -> list[str]:
    """Return how the columns of a scheduler in this process differ from what it has been shown, all at once."""
    captured = capture(
        scheduler.cache, nodes=scheduler.nodes.lister.list(), pods=scheduler.pods.lister.list(),
        queued=scheduler.queue.uids(), ours=scheduler.frameworks.names,
        namespaces=scheduler.namespaces.lister.list(),
    )  # fmt: skip
    rebuilt = Rebuilt()
    for _ in rebuild(captured, rebuilt):
        pass
    return [
        f"{item.subject}: {item.what} is {item.have}, should be {item.want}"
        for item in compare(captured, rebuilt)
        if item is not None
    ]


async def check_columns(scheduler: Scheduler, clients: Clientset, clock: Clock) -> None:
    """Assert that the columns of a scheduler in this process follow from the API objects it has been shown."""
    service = SchedulerService(scheduler, clients, clock, identity="test")
    await _check(SchedulerClient(InProcessTransport(service.handlers(), clock=clock)))


async def check_columns_at(target: str, *, against_apiserver: bool = False) -> None:
    """Assert the same of a scheduler that serves at host:port."""
    transport = GrpcTransport(target)
    try:
        await _check(SchedulerClient(transport), against_apiserver=against_apiserver)
    finally:
        await transport.close()


async def _check(client: SchedulerClient, *, against_apiserver: bool = False) -> None:
    answer = await client.verify(against_apiserver=against_apiserver)
    assert answer.answered_by.pods_version, "nothing has been shown to it yet"
    lines = [
        f"{item.subject}: {item.what} is {item.have}, should be {item.want}" for item in answer.differences
    ]
    assert not answer.difference_count, "\n".join(lines)


def wrong_counters(topology: Topology) -> list[str]:
    """Count all that is alive over again; return what was not true."""
    found: list[str] = []
    for peers, column in [*topology._columns.items()]:
        again = PodColumn(peers)
        topology._fill(again)
        if again.rows != column.rows:
            found.append(f"column of {[str(item.selector) for item in peers]}")
    for key, sums in [*topology._by_key.items()]:
        for summed in filter(None, [weak() for weak in sums]):
            fresh = DomainSum(key, summed.sources, summed.eligible)
            fresh.fill(*topology._codes(key))
            size = min(len(fresh.values), len(summed.values))
            if (fresh.values[:size] != summed.values[:size]).any() or summed.values[size:].any():
                found.append(f"sum by {key}")
    return found
