"""How fast an informer is filled.

20,000 Pods of an apiserver, over the loopback, beside what the same bytes cost without one.

    python -m bench.informer [--pods 20000] [--rounds 3] [--output bench/results/informer.json]

  bytes      the same watch read to the end of its initial events, nothing decoded: the floor of this server
             and this wire
  decoded    the same with each object parsed
  informer   an informer with a handler
  indexed    the same with indexes by node and by owner, as controllers have them

CPU is this process' alone. Targets are printed with whether they are met.
"""

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing
from pathlib import Path

from bench import report
from bench.apiserver_reads import Bench
from bench.etcd import ROOT
from vaina.api.core.v1 import pod_pb2
from vaina.api.meta.v1 import raw_pb2, request_pb2
from vaina.cache.informer import Informer
from vaina.client.clientset import Clientset
from vaina.client.transport import GrpcTransport
from vaina.clock import SystemClock
from vaina.kinds import POD

INDEXERS: dict[str, Callable[[pod_pb2.Pod], Iterable[str]]] = {
    "node": lambda pod: (pod.spec.node_name,),
    "owner": lambda pod: [owner.uid for owner in pod.metadata.owner_references],
}


async def read(transport: GrpcTransport, count: int, *, decode: bool) -> None:
    """Read the initial events of a watch."""
    request = request_pb2.WatchRequest(send_initial_events=True, allow_watch_bookmarks=True)
    seen = 0
    async with aclosing(transport.stream(POD.method("Watch"), request.SerializeToString())) as answers:
        async for answer in answers:
            # What frames each object is parsed in either case: without it nobody knows how many there are.
            batch = raw_pb2.RawWatchResponse.FromString(answer)
            if decode:
                for event in batch.events:
                    pod_pb2.Pod.FromString(event.object)
            seen += len(batch.events)
            if seen > count:
                return


async def fill(transport: GrpcTransport, count: int, *, indexed: bool) -> None:
    """Fill an informer."""
    informer = Informer(Clientset(transport).pods, SystemClock(), indexers=INDEXERS if indexed else None)
    told = 0

    def handler(changes: object) -> None:
        nonlocal told
        assert isinstance(changes, list)
        told += len(changes)

    informer.add_batch_handler(handler)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(informer.run())
        await informer.wait_synced()
        running.cancel()
    assert told == len(informer.lister) == count


async def measure(
    name: str, target: str, count: int, work: Callable[[GrpcTransport], Awaitable[None]]
) -> report.Row:
    """Do it once over a connection of its own."""
    transport = GrpcTransport(target)
    start, used = time.perf_counter(), time.process_time()
    await work(transport)
    seconds, cpu = time.perf_counter() - start, time.process_time() - used
    await transport.close()
    return report.row(name, count, seconds, [seconds], {"client": cpu})


async def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pods", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=ROOT / "bench" / "results" / "informer.json")
    arguments = parser.parse_args()
    count: int = arguments.pods
    cases: dict[str, Callable[[GrpcTransport], Awaitable[None]]] = {
        "bytes": lambda transport: read(transport, count, decode=False),
        "decoded": lambda transport: read(transport, count, decode=True),
        "informer": lambda transport: fill(transport, count, indexed=False),
        "indexed": lambda transport: fill(transport, count, indexed=True),
    }
    bench = Bench()
    try:
        await bench.fill(count)
        rounds = [
            {name: await measure(name, bench.apiserver.target, count, work) for name, work in cases.items()}
            for _ in range(arguments.rounds)
        ]
    finally:
        await bench.close()
    rows = [report.median([one[name] for one in rounds]) for name in cases]
    targets = [
        report.Target(f"informer of {count:,} Pods filled, s", rows[-1].p50_ms / 1e3, 3.0, at_most=True)
    ]
    report.show(rows, targets)
    report.write(arguments.output, "informer", rows, targets, pods=count, rounds=arguments.rounds)


if __name__ == "__main__":
    asyncio.run(main())
