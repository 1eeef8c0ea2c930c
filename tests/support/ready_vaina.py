"""The command `vaina` without the half second that it takes to start: forked from a process that knows it.

Lessons type it some three hundred times. What runs is `cli.__main__.main`, in a process of its own, with the
caller's arguments, environment, folder and open files; its imports alone were done before. As a program that
starts from nothing it runs in all other tests (`Cluster.cli`).

The caller (`call_ready_vaina.py`) sends its request with its three files, then a byte for each signal that it
gets; the answer is a byte, the exit code. When the caller has gone its command is killed.
"""

import gc
import importlib
import json
import os
import random
import select
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

CALLER = Path(__file__).with_name("call_ready_vaina.py")
#: bytes of a request: arguments and environment
LARGEST = 128 * 1024
#: modules of commands that are not imported before: what they need is not needed by any other
_RARE = frozenset({"load"})


class ReadyVaina:
    """The process that waits for calls; it ends with this one, or at `close`."""

    def __init__(self, place: Path, root: Path) -> None:
        """Start it.

        Args:
            place: a folder for its socket.
            root: the checkout.
        """
        path = place / "ready"
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.bind(str(path))
            # Calls wait here until everything is imported.
            listener.listen(64)
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.ready_vaina", str(listener.fileno())],
                stdin=subprocess.PIPE, pass_fds=[listener.fileno()], cwd=root, start_new_session=True,
            )  # fmt: skip
        #: what a shell runs in place of `vaina`
        self.command = f'{sys.executable} -I -S {CALLER} {path} "$@"'

    def close(self) -> None:
        """End it, and the commands under way."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)


@dataclass(frozen=True)
class _Request:
    """What a forked process is to run: the caller's JSON, and its files."""

    said: dict[str, Any]
    files: list[int]


@dataclass(frozen=True)
class _Call:
    """A command under way. `ended` is readable when it has."""

    caller: socket.socket
    pid: int
    ended: int


class _Server:
    """Accepts calls and forks. One thread, nothing of asyncio and gRPC but their code: so it may fork."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener, self._poll = listener, select.poll()
        self._calls: dict[int, _Call] = {}
        for file in (listener.fileno(), sys.stdin.fileno()):
            self._poll.register(file, select.POLLIN)

    def serve(self) -> _Request | None:
        """Fork for each call until standard input ends. Returns in forked processes too, with their request."""
        while True:
            for file, _ in self._poll.poll():
                if file == sys.stdin.fileno():
                    for call in self._calls.values():
                        os.kill(call.pid, signal.SIGKILL)
                    return None
                if file == self._listener.fileno():
                    if (request := self._accept()) is not None:
                        return request
                elif (known := self._calls.get(file)) is not None:
                    self._hear(known, file)

    def _accept(self) -> _Request | None:
        """Fork; the forked process gets the request, this one None."""
        caller, _ = self._listener.accept()
        said, files, _, _ = socket.recv_fds(caller, LARGEST, 3)
        if not said:
            caller.close()
            return None
        pid = os.fork()
        if pid == 0:
            return _Request(json.loads(said), files)
        for file in files:
            os.close(file)
        call = _Call(caller, pid, os.pidfd_open(pid))
        for file in (caller.fileno(), call.ended):
            self._calls[file] = call
            self._poll.register(file, select.POLLIN)
        return None

    def _hear(self, call: _Call, file: int) -> None:
        if file == call.ended:
            self._forget(call)
            return
        signals = call.caller.recv(16)
        for signum in signals or [signal.SIGKILL]:
            os.kill(call.pid, signum)
        if not signals:
            self._poll.unregister(file)
            del self._calls[file]

    def _forget(self, call: _Call) -> None:
        _, status = os.waitpid(call.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        with suppress(OSError):
            # As a shell tells the end by a signal.
            call.caller.send(bytes([code if code >= 0 else 128 - code]))
        for file in (call.caller.fileno(), call.ended):
            if self._calls.pop(file, None) is not None:
                self._poll.unregister(file)
        call.caller.close()
        os.close(call.ended)


def become(request: _Request) -> NoReturn:
    """Run the command as its caller would have run it. Raises SystemExit."""
    from cli.__main__ import main

    for number, file in enumerate(request.files):
        os.dup2(file, number)
    os.closerange(3, max(request.files) + 1)
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w", errors="backslashreplace")  # noqa: SIM115
    os.chdir(request.said["folder"])
    os.environ.clear()  # noqa: TID251 (it is the caller's that are read)
    os.environ.update(request.said["environment"])  # noqa: TID251
    sys.argv = ["vaina", *request.said["arguments"]]
    signal.signal(signal.SIGINT, signal.SIG_IGN if request.said["deaf"] else signal.default_int_handler)
    # Not the numbers of the next one.
    random.seed()
    main()
    sys.exit(0)


def prepare() -> None:
    """Import what commands import."""
    from cli.app import VERBS

    for module in {"cli.process", *(f"cli.commands.{name}" for name in {*VERBS.values()} - _RARE)}:
        importlib.import_module(module)
    # What is here is here to stay: forked processes need not look at it, and so share it.
    gc.freeze()


if __name__ == "__main__":
    prepare()
    with socket.socket(fileno=int(sys.argv[1])) as opened:
        asked = _Server(opened).serve()
    if asked is not None:
        become(asked)
