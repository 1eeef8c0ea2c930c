"""Ending a command whose caller went away before it had ended.

Called by the runtimes' exec sessions (decision 157).

Neither Docker nor containerd ends it: a shell would wait for input for as long as its container lives, and a
program that writes would write on. As a terminal that is closed does
(https://man7.org/linux/man-pages/man7/signal.7.html, SIGHUP), its process group is told to hang up; then its
first process is killed. What it has left in the background with `nohup` or in a session of its own stays.
Only processes that the kubelet can see are ended.
"""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")


def end_command(pid: int) -> None:
    """End a process, which leads a group of its own as everything does that an engine starts in a container.

    Success when it is gone.
    """
    with suppress(ProcessLookupError, PermissionError):
        if os.getpgid(pid) == pid:
            os.killpg(pid, signal.SIGHUP)
        os.kill(pid, signal.SIGKILL)


def find_command(first_process: int, argv: Sequence[str]) -> int:
    """Return the command that an engine started beside a container's first process.

    It has the same parent and the same cgroups; blocking.

    Args:
        first_process: of the container, by its id.
        argv: of the command.

    Returns:
        Its id; 0 when there is none, or more than one that looks like it.
    """
    parent, cgroups = _parent(first_process), _read(first_process, "cgroup")
    if not parent or not cgroups:
        return 0
    wanted = b"".join(word.encode() + b"\0" for word in argv)
    found = [
        pid
        for pid in _processes()
        if pid != first_process
        and _parent(pid) == parent
        and _read(pid, "cmdline") == wanted
        and _read(pid, "cgroup") == cgroups
    ]
    return found[0] if len(found) == 1 else 0


def _processes() -> Iterator[int]:
    return (int(name) for name in os.listdir(_PROC) if name.isdecimal())


def _parent(pid: int) -> int:
    # The name, in brackets, may have anything in it.
    fields = _read(pid, "stat").rpartition(b") ")[2].split()
    return int(fields[1]) if len(fields) > 1 else 0


def _read(pid: int, name: str) -> bytes:
    try:
        return (_PROC / str(pid) / name).read_bytes()
    except OSError:
        return b""
