"""Processes that hear signals, though the tests may run as a shell's background job or under nohup."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


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
