"""What else could serve a unary call: the no-op in several libraries, one client. What decision 070 rests on.

    python -m bench.flavours [-n 5000] [--python /path/with/grpclib/and/uvloop/bin/python]

CPU µs per call of the server is the figure to compare. Flavours whose library the Python does not have are
left out.
"""

import argparse
import asyncio
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import grpc

from bench import echo, report
from bench.apiserver_writes import IN_FLIGHT
from bench.etcd import ROOT, free_port
from bench.objects import make_pod
from bench.processes import cpu_seconds
from vaina.client.channels import OPTIONS

_FLAVOURS = (
    ("aio",), ("aio-stream",), ("aio", "--uvloop"), ("sync",), ("grpclib",), ("grpclib", "--uvloop"),
)  # fmt: skip


def _start(python: str, listen: str, flavour: tuple[str, ...]) -> "subprocess.Popen[bytes]":
    command = [python, "-m", "bench.echo", f"--listen={listen}", "--flavour", *flavour]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)


async def measure(python: str, flavour: tuple[str, ...], count: int) -> report.Row | None:
    """Return the row of a flavour; None when it does not start."""
    listen = f"127.0.0.1:{free_port()}"
    server = _start(python, listen, flavour)
    request = make_pod("pod").SerializeToString()
    try:
        async with grpc.aio.insecure_channel(listen, options=OPTIONS) as channel:
            try:
                await asyncio.wait_for(channel.channel_ready(), 10)
            except TimeoutError:
                return None
            opened: Any = channel  # the stubs want serialisers, of which there are none
            call = opened.unary_unary(echo.PATH)
            left, latencies = iter(range(count)), list[float]()

            async def caller() -> None:
                for _ in left:
                    begun = time.perf_counter()
                    await call(request, timeout=30)
                    latencies.append(time.perf_counter() - begun)

            await call(request, timeout=30)
            used, load, start = cpu_seconds(server.pid), time.process_time(), time.perf_counter()
            async with asyncio.TaskGroup() as group:
                for _ in range(IN_FLIGHT):
                    group.create_task(caller())
            seconds = time.perf_counter() - start
            cpu = {"server": cpu_seconds(server.pid) - used, "load": time.process_time() - load}
            return report.row(" ".join(flavour), count, seconds, latencies, cpu)
    finally:
        server.terminate()
        server.wait()


def main() -> None:
    """Run, print the table, write the JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-n", type=int, default=5000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--output", type=Path, default=Path("bench/results/flavours.json"))
    options = parser.parse_args()
    found: dict[tuple[str, ...], list[report.Row]] = {}
    for _ in range(options.repeat):
        for flavour in _FLAVOURS:
            row = asyncio.run(measure(options.python, flavour, options.n))
            if row is not None:
                found.setdefault(flavour, []).append(row)
    rows = [report.median(each) for each in found.values()]
    report.show(rows, ())
    report.write(options.output, "flavours", rows, (), n=options.n, repeat=options.repeat)


if __name__ == "__main__":
    main()
