"""Ends a command whose caller went away before it had ended (decision 157). Called by the exec sessions.

Neither Docker nor containerd ends it: a shell would wait for input as long as its container lives. As a
terminal that is closed does (signal(7), SIGHUP), the process group is told to hang up; then the first process
is killed. What runs with `nohup` or in a session of its own stays. Only processes that the kubelet sees are
ended.
"""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")


def end_command(pid: int) -> None:
    """End a process and the group that it leads, as commands of engines do. Success when it is gone."""
    with suppress(ProcessLookupError, PermissionError):
        if os.getpgid(pid) == pid:
            os.killpg(pid, signal.SIGHUP)
        os.kill(pid, signal.SIGKILL)


def find_command(first_process: int, argv: Sequence[str]) -> int:
    """Return the process of a command that an engine started beside a container's first process. Blocking.

    It has the same parent and cgroups. 0: there is none, or more than one looks like it.
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
