"""What a client should not do, by hand over HTTP/2.

Each attack is bounded in number and time, and stays on loopback.

An attack is entered, does its worst, and lets go of its connections when it is left. `ATTACKS` names them all.
"""

import contextlib
import gzip
import os
import random
import resource
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.support import http2
from tests.support.http2 import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PING,
    RST_STREAM,
    SETTINGS,
)
from vaina.api.meta.v1 import request_pb2
from vaina.kinds import CONFIG_MAP

GET, CREATE, LIST, WATCH = (CONFIG_MAP.method(verb) for verb in ("Get", "Create", "List", "Watch"))
#: what a client says first: its settings, and that it has ours
HELLO = http2.PREFACE + http2.frame(SETTINGS, 0, 0) + http2.frame(SETTINGS, ACK, 0)
STREAMS = 100


def streams(count: int = STREAMS) -> range:
    """Return the numbers of a client's streams."""
    return range(1, 2 * count, 2)


def _batched(
    port: int, number: int, data: bytes, *, preface: bytes = HELLO, pause: float = 0.0
) -> list[http2.Connection]:
    made = []
    for _ in range(number):
        if pause:
            # How many there are is the attack, not how fast they come: that is for the bounds of calls that
            # wait.
            threading.Event().wait(pause)
        with contextlib.suppress(OSError):
            made.append(http2.Connection(port, preface=preface + data, timeout=1))
    return made


@contextmanager
def holding(connections: list[http2.Connection]) -> Iterator[int]:
    """Keep connections open; yields how many."""
    try:
        yield len(connections)
    finally:
        for connection in connections:
            connection.close()


@contextmanager
def rapid_reset(port: int) -> Iterator[int]:
    """Open calls and take them back at once (CVE-2023-44487), 40,000 times."""
    made = _batched(port, 4, b"")
    block, cancel, sent = http2.request_headers(GET), struct.pack(">I", 8), 0
    for burst in range(100):
        for connection in made:
            numbers = range(1 + burst * 200, 1 + burst * 200 + 200, 2)
            frames = (
                http2.frame(HEADERS, END_HEADERS, number, block) + http2.frame(RST_STREAM, 0, number, cancel)
                for number in numbers
            )
            sent += STREAMS * connection.send(b"".join(frames))
    with holding(made):
        yield sent


def _flood(
    data: bytes, times: int, connections: int = 4
) -> Callable[[int], contextlib.AbstractContextManager[int]]:
    @contextmanager
    def flood(port: int) -> Iterator[int]:
        made = _batched(port, connections, b"")
        sent = sum(connection.send(data) for _ in range(times) for connection in made)
        with holding(made):
            yield sent

    return flood


@contextmanager
def continuations(port: int) -> Iterator[int]:
    """Header blocks that never end: 16 MiB each, and 20,000 empty frames (CVE-2024-27316)."""
    made = _batched(port, 4, http2.frame(HEADERS, 0, 1, http2.request_headers(GET)))
    large = http2.frame(CONTINUATION, 0, 1, http2.field("x-a", "y" * 16_000)) * 16
    empty = http2.frame(CONTINUATION, 0, 1) * 200
    sent = sum(made[0].send(large) + made[1].send(large) for _ in range(64))
    sent += sum(made[2].send(empty) + made[3].send(empty) for _ in range(100))
    with holding(made):
        yield sent


@contextmanager
def giant_metadata(port: int) -> Iterator[int]:
    """Calls with 1 MB of metadata each, from clients that never acknowledge the server's settings."""
    block = http2.request_headers(GET, x_big="y" * 1_000_000)
    rest = [block[at : at + 16384] for at in range(16384, len(block), 16384)]
    frames = http2.frame(HEADERS, 0, 1, block[:16384])
    frames += b"".join(http2.frame(CONTINUATION, END_HEADERS * (part is rest[-1]), 1, part) for part in rest)
    with holding(_batched(port, 40, frames, preface=http2.PREFACE + http2.frame(SETTINGS, 0, 0))) as count:
        yield count


