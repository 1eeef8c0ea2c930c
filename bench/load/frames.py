"""What a run and an agent on another machine say to one another, over two pipes.

Frames of msgpack behind their length.

A run asks (`Call`) and gets one answer each; an agent begins with `Hello`. Both are of one commit, so that
the form may change. Times are seconds from an agent's own beginning: no clock of one machine is compared with
that of another.
"""

import asyncio
import re
from typing import Any, TypeVar

import msgspec

from bench.load.report import Machine

#: goes up with every change of what is said
PROTOCOL = 1
#: of a frame; the times of a million Pods are less
MAX_BYTES = 64 * 1024 * 1024
#: what a machine may be called, and that in words
NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,61}[A-Za-z0-9])?")
NAME_WORDS = "letters, digits, - and . are allowed, 63 characters at most"
_LENGTH = 4
M = TypeVar("M")


class FrameError(Exception):
    """What came is no frame."""


class Hello(msgspec.Struct, frozen=True):
    """The first words of an agent."""

    protocol: int
    commit: str
    name: str
    machine: Machine


class Connect(msgspec.Struct, frozen=True, tag=True):
    """Find out whether the apiserver can be reached."""

    #: host:port
    apiserver: str


class StartKubelet(msgspec.Struct, frozen=True, tag=True):
    """Start a process of hollow kubelets; the answer is its number."""

    flags: list[str]


class KubeletLog(msgspec.Struct, frozen=True, tag=True):
    """Return the last words of a process of kubelets."""

    number: int


class Plan(msgspec.Struct, frozen=True, tag=True):
    """Take in Pods that are to be created: first of a set, whose Pods follow (`More`)."""

    namespace: str
    names: list[str]
    #: of the run's Pods, which are watched
    selector: str
    in_flight: int
    batch: int
    #: when each is due, seconds from the beginning; None: as fast as answers come
    offsets: list[float] | None = None


class More(msgspec.Struct, frozen=True, tag=True):
    """Further Pods of the set, as they are sent to the apiserver."""

    pods: list[bytes]


class Begin(msgspec.Struct, frozen=True, tag=True):
    """Begin to create them; it is answered at once."""


class Finish(msgspec.Struct, frozen=True, tag=True):
    """Return when each was due and created, once all are: `Created`."""


class Witness(msgspec.Struct, frozen=True, tag=True):
    """Return what the agent's own watch has seen of its Pods, once it has seen so much, or after some
    seconds: `Seen`.
    """

    bound: int
    running: int


class ReadUsage(msgspec.Struct, frozen=True, tag=True):
    """Return CPU seconds, resident and peak bytes of each process, the agent's own first: `Uses`."""


Request = Connect | StartKubelet | KubeletLog | Plan | More | Begin | Finish | Witness | ReadUsage


class Created(msgspec.Struct, frozen=True):
    """Seconds from the beginning, of each Pod in the order of `Plan`."""

    intended: list[float]
    created: list[float]
    retries: dict[str, int]


class Seen(msgspec.Struct, frozen=True):
    """Seconds from the beginning, None where the watch has brought nothing."""

    bound: list[float | None]
    running: list[float | None]
    #: how late the agent's own timer was at worst
    lag_seconds: float


class Uses(msgspec.Struct, frozen=True):
    """By process: CPU seconds, resident bytes, the most of them."""

    by_name: dict[str, tuple[float, int, int | None]]


class Call(msgspec.Struct, frozen=True):
    """A request, and the number by which its answer is found."""

    number: int
    request: Request


class Answer(msgspec.Struct, frozen=True):
    """What came of a call: a value that the request names, or why there is none."""

    number: int
    value: msgspec.Raw = msgspec.Raw(msgspec.msgpack.encode(None))
    error: str = ""


def encode(message: object) -> bytes:
    """Return a frame."""
    data = msgspec.msgpack.encode(message)
    return len(data).to_bytes(_LENGTH, "big") + data


async def read(reader: asyncio.StreamReader, kind: type[M]) -> M:
    """Return the next message.

    Raises:
        EOFError: the other side has ended.
        FrameError: what came is none.
    """
    try:
        length = int.from_bytes(await reader.readexactly(_LENGTH), "big")
        if length > MAX_BYTES:
            raise FrameError(f"a frame of {length:,} bytes, at most {MAX_BYTES:,} are read")
        data = await reader.readexactly(length)
    except asyncio.IncompleteReadError:
        raise EOFError from None
    return decode(data, kind)


def decode(data: Any, kind: type[M]) -> M:
    """Return a message, or the value of an answer. Raises FrameError."""
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except msgspec.MsgspecError as error:
        raise FrameError(f"not what an agent of this version says: {error}") from error
