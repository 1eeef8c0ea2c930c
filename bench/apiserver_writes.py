"""How fast the apiserver writes, beside a no-op server of the same sort and beside etcd driven directly, in
one run.

    python -m bench.apiserver_writes [-n 5000] [--repeat 3] [--case create] [--fsync] [--tls [--audit] [--rest]]
        [--output bench/results/apiserver_writes.json]

etcd, apiserver, no-op server and this load generator are processes of their own on the loopback; requests are
encoded beforehand. Pods have about 900 bytes and one spec. Cases, each in every repetition, peers next to
what is compared with them:
  echo           the no-op server, the same bytes as a create, 32 in flight
  create         Create, 32 in flight
  update         Update of a label, with the version that was read, 32 in flight
  alone          echo and Create, one in flight
  batches        CreateBatch, 100 a call, 4 in flight
  bind           BindBatch, 126 a call, 2 in flight, of Pods made before
  events         CreateBatch of the Event that a Pod was scheduled, 100 a call, 2 in flight
  etcd           transactions with 100 puts, 4 in flight, and with 126 puts, one in flight: what storage would
                 do by itself

The table has objects a second, p50 and p99 of a call, and CPU µs per object of each process; medians of the
repetitions. etcd runs without fsync, so that it is the code that is measured (`--fsync` for the disk as
well). With `--tls` apiserver, etcd and load speak over TLS, and calls are authorized; with `--audit` the
apiserver writes an audit log by the policy of the compose file, and with `--rest` it has a REST port that
nobody uses. Targets are printed with whether they are met;
the exit code says nothing of them.
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import grpc
from aetcd.rpc import rpc_pb2

from bench import echo, report
from bench.etcd import ROOT, EtcdProcess, free_port
from bench.objects import make_pod
from bench.processes import ServiceProcess, cpu_seconds
from vaina.api.core.v1 import event_pb2, node_pb2, pod_pb2, pod_service_pb2
from vaina.api.meta.v1 import raw_pb2
from vaina.client.channels import OPTIONS
from vaina.clock import SystemClock
from vaina.kinds import EVENT, NODE, POD, Kind
from vaina.pki.cluster import Folders
from vaina.pki.folder import Folder

IN_FLIGHT: Final = 32
BATCH, BATCHES_IN_FLIGHT = 100, 4
#: of a call, as many as fit into a transaction
BINDINGS: Final = 126
#: batched cases write so many times as many objects
_BATCHED: Final = 4
_CALL_SECONDS: Final = 30.0

Call = Callable[[bytes], Awaitable[bytes]]


class Bench:
    """The processes and what has been measured. Owned by one task."""

    def __init__(self, options: argparse.Namespace) -> None:
        fsync = () if options.fsync else ("--unsafe-no-fsync",)
        self.count: int = options.n
        self._folder = tempfile.TemporaryDirectory(prefix="vaina-bench-")
        folder, secured = Path(self._folder.name), list[str]()
        if options.tls:
            Folders(folder).make(SystemClock().now())
            secured = [f"--cert-dir={folder}/apiserver", f"--etcd-cert-dir={folder}/apiserver-etcd-client"]
        if options.audit:
            policy = ROOT / "deploy" / "audit-policy.yaml"
            secured += [f"--audit-log-path={folder}/audit.log", f"--audit-policy-file={policy}"]
        if options.rest:
            secured.append(f"--rest-listen=127.0.0.1:{free_port()}")
        self.etcd = EtcdProcess(
            "--quota-backend-bytes=8589934592", *fsync, cert_dir=folder / "etcd" if options.tls else None
        )
        self.apiserver = ServiceProcess(
            "apiserver",
            f"--etcd-endpoints={self.etcd.target}",
            "--log-level=warning",
            *secured,
            profile=options.profile,
        )
        port = free_port()
        self._echo = subprocess.Popen(
            [sys.executable, "-m", "bench.echo", f"--listen=127.0.0.1:{port}"], cwd=ROOT
        )
        self.apiserver.wait_healthy()
        shown = ("", "admin", "apiserver-etcd-client") if options.tls else ("", "", "")
        targets = (f"127.0.0.1:{port}", self.apiserver.target, self.etcd.target)
        self._channels = [
            grpc.aio.secure_channel(target, Folder(folder / name).current().channel_credentials(), OPTIONS)
            if name
            else grpc.aio.insecure_channel(target, options=OPTIONS)
            for target, name in zip(targets, shown, strict=True)
        ]
        self._number = 0

    async def close(self) -> None:
        """End everything."""
        for channel in self._channels:
            await channel.close(None)
        self._echo.terminate()
        self._echo.wait()
        self.apiserver.close()
        self.etcd.close()
        self._folder.cleanup()

    async def measure(
        self,
        case: str,
        call: Call,
        requests: Sequence[bytes],
        in_flight: int,
        *,
        each: int = 1,
        server: str = "apiserver",
    ) -> tuple[report.Row, list[bytes]]:
        """Send the requests, so many in flight; each has so many objects. Return the row and the answers."""
        await call(requests[0])  # connects, and is what the server does first
        left: Iterator[bytes] = iter(requests[1:])
        latencies: list[float] = []
        answers: list[bytes] = []

        async def caller() -> None:
            for request in left:
                begun = time.perf_counter()
                answers.append(await call(request))
                latencies.append(time.perf_counter() - begun)

        before, start = self._cpu(server), time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(in_flight):
                group.create_task(caller())
        seconds = time.perf_counter() - start
        used = {name: after - before[name] for name, after in self._cpu(server).items()}
        return report.row(case, (len(requests) - 1) * each, seconds, latencies, used), answers

    def _cpu(self, server: str) -> dict[str, float]:
        """Return the CPU seconds used so far by the processes that have a part in a case."""
        used = {"load": time.process_time()}
        if server != "echo":
            used["etcd"] = self.etcd.cpu_seconds()
        if server == "apiserver":
            used["apiserver"] = self.apiserver.cpu_seconds()
        if server == "echo":
            used["echo"] = cpu_seconds(self._echo.pid)
        return used

    def echo(self) -> Call:
        """Return how to call the no-op server."""
        return self._call(0, echo.PATH)

    def pods(self, method: str) -> Call:
        """Return how to call the Pod service."""
        return self.service(POD, method)

    def service(self, kind: Kind[Any], method: str) -> Call:
        """Return how to call a kind's service."""
        return self._call(1, kind.method(method))

    def etcd_txn(self) -> Call:
        """Return how to call etcd."""
        return self._call(2, "/etcdserverpb.KV/Txn")

    def _call(self, channel: int, path: str) -> Call:
        opened: Any = self._channels[channel]  # the stubs want serialisers, of which there are none
        method = opened.unary_unary(path)

        async def call(request: bytes) -> bytes:
            answer: bytes = await method(request, timeout=_CALL_SECONDS)
            return answer

        return call

    def creates(self, count: int) -> list[raw_pb2.RawCreateRequest]:
        """Return so many creates, each with a name of its own."""
        first, self._number = self._number, self._number + count
        return [
            raw_pb2.RawCreateRequest(object=make_pod(f"pod-{number:07}").SerializeToString())
            for number in range(first, self._number)
        ]


