"""What the exec sessions of runtimes share: they take over a connection, and end a command that was cut off."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Collection, Sequence
from contextlib import suppress
from pathlib import Path

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

#: seconds before each look for a command that was cut off: the runtime may still be starting it
LOOKS = (0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
#: kept of what a server says that refuses
_MAX_REFUSAL = 4096


class StreamRefused(Exception):
    """The server did not upgrade the connection; the message has its answer."""


async def upgrade(
    connection: Awaitable[Streams],
    request: bytes,
    *,
    server: str,
    accepted: Collection[str],
    timeout_seconds: float,
) -> Streams:
    """Send a request over a new connection, and return that as a stream once the server has upgraded it.

    `accepted` has the codes by which it agrees. Raises StreamRefused: it answered with an error, or with no
    HTTP; OSError: it did not answer, or not in time.
    """
    try:
        async with asyncio.timeout(timeout_seconds):
            reader, writer = await connection
            try:
                writer.write(request)
                await writer.drain()
                await _answered(reader, server, accepted)
            except BaseException:
                writer.close()
                raise
    except TimeoutError as error:
        raise TimeoutError(f"no answer within {timeout_seconds:g} s") from error
    return reader, writer


async def _answered(reader: asyncio.StreamReader, server: str, accepted: Collection[str]) -> None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError as error:
        raise ConnectionResetError(f"{server} closed the connection") from error
    except asyncio.LimitOverrunError as error:
        raise StreamRefused(f"{server}'s answer is too long") from error
    line = head.partition("\r\n")[0]
    if line.split(" ")[1:2] not in [[code] for code in accepted]:
        body = (await reader.read(_MAX_REFUSAL)).decode(errors="replace")
        raise StreamRefused(body.strip() or line)


_PROC = Path("/proc")


def end_command(pid: int) -> None:
    """End a process whose caller went away, and the group that it leads. Success when it is gone.

    Neither Docker nor containerd does (decision 157): a shell would wait for input as long as its container
    lives. As a terminal that is closed does (signal(7), SIGHUP), the process group is told to hang up; then the
    first process is killed. What runs with `nohup` or in a session of its own stays.
    """
    with suppress(ProcessLookupError, PermissionError):
        if os.getpgid(pid) == pid:
            os.killpg(pid, signal.SIGHUP)
        os.kill(pid, signal.SIGKILL)


def find_command(first_process: int, argv: Sequence[str]) -> int:
    """Return the one process beside a container's first that runs `argv`; 0: none, or several. Blocking."""
    parent, cgroups = _parent(first_process), _read(first_process, "cgroup")
    if not parent or not cgroups:
        return 0
    wanted = b"".join(word.encode() + b"\0" for word in argv)
    found = [
        pid
        for pid in (int(name) for name in os.listdir(_PROC) if name.isdecimal())
        if pid != first_process
        and _parent(pid) == parent
        and _read(pid, "cmdline") == wanted
        and _read(pid, "cgroup") == cgroups
    ]
    return found[0] if len(found) == 1 else 0


def _parent(pid: int) -> int:
    # The name, in brackets, may have anything in it.
    fields = _read(pid, "stat").rpartition(b") ")[2].split()
    return int(fields[1]) if len(fields) > 1 else 0


def _read(pid: int, name: str) -> bytes:
    try:
        return (_PROC / str(pid) / name).read_bytes()
    except OSError:
        return b""
