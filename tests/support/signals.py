"""Processes that hear signals, though the tests may run as a shell's background job or under nohup."""

import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def heard(signum: signal.Signals) -> Iterator[None]:
    """Let what is started meanwhile hear a signal that this process ignores: a child inherits that (exec(2)).

    Not by `preexec_fn`: that forks, and gRPC's handlers in the child then close what its other threads still
    wait on. One child in seven died of SIGABRT or SIGSEGV before it became its command, with calls under way.
    """
    ignored = signal.getsignal(signum) is signal.SIG_IGN
    if ignored:
        signal.signal(signum, signal.SIG_DFL)
    try:
        yield
    finally:
        if ignored:
            signal.signal(signum, signal.SIG_IGN)


def begin(argv: Sequence[str], *, stdout: int | None = None) -> "subprocess.Popen[bytes]":
    """Start a process as an engine starts a command: it leads a session, and hears when that hangs up.

    It can be told by its words: the kernel tells them a moment after it has loaded the program.
    """
    with heard(signal.SIGHUP):
        process = subprocess.Popen(argv, start_new_session=True, stdout=stdout)
    while not Path(f"/proc/{process.pid}/cmdline").read_bytes():
        pass
    return process
