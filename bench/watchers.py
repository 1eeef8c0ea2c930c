"""Watchers as a process of their own: opens streams, reads them, and says how late events came.

    python -m bench.watchers --target HOST:PORT --watchers 100 [--by-node] [--connections 4]

Prints `ready` when every stream has answered, reads until its standard input ends, then prints one JSON object: streams, messages,
events, bytes, p50_ms, p99_ms, max_ms, cut (streams that ended by themselves).

The writer puts the monotonic time of a write (nanoseconds, one clock for all processes of a machine) into each object behind `MARK`; an
event is as late as the difference. Messages are not parsed, and of many streams only a hundred, drawn by lot, are looked into for times: the
others' events are counted. Else the client costs more than the server: a time is 8 µs to find, to read and to keep, half a million of which a
second are four processors.
"""

import argparse
import asyncio
import json
import random
import re
import sys
import time
from array import array
from collections.abc import AsyncIterable

import grpc

from vaina.api.meta.v1 import request_pb2
from vaina.client.transport import OPTIONS
from vaina.kinds import POD
from vaina.objects.watch import INITIAL_EVENTS_END

MARK = b"written-at-ns="
_MARKED = re.compile(re.escape(MARK) + rb"(\d+)")
#: ends the current state
_OPENED = INITIAL_EVENTS_END.encode()
_SECONDS = 600
#: streams whose events are looked at one by one
_SAMPLED = 100


def node_name(number: int) -> str:
    """Return the name of a node that watchers ask for."""
    return f"node-{number:05}"


class Watchers:
    """Counts what came. Owned by one event loop."""

    def __init__(self) -> None:
        self.late_ns = array("q")
        self.messages = self.bytes = self.events = self.cut = 0

    async def watch(
        self,
        channel: grpc.aio.Channel,
        number: int,
        by_node: bool,
        opened: asyncio.Semaphore,
        *,
        is_sampled: bool,
    ) -> None:
        """Read one stream until cancelled."""
        request = request_pb2.WatchRequest(
            namespace="default", send_initial_events=True, allow_watch_bookmarks=True
        )
        if by_node:
            request.field_selector = f"spec.nodeName={node_name(number)}"
        method = channel.unary_stream(POD.method("Watch"))  # type: ignore[call-arg]  # bytes in and out
        while True:
            try:
                stream = method(request.SerializeToString(), timeout=_SECONDS)
                await self._read(stream, opened, is_sampled=is_sampled)
            except grpc.aio.AioRpcError as error:
                # So many at once are asked to come again.
                if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
                    raise
                await asyncio.sleep(0.5)
            else:
                self.cut += 1
                return

    async def _read(
        self, messages: AsyncIterable[bytes], opened: asyncio.Semaphore, *, is_sampled: bool
    ) -> None:
        is_open = False
        async for message in messages:
            now = time.monotonic_ns()
            if not is_open:
                if _OPENED in message:
                    is_open = True
                    opened.release()
                continue
            self.messages += 1
            self.bytes += len(message)
            self.events += message.count(MARK)
            if is_sampled:
                self.late_ns.extend(now - int(found) for found in _MARKED.findall(message))

    def summary(self, streams: int) -> dict[str, float]:
        """Return what came."""
        late = sorted(self.late_ns) or [0]

        def at(share: float) -> float:
            return late[min(len(late) - 1, int(len(late) * share))] / 1e6

        return {
            "streams": streams, "messages": self.messages, "events": self.events, "bytes": self.bytes,
            "p50_ms": at(0.5), "p99_ms": at(0.99), "max_ms": at(1.0), "cut": self.cut,
            "cpu_seconds": time.process_time(),
        }  # fmt: skip


async def run(options: argparse.Namespace) -> None:
    """Open, read, sum up."""
    watchers, opened = Watchers(), asyncio.Semaphore(0)
    # Each has a connection of its own.
    channels = [
        grpc.aio.insecure_channel(options.target, options=OPTIONS) for _ in range(options.connections)
    ]
    # Those of a node have few events each.
    sampled = set(range(options.watchers))
    if not options.by_node and options.watchers > _SAMPLED:
        sampled = set(random.Random(options.watchers).sample(range(options.watchers), _SAMPLED))
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(
                watchers.watch(
                    channels[number % len(channels)],
                    number,
                    options.by_node,
                    opened,
                    is_sampled=number in sampled,
                )
            )
            for number in range(options.watchers)
        ]
        for _ in tasks:
            await opened.acquire()
        print("ready", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        print(json.dumps(watchers.summary(len(tasks))), flush=True)
        for task in tasks:
            task.cancel()
    for channel in channels:
        await channel.close(None)


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--target", required=True)
    parser.add_argument("--watchers", type=int, required=True)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--by-node", action="store_true")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
