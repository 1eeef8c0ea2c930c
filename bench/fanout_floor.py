"""What gRPC itself allows of a fan-out: a server that does nothing but send the same bytes to many streams.

    python -m bench.fanout_floor [--watchers 1000] [--rate 500] [--seconds 8]

It sends what the apiserver would: Pods of about 900 bytes, `--rate` a second, each with the time of its
writing, the same message to every stream, and as many messages a second as the apiserver sends to a crowd
(2,500 together, four to each at least). There is no writer and no etcd: the encoding of a message is all that
is done before it is sent, once for all streams. The clients are those of the benchmark (`bench.watchers`).
`bench.apiserver_reads` has its rows beside the apiserver's.
"""

import argparse
import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from typing import Any, Final

import grpc

from bench import report
from bench.etcd import ROOT, free_port
from bench.objects import make_pod
from bench.processes import cpu_seconds
from bench.watchers import MARK
from vaina.kinds import POD
from vaina.objects.watch import INITIAL_EVENTS_END
from vaina.serving.options import server_options

#: messages a second of all streams together, and of each at least: `apiserver.storage.pushing`
_TOGETHER, _EACH = 2_500, 4
_RATE: Final = 500
_START_SECONDS: Final = 30


class _Ticker:
    """Makes the messages, and wakes the streams. Owned by one event loop."""

    def __init__(self, rate: int, watchers: int) -> None:
        self._seconds = 1 / max(_EACH, _TOGETHER // watchers)
        self._rate = rate
        self._pod = make_pod("pod-0000001").SerializeToString()[:480]
        loop = asyncio.get_running_loop()
        self.next: asyncio.Future[bytes] = loop.create_future()

    async def run(self) -> None:
        """Make a message whenever it is time, until cancelled."""
        last = time.monotonic()
        while True:
            await asyncio.sleep(max(0.0, last + self._seconds - time.monotonic()))
            now = time.monotonic()
            count = max(1, round((now - last) * self._rate))
            # As if written one after the other since the last message.
            times = (int((last + (now - last) * number / count) * 1e9) for number in range(count))
            message = b"".join(self._pod + MARK + b"%d" % at + b"." * 380 for at in times)
            done, self.next = self.next, asyncio.get_running_loop().create_future()
            done.set_result(message)
            last = now


async def _serve(options: argparse.Namespace) -> None:
    ticker = _Ticker(options.rate, options.watchers)

    async def watch(_request: bytes, _context: Any) -> AsyncIterator[bytes]:
        yield INITIAL_EVENTS_END.encode()
        while True:
            # Who is late misses what came meanwhile: otherwise it would be later and later.
            yield await ticker.next

    _, service, name = POD.method("Watch").split("/")
    server = grpc.aio.server(options=server_options())
    handler = grpc.unary_stream_rpc_method_handler(watch)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {name: handler}),))
    server.add_insecure_port(options.listen)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await server.start()
    task = asyncio.create_task(ticker.run())
    await stop.wait()
    task.cancel()
    await server.stop(None)


async def measure(watchers: int, seconds: float, rate: int = _RATE) -> report.Row:
    """Return the row of so many streams, read by a process of their own."""
    listen = f"127.0.0.1:{free_port()}"
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.fanout_floor", f"--listen={listen}", f"--watchers={watchers}",
        f"--rate={rate}", cwd=ROOT,
    )  # fmt: skip
    try:
        async with grpc.aio.insecure_channel(listen) as channel:
            await asyncio.wait_for(channel.channel_ready(), _START_SECONDS)
        readers = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.watchers", f"--target={listen}", f"--watchers={watchers}",
            f"--connections={max(1, watchers // 50)}", cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert readers.stdin is not None
        assert readers.stdout is not None
        assert await asyncio.wait_for(readers.stdout.readline(), _START_SECONDS) == b"ready\n"
        before, start = cpu_seconds(server.pid), time.perf_counter()
        await asyncio.sleep(seconds)
        readers.stdin.close()
        found = json.loads(await readers.stdout.readline())
        used, took = cpu_seconds(server.pid) - before, time.perf_counter() - start
        await readers.wait()
    finally:
        server.terminate()
        await server.wait()
    events = max(1, found["events"])
    cpu = {"floor": used / events * 1e6, "watchers": found["cpu_seconds"] / events * 1e6}
    return report.Row(f"{watchers:,}: gRPC alone", events / took, found["p50_ms"], found["p99_ms"], cpu)


def main() -> None:
    """Serve with `--listen`; else measure and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--listen", default="")
    parser.add_argument("--watchers", type=int, default=1000)
    parser.add_argument("--rate", type=int, default=_RATE)
    parser.add_argument("--seconds", type=float, default=8.0)
    options = parser.parse_args()
    if options.listen:
        asyncio.run(_serve(options))
    else:
        report.show([asyncio.run(measure(options.watchers, options.seconds, options.rate))], ())


if __name__ == "__main__":
    main()
