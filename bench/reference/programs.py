"""Programs that are given by path: what they are, and processes of them.

Called by `cluster` and the command. What a path is wrong with is told before anything is started.
"""

import hashlib
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_VERSION: Final = re.compile(r"Kubernetes (v\d+\.\d+\.\d+[\w.+-]*)", re.ASCII)
#: flags that `cluster` gives it and that none of the others knows, which say the same to --version
_KNOWN_BY: Final = {
    "kube-apiserver": ["etcd-servers"],
    "kube-scheduler": ["config", "secure-port"],
    "kube-controller-manager": ["controllers", "secure-port"],
}
_ANSWER_SECONDS: Final = 30
_START_SECONDS: Final = 120
_LOOK_SECONDS: Final = 0.05
_LOG_BYTES: Final = 3000


class ProgramError(Exception):
    """A path at which there is no such program, or a process that does not start."""


@dataclass(frozen=True, slots=True)
class Program:
    """A binary of Kubernetes."""

    name: str
    path: Path
    #: v1.37.2
    version: str
    #: of the file: official releases have theirs beside the download
    sha256: str


def find_program(name: str, path: str) -> Program:
    """Return what is at a path.

    Args:
        name: what it should be: kube-apiserver or kube-scheduler.
        path: of the binary.

    Raises:
        ProgramError: it is not there, cannot be run, or is something else.
    """
    flag, file = f"--{name}", Path(path).expanduser().absolute()
    if not file.is_file():
        raise ProgramError(f"{flag}: {path}: there is no such file")
    if not os.access(file, os.X_OK):
        raise ProgramError(f"{flag}: {path}: it may not be executed (chmod +x)")
    done = _answer(f"{flag}: {path}", file, "--version")
    found = _VERSION.fullmatch(done.stdout.strip())
    if done.returncode or found is None:
        said = (done.stdout.strip() or done.stderr.strip() or "nothing").splitlines()[0][:100]
        raise ProgramError(
            f"{flag}: {path}: --version says {said!r}, not 'Kubernetes v1.x.y': is it a {name}?"
        )
    told = _answer(f"{flag}: {path}", file, "--help").stdout
    for known in _KNOWN_BY[name]:
        if not re.search(rf"^ *--{known} ", told, re.MULTILINE):
            raise ProgramError(f"{flag}: {path}: its --help does not know --{known}: is it a {name}?")
    return Program(name, file, found[1], hashlib.sha256(file.read_bytes()).hexdigest())


def _answer(what: str, file: Path, option: str) -> "subprocess.CompletedProcess[str]":
    """Run it with one option. Args: what: begins what is told of an error.

    Raises ProgramError: there is no answer.
    """
    try:
        return subprocess.run(
            [file, option], capture_output=True, text=True, errors="replace", timeout=_ANSWER_SECONDS, check=False
        )  # fmt: skip
    except OSError as error:
        raise ProgramError(f"{what}: it cannot be run: {error.strerror}") from error
    except subprocess.TimeoutExpired:
        raise ProgramError(f"{what}: {option} gives no answer in {_ANSWER_SECONDS} s") from None


class ProgramProcess:
    """A process of one. Owned by who starts it; blocks."""

    def __init__(self, program: Program, flags: Sequence[str], log: Path) -> None:
        """Start it, in a session of its own: Ctrl-C is for who started it, and ends it in good order.

        Args:
            program: what it is.
            flags: of it.
            log: where it writes what it says.
        """
        self._name, self._log = program.name, log
        with log.open("ab") as said:
            self._process = subprocess.Popen(
                [program.path, *flags], stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True
            )  # fmt: skip

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def code(self) -> int | None:
        """With which it ended; None: it goes on."""
        return self._process.poll()

    def log(self) -> str:
        """Return the end of what it said."""
        return self._log.read_bytes()[-_LOG_BYTES:].decode(errors="replace")

    def wait_until(
        self,
        is_ready: Callable[[], bool],
        given_up: threading.Event,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Return when it is.

        Args:
            is_ready: may take some seconds to say so.
            given_up: is set when nobody waits for it any more.
            now: seconds of a clock that goes on evenly.

        Raises:
            ProgramError: it has ended, is not in two minutes, or was given up; with the end of its log.
        """
        deadline = now() + _START_SECONDS
        while self._process.poll() is None and now() < deadline and not given_up.is_set():
            if is_ready():
                return
            given_up.wait(_LOOK_SECONDS)
        raise ProgramError(f"{self._name} does not start:\n{self.log()}")

    def close(self) -> None:
        """End it in good order, or otherwise."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