@contextmanager
def bombs(port: int) -> Iterator[int]:
    """Messages of 50 kB that gzip makes 50 MiB of, 400 times."""
    body = http2.message(gzip.compress(bytes(50 << 20)), compressed=True)
    parts = [body[at : at + 16384] for at in range(0, len(body), 16384)]

    def bomb(stream: int) -> bytes:
        return http2.frame(
            HEADERS, END_HEADERS, stream, http2.request_headers(CREATE, grpc_encoding="gzip")
        ) + b"".join(http2.frame(DATA, END_STREAM * (part is parts[-1]), stream, part) for part in parts)

    made = _batched(port, 20, b"")
    sent = sum(made[number].send(bomb(stream)) for stream in streams(20) for number in range(len(made)))
    with holding(made):
        yield sent


@contextmanager
def claims(port: int) -> Iterator[int]:
    """Messages that claim to be 4 GiB long, 1,000 times, with as much of them as fits."""
    start = b"".join(
        http2.frame(HEADERS, END_HEADERS, stream, http2.request_headers(CREATE))
        + http2.frame(DATA, 0, stream, http2.message(b"x" * 600, length=0xFFFFFFFF))
        for stream in streams()
    )
    with holding(_batched(port, 10, start)) as count:
        yield count * STREAMS


@contextmanager
def garbage(port: int) -> Iterator[int]:
    """Bytes that mean nothing, other protocols, and frames with broken parts, on 1,000 connections."""
    rng = random.Random(7)
    good = HELLO + http2.call(1, GET, b"")
    for number in range(1000):
        broken = bytearray(good)
        for _ in range(1 + number % 5):
            broken[rng.randrange(len(broken))] = rng.randrange(256)
        data = (
            bytes(broken),
            os.urandom(400),
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
        )
        with holding(_batched(port, 1, data[number % 4], preface=b"")):
            pass
    yield 1000


def connections_allowed() -> int:
    """Return how many connections this process may open, after it asked for as many as it can.

    10,000 where that is possible.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return 10_000 if most == resource.RLIM_INFINITY else min(10_000, most - 500)


@contextmanager
def connections(port: int) -> Iterator[int]:
    """10,000 connections (or as many files as the machine allows) that say hello and no more."""
    with holding(_batched(port, connections_allowed(), b"")) as count:
        yield count


@contextmanager
def half_open(port: int) -> Iterator[int]:
    """1,000 connections that say nothing at all, half a preface, or half a header block."""
    starts = (
        b"",
        http2.PREFACE[:10],
        HELLO + http2.frame(HEADERS, END_HEADERS, 1, http2.request_headers(GET))[:30],
    )
    made = [connection for start in starts for connection in _batched(port, 333, start, preface=b"")]
    with holding(made) as count:
        yield count


@contextmanager
def slow_requests(port: int) -> Iterator[int]:
    """5,000 calls that send two bytes of their request."""
    start = b"".join(
        http2.frame(HEADERS, END_HEADERS, stream, http2.request_headers(CREATE))
        + http2.frame(DATA, 0, stream, b"\0\0")
        for stream in streams()
    )
    with holding(_batched(port, 50, start, pause=0.1)) as count:
        yield count * STREAMS


@contextmanager
def watches(port: int) -> Iterator[int]:
    """5,000 watches of one client, none of which it reads."""
    request = request_pb2.WatchRequest(
        send_initial_events=True, allow_watch_bookmarks=True
    ).SerializeToString()
    start = b"".join(http2.call(stream, WATCH, request) for stream in streams())
    with holding(_batched(port, 50, start, pause=0.2)) as count:
        yield count * STREAMS


@contextmanager
def unread_lists(port: int) -> Iterator[int]:
    """2,000 lists of several MB each, none of which is read."""
    start = b"".join(http2.call(stream, LIST, b"") for stream in streams())
    with holding(_batched(port, 20, start, pause=0.1)) as count:
        yield count * STREAMS


ATTACKS: dict[str, Callable[[int], contextlib.AbstractContextManager[int]]] = {
    "rapid reset": rapid_reset,
    "PING flood": _flood(http2.frame(PING, 0, 0, b"12345678") * 1000, 200),
    "SETTINGS flood": _flood(http2.frame(SETTINGS, 0, 0) * 1000, 200),
    "CONTINUATION flood": continuations,
    "giant metadata": giant_metadata,
    "compressed bombs": bombs,
    "claims of 4 GiB": claims,
    "malformed frames": garbage,
    "10,000 connections": connections,
    "half-open connections": half_open,
    "slow requests": slow_requests,
    "5,000 watches": watches,
    "lists nobody reads": unread_lists,
}
