"""A control plane as processes on the loopback, with hollow nodes, and what it wrote and used: for benchmarks.

What was written is read from etcd's own history afterwards, so that counting takes nothing from what is
measured.
"""

import argparse
import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
from aetcd.rpc import kv_pb2, rpc_pb2, rpc_pb2_grpc

from bench.etcd import EtcdProcess
from bench.processes import ServiceProcess, cpu_seconds
from vaina.client.clientset import Clientset
from vaina.client.transport import GrpcTransport

LOOK_SECONDS, PATIENCE_SECONDS = 0.25, 400.0
_UNLIMITED = (("grpc.max_receive_message_length", -1),)
#: all keys there are
_FIRST, _ALL = b"\x00", b"\x00"
_REGISTRY = "/registry/"


@dataclass(frozen=True, slots=True)
class Writes:
    """What etcd was asked to write between two moments."""

    #: transactions: each is one revision
    revisions: int
    #: objects, by "create pods", "update leases", "delete events"
    objects: Counter[str]

    def without(self, *resources: str) -> "Counter[str]":
        """Return the writes of all but these resources."""
        return Counter({key: n for key, n in self.objects.items() if key.split()[1] not in resources})


class ControlPlane:
    """The processes and a client. Owned by `control_plane`."""

    def __init__(self, options: argparse.Namespace) -> None:
        """Start the processes.

        Args:
            options: nodes: how many hollow ones; profile: `controller=FILE` and the like, for cProfile.
        """
        profiles = {name: Path(file) for name, _, file in (text.partition("=") for text in options.profile)}
        self._etcd = EtcdProcess("--unsafe-no-fsync", "--quota-backend-bytes=4294967296")
        quiet = "--log-level=warning"
        self.processes: dict[str, ServiceProcess] = {}
        try:
            # The history is read afterwards: it is to stay.
            api = ServiceProcess(
                "apiserver", f"--etcd-endpoints={self._etcd.target}", "--compaction-seconds=0", quiet,
                profile=profiles.get("apiserver"),
            )  # fmt: skip
            self.processes["apiserver"] = api
            api.wait_healthy()
            at = f"--apiserver={api.target}"
            for name, more in (
                ("scheduler", ("--leader-elect=false",)),
                # Signs of life that come late on a busy machine are no case of these.
                ("controller", ("--leader-elect=false", f"--node-monitor-grace-seconds={PATIENCE_SECONDS}")),
                ("kubelet", (f"--hollow-nodes={options.nodes}", "--hollow-prefix=hollow")),
            ):
                self.processes[name] = ServiceProcess(name, at, quiet, *more, profile=profiles.get(name))
        except BaseException:
            self._end()
            raise
        self.client = Clientset(GrpcTransport(api.target))

    def cpu(self) -> dict[str, float]:
        """Return the CPU seconds of each process."""
        used = {name: process.cpu_seconds() for name, process in self.processes.items()}
        return {"etcd": cpu_seconds(self._etcd.pid), **used}

    def memory(self) -> dict[str, float]:
        """Return the most memory that each process had since `reset_memory`, in MB."""
        return {name: process.peak_memory_bytes() / 1e6 for name, process in self.processes.items()}

    def reset_memory(self) -> None:
        """Let the peaks begin anew."""
        for process in self.processes.values():
            process.reset_peak_memory()

    def revision(self) -> int:
        """Return etcd's."""
        with grpc.insecure_channel(self._etcd.target) as channel:
            stub = rpc_pb2_grpc.KVStub(channel)
            answer = stub.Range(rpc_pb2.RangeRequest(key=_FIRST, count_only=True), timeout=10)
            return int(answer.header.revision)

    def writes(self, after: int, until: int) -> Writes:
        """Return what was written after one revision, until another."""
        found: Counter[str] = Counter()
        if until <= after:
            return Writes(0, found)
        request = rpc_pb2.WatchRequest(
            create_request=rpc_pb2.WatchCreateRequest(
                key=_FIRST, range_end=_ALL, start_revision=after + 1, fragment=True
            )
        )
        with grpc.insecure_channel(self._etcd.target, options=_UNLIMITED) as channel:
            call = rpc_pb2_grpc.WatchStub(channel).Watch(iter([request]), timeout=120)
            for answer in call:
                for event in answer.events:
                    if event.kv.mod_revision <= until:
                        found[_name(event)] += 1
                if answer.events and answer.events[-1].kv.mod_revision >= until and not answer.fragment:
                    break
            call.cancel()
        return Writes(until - after, found)

    async def close(self) -> None:
        """End everything."""
        await self.client.close()
        self._end()

    def _end(self) -> None:
        for process in reversed(self.processes.values()):
            process.close()
        self._etcd.close()


def _name(event: "kv_pb2.Event") -> str:
    """Return what an event of etcd did to which resource."""
    verb = "delete" if event.type == kv_pb2.Event.DELETE else "create" if event.kv.version == 1 else "update"
    key = event.kv.key.decode(errors="replace")
    return (
        f"{verb} {key.removeprefix(_REGISTRY).split('/')[0] if key.startswith(_REGISTRY) else 'bookkeeping'}"
    )


@asynccontextmanager
async def control_plane(options: argparse.Namespace) -> AsyncIterator[ControlPlane]:
    """Run the processes until the block ends, with all nodes Ready."""
    made = ControlPlane(options)
    try:
        await until(lambda: _nodes_are_ready(made, options.nodes))
        yield made
    finally:
        await made.close()


async def _nodes_are_ready(made: ControlPlane, count: int) -> bool:
    nodes = (await made.client.nodes.list()).items
    return count == sum(
        any(one.type == "Ready" and one.status == "True" for one in node.status.conditions) for node in nodes
    )


async def until(
    holds: Callable[[], Awaitable[bool]],
    *,
    look_seconds: float = LOOK_SECONDS,
    patience: float = PATIENCE_SECONDS,
) -> None:
    """Look again and again until something holds. Raises TimeoutError."""
    async with asyncio.timeout(patience):
        while not await holds():  # noqa: ASYNC110  # what is waited for happens in other processes
            await asyncio.sleep(look_seconds)