def _encoded(messages: Sequence[Any]) -> list[bytes]:
    return [message.SerializeToString() for message in messages]


async def create(bench: Bench) -> list[report.Row]:
    """Creates beside echoes of the same bytes, and updates of what was created."""
    requests = _encoded(bench.creates(bench.count + 1))
    peer, _ = await bench.measure("echo, 32 in flight", bench.echo(), requests, IN_FLIGHT, server="echo")
    created, answers = await bench.measure("create, 32 in flight", bench.pods("Create"), requests, IN_FLIGHT)
    changed = []
    for answer in answers:
        pod = pod_pb2.Pod.FromString(answer)
        pod.metadata.labels["changed"] = "yes"
        changed.append(raw_pb2.RawUpdateRequest(object=pod.SerializeToString()))
    updated, _ = await bench.measure(
        "update, 32 in flight", bench.pods("Update"), _encoded(changed), IN_FLIGHT
    )
    return [peer, created, updated]


async def alone(bench: Bench) -> list[report.Row]:
    """One call at a time: what a write waits for."""
    requests = _encoded(bench.creates(bench.count // 5 + 1))
    peer, _ = await bench.measure("echo, alone", bench.echo(), requests, 1, server="echo")
    created, _ = await bench.measure("create, alone", bench.pods("Create"), requests, 1)
    return [peer, created]


async def batches(bench: Bench) -> list[report.Row]:
    """Batched creates beside etcd, which is given the same bytes."""
    calls = bench.count * _BATCHED // BATCH + 1
    requests = [raw_pb2.RawCreateBatchRequest(requests=bench.creates(BATCH)) for _ in range(calls)]
    created, answers = await bench.measure(
        "batches of 100, 4 in flight",
        bench.pods("CreateBatch"),
        _encoded(requests),
        BATCHES_IN_FLIGHT,
        each=BATCH,
    )
    value = raw_pb2.RawBatchResponse.FromString(answers[0]).results[0].object
    rows = [created]
    for puts, in_flight in ((BATCH, BATCHES_IN_FLIGHT), (126, 1)):
        direct = [_txn(number, puts, value) for number in range(bench.count * _BATCHED // puts + 1)]
        name = f"etcd, {puts} puts, {in_flight} in flight"
        row, _ = await bench.measure(name, bench.etcd_txn(), direct, in_flight, each=puts, server="etcd")
        rows.append(row)
    return rows


def _txn(number: int, puts: int, value: bytes) -> bytes:
    """Return a transaction of puts, outside of what the apiserver watches."""
    requests = [
        rpc_pb2.PutRequest(key=f"/bench/pods/default/pod-{number:06}-{puts}-{index:03}".encode(), value=value)
        for index in range(puts)
    ]
    operations = [rpc_pb2.RequestOp(request_put=request) for request in requests]
    txn: bytes = rpc_pb2.TxnRequest(success=operations).SerializeToString()
    return txn


async def bind(bench: Bench) -> list[report.Row]:
    """Bindings of new Pods to one node, as the scheduler sends them."""
    node = node_pb2.Node()
    node.metadata.name = "node-1"
    await bench.service(NODE, "Create")(
        raw_pb2.RawCreateRequest(object=node.SerializeToString()).SerializeToString()
    )
    requests = []
    for _ in range(bench.count // BINDINGS + 1):
        made = raw_pb2.RawCreateBatchRequest(requests=bench.creates(BINDINGS))
        answer = raw_pb2.RawBatchResponse.FromString(
            await bench.pods("CreateBatch")(made.SerializeToString())
        )
        request = pod_service_pb2.BindPodBatchRequest()
        for result in answer.results:
            pod, wanted = pod_pb2.Pod.FromString(result.object), request.bindings.add()
            wanted.metadata.name, wanted.metadata.namespace = pod.metadata.name, pod.metadata.namespace
            wanted.metadata.uid, wanted.target.kind, wanted.target.name = pod.metadata.uid, "Node", "node-1"
        requests.append(request)
    row, answers = await bench.measure(
        "bindings, 126 a call, 2 in flight", bench.pods("BindBatch"), _encoded(requests), 2, each=BINDINGS
    )
    refused = [
        result.message
        for answer in answers
        for result in pod_service_pb2.BindPodBatchResponse.FromString(answer).results
        if result.code
    ]
    if refused:
        raise RuntimeError(f"{len(refused)} bindings were refused: {refused[0]}")
    return [row]


async def events(bench: Bench) -> list[report.Row]:
    """Events as the scheduler writes them."""
    requests = [
        raw_pb2.RawCreateBatchRequest(
            requests=[
                raw_pb2.RawCreateRequest(object=make_event(call * BATCH + number).SerializeToString())
                for number in range(BATCH)
            ]
        )
        for call in range(bench.count // BATCH + 1)
    ]
    row, _ = await bench.measure(
        "events, 100 a call, 2 in flight",
        bench.service(EVENT, "CreateBatch"),
        _encoded(requests),
        2,
        each=BATCH,
    )
    return [row]


def make_event(number: int) -> event_pb2.Event:
    """Return what the scheduler says of a Pod that it has bound, some 350 bytes."""
    name, source = f"pod-{number:07}", "default-scheduler"
    event = event_pb2.Event(
        reason="Scheduled", type="Normal", count=1, message=f"Successfully assigned default/{name} to node-1",
        source=event_pb2.EventSource(component=source), reporting_component=source, reporting_instance="scheduler-0",
    )  # fmt: skip
    event.metadata.name, event.metadata.namespace = f"{name}.17f3c9cea0e54b6c", "default"
    about = event.involved_object
    about.kind, about.api_version, about.name, about.namespace = "Pod", "v1", name, "default"
    about.uid = f"0b7f1c5e-7a0f-4a4e-9d0f-{number:012}"
    event.first_timestamp.seconds = event.last_timestamp.seconds = 1_767_225_600
    return event


CASES: Final = {"create": create, "alone": alone, "batches": batches, "bind": bind, "events": events}


def targets(rows: Sequence[report.Row]) -> list[report.Target]:
    """Return what the issue asks for, of the cases that were run."""
    rate = {one.case: one.rate for one in rows}
    found = []
    if "create, 32 in flight" in rate:
        peer = rate["echo, 32 in flight"]
        found += [
            report.Target(f"unary {verb} / no-op echo", rate[f"{verb}, 32 in flight"] / peer, 0.6)
            for verb in ("create", "update")
        ]
    if "batches of 100, 4 in flight" in rate:
        ours = rate["batches of 100, 4 in flight"]
        direct = max(value for name, value in rate.items() if name.startswith("etcd, "))
        found.append(
            report.Target("batched creates / raw batched etcd writes (the faster)", ours / direct, 0.2)
        )
        found.append(report.Target("batched creates a second", ours, 10_000))
    return found


@asynccontextmanager
async def running(options: argparse.Namespace) -> AsyncIterator[Bench]:
    """Have the processes while the block lasts."""
    bench = Bench(options)
    try:
        yield bench
    finally:
        await bench.close()


async def run_once(options: argparse.Namespace) -> list[report.Row]:
    """Run the cases over new processes."""
    async with running(options) as bench:
        return [row for case in options.case or CASES for row in await CASES[case](bench)]


def main() -> None:
    """Run, print the table, write the JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "-n",
        type=int,
        default=5000,
        help="unary calls of a case; batched cases write four times as many objects",
    )
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--case", action="append", choices=CASES)
    parser.add_argument("--fsync", action="store_true", help="let etcd wait for the disk")
    parser.add_argument("--tls", action="store_true", help="speak over TLS, as a deployed cluster does")
    parser.add_argument("--audit", action="store_true", help="have the apiserver write its audit log")
    parser.add_argument(
        "--rest", action="store_true", help="have the apiserver serve REST, which nobody calls"
    )
    parser.add_argument("--profile", type=Path, help="where cProfile writes what it saw in the apiserver")
    parser.add_argument("--output", type=Path, default=Path("bench/results/apiserver_writes.json"))
    options = parser.parse_args()
    runs = [asyncio.run(run_once(options)) for _ in range(options.repeat)]
    rows = [report.median(case) for case in zip(*runs, strict=True)]
    found = targets(rows)
    report.show(rows, found)
    report.write(
        options.output,
        "apiserver_writes",
        rows,
        found,
        n=options.n,
        repeat=options.repeat,
        fsync=options.fsync,
        tls=options.tls,
        audit=options.audit,
    )


if __name__ == "__main__":
    main()
