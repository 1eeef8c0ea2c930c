"""How the apiserver serves Kubernetes' REST API, beside a kube-apiserver that is given by path.

All processes on the loopback, with TLS; etcd without fsync; clients are a process of their own
(`bench.rest_client`).

    python -m bench.rest_api [--case calls] [--seconds 8] [--kube-apiserver PATH]

  calls     Pods created in protobuf by 32 connections, and one Pod read by them
  lists     10,000 Pods as JSON, protobuf and Table: bytes a second, what the memory grows by, and how long
            another call waits meanwhile, at most
  large     the largest objects there may be, applied and created (`bench.rest_large`), and how long another call
            waits meanwhile
  watches   100 watchers of everything, in protobuf and in JSON, at 500 Pods created a second: how late events
            come
  idle      what a REST port that nobody uses costs in memory

Targets are printed with whether they are met.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from bench import report
from bench.etcd import ROOT, EtcdProcess, free_port
from bench.processes import ServiceProcess, cpu_seconds, memory_bytes, peak_memory_bytes, reset_peak_memory
from bench.reference.cluster import KubeCluster
from bench.reference.programs import find_program
from bench.rest_client import READ
from bench.rest_large import REQUESTS
from vaina.client.rest.envelope import PROTOBUF
from vaina.clock import SystemClock
from vaina.pki.cluster import Folders

CONNECTIONS, WATCHERS, RATE, LISTED = 32, 100, 500, 10_000
FORMS: Final = {
    "JSON": "application/json",
    "protobuf": PROTOBUF,
    "Table": "application/json;as=Table;v=v1;g=meta.k8s.io",
}
#: calls a second of the one that waits while others list
_ASKED: Final = 200.0


class Ours:
    """Our apiserver over an etcd of its own."""

    name = "vaina"

    def __init__(self, *, is_open: bool = True, profile: Path | None = None) -> None:
        """Start it; `is_open` says whether it serves REST."""
        self._certs = tempfile.TemporaryDirectory(prefix="vaina-certs-")
        self._folder = Path(self._certs.name)
        Folders(self._folder).make(SystemClock().now())
        self._etcd = EtcdProcess("--quota-backend-bytes=8589934592", "--unsafe-no-fsync")
        self._port = free_port()
        rest = (f"--rest-listen=127.0.0.1:{self._port}",) if is_open else ()
        self._process = ServiceProcess(
            "apiserver", f"--etcd-endpoints={self._etcd.target}", "--log-level=warning",
            f"--cert-dir={self._folder / 'apiserver'}", f"--health-listen=127.0.0.1:{(health := free_port())}", *rest,
            profile=profile,
        )  # fmt: skip
        self._health = health

    @property
    def pid(self) -> int:
        """Of the apiserver."""
        return self._process.pid

    def wait(self) -> None:
        """Return when it is healthy. Raises TimeoutError."""
        pause = threading.Event()
        for _ in range(3000):
            if self._process.code is not None:
                break
            with suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{self._health}/healthz", timeout=1).close()
                return
            pause.wait(0.02)
        raise TimeoutError(self._process.log())

    @property
    def target(self) -> str:
        """host:port of gRPC."""
        return self._process.target

    @property
    def url(self) -> str:
        """Of the REST API."""
        return f"https://127.0.0.1:{self._port}"

    @property
    def admin(self) -> Path:
        """The folder of the administrator's certificate."""
        return self._folder / "admin"

    def flags(self) -> Sequence[str]:
        """Return the flags with which a client reaches it."""
        admin = self.admin
        return (
            f"--url={self.url}", f"--ca={admin / 'ca.crt'}",
            f"--certificate={admin / 'tls.crt'}", f"--key={admin / 'tls.key'}",
        )  # fmt: skip

    def close(self) -> None:
        """End it."""
        self._process.close()
        self._etcd.close()
        self._certs.cleanup()


class Theirs:
    """kube-apiserver. `bench.reference` starts it."""

    name = "kube-apiserver"

    def __init__(self, cluster: KubeCluster, folder: Path) -> None:
        self._cluster, self._token = cluster, folder / "token"
        connection = cluster.connection()
        assert isinstance(connection.token, bytes)
        self._token.touch(0o600)
        self._token.write_bytes(connection.token)
        assert isinstance(connection.authority, Path)
        self._authority: Path = connection.authority

    @property
    def pid(self) -> int:
        """Of the apiserver."""
        return self._cluster.apiserver_pid

    def flags(self) -> Sequence[str]:
        """Return the flags with which a client reaches it."""
        return (
            f"--url=https://{self._cluster.address}",
            f"--ca={self._authority}",
            f"--token-file={self._token}",
        )


