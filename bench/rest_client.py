"""Clients of a REST port as a process of their own, on connections that are read by hand.

    python -m bench.rest_client create --url https://127.0.0.1:6444 --ca ca.crt --certificate tls.crt
        --key tls.key --connections 32 --seconds 8 [--rate 500] [--accept application/json]

  create   Pods, in protobuf; each has the time in it (`bench.watchers.MARK`)
  get      one Pod again and again
  list     all Pods again and again
  watch    all Pods, until standard input ends; prints `ready` when all streams are open

Prints one JSON object. The server has the machine to itself as far as possible: an HTTP library takes more than
the server does.
"""

import argparse
import asyncio
import json
import re
import ssl
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from bench.objects import make_pod
from bench.watchers import MARK
from vaina.client.rest.envelope import PROTOBUF, wrap

PODS: Final = "/api/v1/namespaces/default/pods"
#: the Pod that is read
READ: Final = "pod-read"
_HEAD_END: Final = b"\r\n\r\n"
_MARKED: Final = re.compile(re.escape(MARK) + rb"(\d+)")


def _drop(_part: bytes) -> None:
    """Nobody reads it."""


class Connection(asyncio.Protocol):
    """One connection: a request, and its answer in parts. Owned by one event loop."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        #: gets the parts of the body
        self._on_part: Callable[[bytes], None] = _drop
        self._answer: asyncio.Future[int] | None = None
        #: set when the head of an answer is there
        self.begun = asyncio.Event()
        self._status = 0
        #: bytes of the body that are left; -1: in chunks
        self._left: int | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionResetError(str(exc)))

    async def request(self, data: bytes, on_part: Callable[[bytes], None] = _drop) -> int:
        """Send a request; return the code when its answer is whole."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._on_part, self._left = on_part, None
        self._transport.write(data)
        return await self._answer

    def close(self) -> None:
        """Close it."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._left is None and not self._read_head():
            return
        if self._left == -1:
            self._read_chunks()
            return
        assert self._left is not None
        part = bytes(self._buffer[: self._left])
        del self._buffer[: self._left]
        self._left -= len(part)
        self._on_part(part)
        if not self._left:
            self._end()

    def _read_head(self) -> bool:
        end = self._buffer.find(_HEAD_END)
        if end < 0:
            return False
        head = bytes(self._buffer[:end]).lower()
        del self._buffer[: end + len(_HEAD_END)]
        self._status = int(head[9:12])
        length = re.search(rb"\ncontent-length: *(\d+)", head)
        self._left = -1 if length is None else int(length[1])
        self.begun.set()
        return True

    def _read_chunks(self) -> None:
        buffer, at = self._buffer, 0
        while (line := buffer.find(b"\r\n", at)) >= 0:
            size = int(buffer[at:line], 16)
            end = line + 2 + size + 2
            if len(buffer) < end:
                break
            if not size:
                del buffer[:end]
                self._end()
                return
            self._on_part(bytes(buffer[line + 2 : end - 2]))
            at = end
        del buffer[:at]

    def _end(self) -> None:
        self._left = None
        assert self._answer is not None
        if not self._answer.done():
            self._answer.set_result(self._status)


def head(
    options: argparse.Namespace, method: str, path: str, body: bytes | None = None, content_type: str = ""
) -> bytes:
    """Return a request; a body is in protobuf unless its type says otherwise."""
    lines = [
        f"{method} {path} HTTP/1.1",
        f"Host: {options.url.partition('//')[2]}",
        f"Accept: {options.accept}",
    ]
    if options.token_file:
        lines.append(f"Authorization: Bearer {Path(options.token_file).read_text()}")
    if body is not None:
        lines += [f"Content-Type: {content_type or PROTOBUF}", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"")


async def connect(options: argparse.Namespace) -> Connection:
    """Open a connection."""
    scheme, _, address = options.url.partition("://")
    host, _, port = address.rpartition(":")
    context = None
    if scheme == "https":
        context = ssl.create_default_context(cafile=options.ca)
        context.check_hostname = False
        if options.certificate:
            context.load_cert_chain(options.certificate, options.key)
    _, connection = await asyncio.get_running_loop().create_connection(
        Connection, host, int(port), ssl=context
    )
    return connection


class Calls:
    """What calls took."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self.seconds: list[float] = []
        self.bytes = self.refused = 0
        self._number = 0
        self.began = time.perf_counter()

    def request(self, number: int) -> bytes:
        """Return the next request of a connection."""
        match self._options.what:
            case "create":
                self._number += 1
                pod = make_pod(self._options.name or f"{self._options.prefix}-{number:02}-{self._number:06}")
                pod.metadata.annotations["bench"] = f"{MARK.decode()}{time.monotonic_ns()}" + "." * 380
                return head(self._options, "POST", PODS, wrap("v1", "Pod", pod.SerializeToString()))
            case "get":
                return head(self._options, "GET", f"{PODS}/{READ}")
            case _:
                return head(self._options, "GET", PODS)

    def got(self, part: bytes) -> None:
        """Count a part of an answer."""
        self.bytes += len(part)

    async def run(self, number: int) -> None:
        """Call until the time, or the number, is over."""
        options, connection = self._options, await connect(self._options)
        pause = options.connections / options.rate if options.rate else 0.0
        begin = time.perf_counter() + (number * pause / options.connections)
        count = 0
        while time.perf_counter() - self.began < options.seconds and count < options.count:
            if pause:
                await asyncio.sleep(max(0.0, begin + count * pause - time.perf_counter()))
            data = self.request(number)
            start = time.perf_counter()
            code = await connection.request(data, self.got)
            self.seconds.append(time.perf_counter() - start)
            self.refused += code >= 300
            count += 1
        connection.close()

    def summary(self) -> dict[str, float]:
        """Return what came of it."""
        took, ordered = time.perf_counter() - self.began, sorted(self.seconds) or [0.0]
        return {
            "calls": len(self.seconds), "refused": self.refused, "seconds": took, "bytes": self.bytes,
            "p50_ms": ordered[len(ordered) // 2] * 1e3, "p99_ms": ordered[int(len(ordered) * 0.99)] * 1e3,
            "max_ms": ordered[-1] * 1e3, "cpu_seconds": time.process_time(),
        }  # fmt: skip


class Watchers:
    """What watchers got. A chunk is the same for many: it is looked into once."""

    def __init__(self) -> None:
        self.events = self.bytes = 0
        self.late: list[int] = []
        self._known: dict[bytes, list[int]] = {}

    def got(self, part: bytes) -> None:
        """Count a chunk."""
        found = self._known.get(part)
        if found is None:
            if len(self._known) > 64:
                self._known.clear()
            found = self._known[part] = [int(stamp) for stamp in _MARKED.findall(part)]
        now = time.monotonic_ns()
        self.events += len(found)
        self.bytes += len(part)
        self.late += [now - stamp for stamp in found]

    def summary(self) -> dict[str, float]:
        """Return what came."""
        ordered = sorted(self.late) or [0]
        return {
            "events": self.events, "bytes": self.bytes, "p50_ms": ordered[len(ordered) // 2] / 1e6,
            "p99_ms": ordered[int(len(ordered) * 0.99)] / 1e6, "max_ms": ordered[-1] / 1e6,
            "cpu_seconds": time.process_time(),
        }  # fmt: skip


async def calls(options: argparse.Namespace) -> dict[str, Any]:
    """Call."""
    made = Calls(options)
    async with asyncio.TaskGroup() as group:
        for number in range(options.connections):
            group.create_task(made.run(number))
    return made.summary()


async def watch(options: argparse.Namespace) -> dict[str, Any]:
    """Watch."""
    watchers = Watchers()
    first = await connect(options)
    found = bytearray()
    listing = argparse.Namespace(**{**vars(options), "accept": "application/json"})
    await first.request(head(listing, "GET", f"{PODS}?limit=1"), found.extend)
    version = json.loads(bytes(found))["metadata"]["resourceVersion"]
    first.close()
    connections = [await connect(options) for _ in range(options.connections)]
    data = head(options, "GET", f"{PODS}?watch=1&resourceVersion={version}")
    under_way = [asyncio.ensure_future(one.request(data, watchers.got)) for one in connections]
    for one in connections:
        await one.begun.wait()
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    cut = sum(one.done() for one in under_way)
    for one in connections:
        one.close()
    await asyncio.gather(*under_way, return_exceptions=True)
    return {**watchers.summary(), "cut": cut}


def flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say where the server is, who asks and for how long."""
    parser.add_argument("--url", required=True)
    for name in ("ca", "certificate", "key", "token-file"):
        parser.add_argument(f"--{name}", default="")
    parser.add_argument("--accept", default=PROTOBUF)
    parser.add_argument("--seconds", type=float, default=1e9)


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("create", "get", "list", "watch"))
    flags(parser)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--count", type=int, default=1 << 40, help="calls of each connection, at most")
    parser.add_argument("--rate", type=float, default=0.0, help="calls a second of all; 0: as many as go")
    parser.add_argument("--prefix", default="pod", help="of the names of what is created")
    parser.add_argument("--name", default="", help="of the one that is created")
    options = parser.parse_args()
    print(json.dumps(asyncio.run(watch(options) if options.what == "watch" else calls(options))), flush=True)


if __name__ == "__main__":
    main()
