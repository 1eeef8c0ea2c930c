"""Watchers as a process of their own: opens streams, reads them, and says how late events came.

    python -m bench.watchers --target HOST:PORT --watchers 100 [--by-node] [--connections 4]

Prints `ready` when every stream has answered, reads until its standard input ends, then prints one JSON
object: streams, messages, events, bytes, p50_ms, p99_ms, max_ms, cut (streams that ended by themselves).

The writer puts the monotonic time of a write (nanoseconds, one clock for all processes of a machine) into
each object behind `MARK`; an event is as late as the difference. Messages are not parsed, and of many streams
only a hundred, drawn by lot, are looked into for times: the others' events are counted. The streams are read
by hand (`bench.h2`). Both so that the clients leave the machine to the server: with grpc.aio's streams they
took thrice what the server took, and what was measured was them.
"""

import argparse
import asyncio
import json
import random
import re
import sys
import time
from array import array
from functools import partial

from bench.h2 import Connection
from vaina.api.meta.v1 import request_pb2
from vaina.kinds import POD
from vaina.objects.watch import INITIAL_EVENTS_END

MARK = b"written-at-ns="
_MARKED = re.compile(re.escape(MARK) + rb"(\d+)")
#: ends the current state
_OPENED = INITIAL_EVENTS_END.encode()
#: messages that are remembered
_KNOWN = 32
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
        self._cpu_seconds = 0.0
        #: by length: a message, and the events in it
        self._counted: dict[int, tuple[bytes, int]] = {}

    def begin(self) -> None:
        """Count from now on: everybody has his stream."""
        self.messages = self.bytes = self.events = 0
        self._cpu_seconds = time.process_time()

    def got(self, message: bytes, *, is_sampled: bool) -> None:
        """Count a message."""
        now = time.monotonic_ns()
        self.messages += 1
        self.bytes += len(message)
        self.events += self._count(message)
        if is_sampled:
            self.late_ns.extend(now - int(found) for found in _MARKED.findall(message))

    def _count(self, message: bytes) -> int:
        # Most get the same bytes, and comparing is cheaper than counting by twenty.
        known, count = self._counted.get(len(message), (b"", 0))
        if known != message:
            count = message.count(MARK)
            if len(self._counted) >= _KNOWN:
                self._counted.clear()
            self._counted[len(message)] = (message, count)
        return count

    def summary(self, streams: int) -> dict[str, float]:
        """Return what came."""
        late = sorted(self.late_ns) or [0]

        def at(share: float) -> float:
            return late[min(len(late) - 1, int(len(late) * share))] / 1e6

        return {
            "streams": streams, "messages": self.messages, "events": self.events, "bytes": self.bytes,
            "p50_ms": at(0.5), "p99_ms": at(0.99), "max_ms": at(1.0), "cut": self.cut,
            "cpu_seconds": time.process_time() - self._cpu_seconds,
        }  # fmt: skip


class Streams:
    """The streams of one connection. Owned by one event loop."""

    def __init__(self, watchers: Watchers, opened: asyncio.Semaphore) -> None:
        self._watchers, self._opened = watchers, opened
        self.connection = Connection(self._on_message)
        #: by number: the request, whether it is looked into, whether it is open
        self._streams: dict[int, tuple[bytes, bool, bool]] = {}

    def as_protocol(self) -> Connection:
        """Return the connection, for the loop that opens it."""
        return self.connection

    def open(self, request: bytes, *, is_sampled: bool) -> None:
        """Open a stream; again when the server asks to come later."""
        self._streams[self.connection.call(POD.method("Watch"), request)] = (request, is_sampled, False)

    def _on_message(self, stream: int, message: bytes | None) -> None:
        request, is_sampled, is_open = self._streams[stream]
        if message is None and is_open:
            self._watchers.cut += 1
        elif message is None:
            # So many at once are asked to come again.
            asyncio.get_running_loop().call_later(0.5, partial(self.open, request, is_sampled=is_sampled))
        elif is_open:
            self._watchers.got(message, is_sampled=is_sampled)
        elif _OPENED in message:
            self._streams[stream] = (request, is_sampled, True)
            self._opened.release()


async def run(options: argparse.Namespace) -> None:
    """Open, read, sum up."""
    watchers, opened = Watchers(), asyncio.Semaphore(0)
    loop, (host, _, port) = asyncio.get_running_loop(), options.target.rpartition(":")
    connections = [Streams(watchers, opened) for _ in range(options.connections)]
    for streams in connections:
        await loop.create_connection(streams.as_protocol, host, int(port))
    # Those of a node have few events each.
    sampled = set(range(options.watchers))
    if not options.by_node and options.watchers > _SAMPLED:
        sampled = set(random.Random(options.watchers).sample(range(options.watchers), _SAMPLED))
    for number in range(options.watchers):
        request = request_pb2.WatchRequest(
            namespace="default", send_initial_events=True, allow_watch_bookmarks=True
        )
        if options.by_node:
            request.field_selector = f"spec.nodeName={node_name(number)}"
        connections[number % len(connections)].open(request.SerializeToString(), is_sampled=number in sampled)
    for _ in range(options.watchers):
        await opened.acquire()
    watchers.begin()
    print("ready", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    print(json.dumps(watchers.summary(options.watchers)), flush=True)
    for streams in connections:
        streams.connection.close()


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