Server = Ours | Theirs


@asynccontextmanager
async def ours(profile: Path | None = None) -> AsyncIterator[Server]:
    """Have our apiserver while the block lasts."""
    server = Ours(profile=profile)
    try:
        await asyncio.to_thread(server.wait)
        yield server
    finally:
        server.close()


@asynccontextmanager
async def theirs(path: str) -> AsyncIterator[Server]:
    """Have a kube-apiserver while the block lasts."""
    program = find_program("kube-apiserver", path)
    # Its scheduler is not started.
    cluster = KubeCluster(program, program, fsync=False)
    with tempfile.TemporaryDirectory(prefix="vaina-token-") as folder:
        async with cluster:
            yield Theirs(cluster, Path(folder))


async def _begin(
    server: Server, what: str, *flags: str, client: str = "rest_client"
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"bench.{client}", what, *server.flags(), *flags,
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip


async def _result(process: asyncio.subprocess.Process) -> dict[str, float]:
    assert process.stdout is not None
    found: dict[str, float] = json.loads(await process.stdout.readline())
    await process.wait()
    return found


async def _run(server: Server, what: str, *flags: str) -> dict[str, float]:
    return await _result(await _begin(server, what, *flags))


async def _make_read(server: Server) -> None:
    """Make the Pod that is read."""
    await _run(server, "create", "--connections=1", "--count=1", f"--name={READ}")


def _row(server: Server, case: str, found: dict[str, float], cpu: float) -> report.Row:
    return report.Row(
        f"{server.name}: {case}", found["calls"] / found["seconds"], found["p50_ms"], found["p99_ms"],
        {"apiserver": cpu / found["calls"] * 1e6, "client": found["cpu_seconds"] / found["calls"] * 1e6},
    )  # fmt: skip


async def calls(server: Server, seconds: float) -> tuple[list[report.Row], list[report.Target]]:
    """Creates, and gets."""
    await _make_read(server)
    rows, targets = [], []
    for what, wanted in (("create", 1500.0), ("get", 2000.0)):
        before = cpu_seconds(server.pid)
        found = await _run(server, what, f"--connections={CONNECTIONS}", f"--seconds={seconds}")
        assert not found["refused"], found
        rows.append(
            _row(server, f"{what} by {CONNECTIONS} connections", found, cpu_seconds(server.pid) - before)
        )
        targets.append(report.Target(f"{rows[-1].case}, a second", rows[-1].rate, wanted))
    return rows, targets


async def lists(server: Server, _: float) -> tuple[list[report.Row], list[report.Target]]:
    """Lists of 10,000 Pods."""
    each = str(LISTED // CONNECTIONS + 1)
    await _run(server, "create", f"--connections={CONNECTIONS}", f"--count={each}")
    await _make_read(server)
    rows, targets = [], []
    for name, accept in FORMS.items():
        await _run(server, "list", "--connections=1", "--count=1", f"--accept={accept}")
        settled = memory_bytes(server.pid)
        reset_peak_memory(server.pid)
        before = cpu_seconds(server.pid)
        asking = await _begin(server, "get", "--connections=1", f"--rate={_ASKED}", "--seconds=4")
        found = await _run(server, "list", "--connections=1", "--seconds=3", f"--accept={accept}")
        used = cpu_seconds(server.pid) - before
        asked = await _result(asking)
        grown = (peak_memory_bytes(server.pid) - settled) / 1e6
        size, rate = found["bytes"] / found["calls"] / 1e6, found["bytes"] / found["seconds"] / 1e6
        case = f"list as {name}: {size:.1f} MB, {rate:.0f} MB/s, +{grown:.0f} MB"
        rows.append(_row(server, case, found, used))
        rows.append(_row(server, f"get beside list as {name}", asked, 0.0))
        targets.append(
            report.Target(
                f"{server.name}: get beside list as {name}, max ms", asked["max_ms"], 50, at_most=True
            )
        )
    return rows, targets


async def large(server: Server, seconds: float) -> tuple[list[report.Row], list[report.Target]]:
    """The largest objects, in JSON where that is the answer's form."""
    await _make_read(server)
    rows, targets = [], []
    for what in REQUESTS:
        before = cpu_seconds(server.pid)
        asking = await _begin(server, "get", "--connections=1", f"--rate={_ASKED}", f"--seconds={seconds}")
        found = await _result(
            await _begin(
                server, what, f"--seconds={seconds - 1}", f"--accept={FORMS['JSON']}", client="rest_large"
            )
        )
        assert not found["refused"], found
        used, asked = cpu_seconds(server.pid) - before, await _result(asking)
        rows.append(_row(server, f"{what} of {found['largest'] / 1e3:.0f} kB", found, used))
        rows.append(_row(server, f"get beside {what}", asked, 0.0))
        target = f"{server.name}: get beside {what}, max ms"
        targets.append(report.Target(target, asked["max_ms"], 100, at_most=True))
    return rows, targets


async def watches(server: Server, seconds: float) -> tuple[list[report.Row], list[report.Target]]:
    """Watchers of everything."""
    rows, targets = [], []
    for name in ("protobuf", "JSON"):
        watching = await _begin(server, "watch", f"--connections={WATCHERS}", f"--accept={FORMS[name]}")
        assert watching.stdout is not None
        assert watching.stdin is not None
        assert await watching.stdout.readline() == b"ready\n"
        before = cpu_seconds(server.pid)
        made = await _run(
            server,
            "create",
            "--connections=8",
            f"--rate={RATE}",
            f"--seconds={seconds}",
            f"--prefix={name.lower()}",
        )
        await asyncio.sleep(2.0)  # what is under way arrives
        used = cpu_seconds(server.pid) - before
        watching.stdin.close()
        found = await _result(watching)
        lost = made["calls"] * WATCHERS - found["events"]
        case = f"{server.name}: {WATCHERS} watchers in {name}" + (
            f" ({lost:.0f} events lost, {found['cut']:.0f} watches cut)" if lost else ""
        )
        cpu = {
            "apiserver": used / found["events"] * 1e6,
            "client": found["cpu_seconds"] / found["events"] * 1e6,
        }
        rate = found["events"] / made["seconds"]
        rows.append(report.Row(case, rate, found["p50_ms"], found["p99_ms"], cpu))
        targets.append(report.Target(f"{case}: p99 ms", found["p99_ms"], 200, at_most=True))
    return rows, targets


async def idle(_: float) -> tuple[list[report.Row], list[report.Target]]:
    """A REST port that nobody uses."""
    found = []
    for is_open in (False, True):
        server = Ours(is_open=is_open)
        try:
            await asyncio.to_thread(server.wait)
            await asyncio.sleep(2.0)
            found.append(memory_bytes(server.pid) / 1e6)
        finally:
            server.close()
    closed, opened = found
    return [], [report.Target("an idle REST port: MB", opened - closed, 25, at_most=True)]


CASES: Final = {"calls": calls, "lists": lists, "large": large, "watches": watches}


async def run(options: argparse.Namespace) -> tuple[list[report.Row], list[report.Target]]:
    """Run each case over processes of its own."""
    rows: list[report.Row] = []
    targets: list[report.Target] = []
    for case in options.case or (*CASES, "idle"):
        if case == "idle":
            targets += (await idle(options.seconds))[1]
            continue
        servers = [ours(options.profile)]
        if options.kube_apiserver:
            servers.append(theirs(options.kube_apiserver))
        for started in servers:
            async with started as server:
                found, wanted = await CASES[case](server, options.seconds)
            rows += found
            targets += wanted
    return rows, targets


def main() -> None:
    """Run, print the table, write the JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--case", action="append", choices=(*CASES, "idle"))
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument(
        "--kube-apiserver", default="", help="path of the binary that is measured beside ours"
    )
    parser.add_argument(
        "--profile", type=Path, help="where cProfile writes what it saw in the last apiserver"
    )
    parser.add_argument("--output", type=Path, default=Path("bench/results/rest_api.json"))
    options = parser.parse_args()
    rows, targets = asyncio.run(run(options))
    report.show(rows, targets)
    report.write(options.output, "rest_api", rows, targets, seconds=options.seconds)


if __name__ == "__main__":
    main()
