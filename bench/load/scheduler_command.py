"""A scheduler that is somebody else's, by its command (`--scheduler-command`).

Started, found ready, measured and ended.

Its processes are those of a session of their own, so that what it has started is measured and ended with it.
It is ready when a URL says so (`--scheduler-health`), otherwise when it has bound a Pod that is there for
this alone. Called by `cluster`.
"""

import asyncio
import contextlib
import http.client
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from bench.load.scrape import Usage, kilobytes
from bench.load.templates import NODE_DEFAULT, POD_DEFAULT, Template
from vaina.client.clientset import Clientset
from vaina.errors import ApiError, NotFound

#: stands for host:port of the apiserver in a command
PLACEHOLDER = "{apiserver}"
#: stands for a file in a command: a kubeconfig for the apiserver's REST API, which is served where it is named
KUBECONFIG = "{kubeconfig}"
#: ... and the variable that says the same, as our own services have it
VARIABLE = "VAINA_APISERVER"
READY_SECONDS = 60.0
_END_SECONDS = 15.0
_LOOK_SECONDS = 0.05
#: of what it said
_LAST_BYTES = 3000
_PROBE, _NAMESPACE = "load-probe", "default"


class SchedulerError(Exception):
    """A scheduler that cannot be started, or is not ready in time."""


@dataclass(frozen=True, slots=True)
class SchedulerCommand:
    """How it is started and looked at."""

    #: the program and its arguments; no shell reads them
    words: tuple[str, ...]
    #: a URL that answers with 200 once it is ready; "": a Pod says so
    health: str = ""
    #: its metrics page; "": it has none
    page: str = ""

    @property
    def wants_kubeconfig(self) -> bool:
        """Whether it speaks REST."""
        return any(KUBECONFIG in word for word in self.words)

    def __str__(self) -> str:
        return shlex.join(self.words)


def parse_command(text: str) -> tuple[str, ...]:
    """Return the words of a command, as a shell would part them.

    Raises:
        ValueError: there is none, a quote is not closed, or its program is not there.
    """
    words = tuple(shlex.split(text))
    if not words:
        raise ValueError("a command is wanted, not an empty text")
    if shutil.which(words[0]) is None:
        raise ValueError(f'there is no program "{words[0]}" here, or it may not be run')
    return words


def parse_health(text: str) -> str:
    """Return the URL that says whether a scheduler is ready; "" where there is none.

    Raises:
        ValueError: it is no URL of http or https, or names no host.
    """
    if not text:
        return ""
    url = urllib.parse.urlsplit(text)
    is_plain = text.isascii() and text.isprintable() and " " not in text
    if not is_plain or url.scheme not in ("http", "https") or not url.hostname or url.port == 0:
        raise ValueError(f'"{text}" is not like http://127.0.0.1:10251/healthz (http or https)')
    return text


class CommandScheduler:
    """The processes. Owned by the cluster."""

    def __init__(self, command: SchedulerCommand, apiserver: str, kubeconfig: str = "") -> None:
        """Start it; `wait_healthy` and `bind_probe` wait for it.

        Args:
            command: what it is.
            apiserver: host:port of gRPC.
            kubeconfig: path of the file, where the command wants one.

        Raises:
            SchedulerError: it cannot be started.
        """
        self._command = command
        with tempfile.NamedTemporaryFile(prefix="vaina-own-scheduler-", suffix=".log", delete=False) as log:
            self._log = Path(log.name)
            try:
                self._process = subprocess.Popen(
                    [
                        word.replace(PLACEHOLDER, apiserver).replace(KUBECONFIG, kubeconfig)
                        for word in command.words
                    ],
                    env={**os.environ, VARIABLE: apiserver}, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    start_new_session=True,
                )  # fmt: skip
            except OSError as error:
                self._log.unlink()
                raise SchedulerError(f"{command}: {error.strerror}") from error

    @property
    def meter(self) -> "SessionMeter":
        """Where its usage is read."""
        return SessionMeter(self._process.pid)

    @property
    def code(self) -> int | None:
        """With what it has ended, None while it goes on; a signal is its number, negative."""
        return self._process.poll()

    def wait_healthy(self) -> None:
        """Return when its URL says that it is ready; where there is none, at once. Raises TimeoutError."""
        if not self._command.health:
            return
        pause, until = threading.Event(), time.monotonic() + READY_SECONDS
        # A proxy of the environment is not on the way to a scheduler that was started here.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        while self.code is None and time.monotonic() < until:
            # What is no HTTP at all may be another port of it, or what had the port before.
            with (
                contextlib.suppress(OSError, http.client.HTTPException),
                opener.open(self._command.health, timeout=_END_SECONDS) as answer,
            ):
                if answer.status == http.client.OK:
                    return
            pause.wait(_LOOK_SECONDS)
        raise TimeoutError(self._not_ready(f"{self._command.health} does not answer with 200"))

    async def bind_probe(self, client: Clientset) -> None:
        """Return when it has bound a Pod to the only node that there is; both are gone then.

        Args:
            client: of the apiserver that it schedules for.

        Raises:
            SchedulerError: it has ended, or has not bound it in time.
            ApiError: the apiserver refuses.
        """
        if self._command.health:
            return
        node, pod = (Template(tree).maker(_PROBE).make(0, "") for tree in (NODE_DEFAULT, POD_DEFAULT))
        node.metadata.name = pod.metadata.name = _PROBE
        pod.metadata.namespace = _NAMESPACE
        try:
            await client.nodes.create(node)
            await client.pods.create(pod)
            await self._bound(client)
        except BaseException:
            with contextlib.suppress(ApiError):  # the first error says why
                await _remove_probe(client)
            raise
        await _remove_probe(client)

    async def _bound(self, client: Clientset) -> None:
        until = time.monotonic() + READY_SECONDS
        while not (await client.pods.get(_PROBE, _NAMESPACE)).spec.node_name:
            if self.code is not None or time.monotonic() > until:
                raise SchedulerError(self._not_ready("it has not bound a first Pod"))
            await asyncio.sleep(_LOOK_SECONDS)

    def _not_ready(self, what: str) -> str:
        if self.code is not None:
            return f"it {ended(self.code)}\n{self.log()}"
        return f"{what} after {READY_SECONDS:.0f} s\n{self.log()}"

    def log(self) -> str:
        """Return the end of what it said."""
        with self._log.open("rb") as file:
            file.seek(max(0, self._log.stat().st_size - _LAST_BYTES))
            return file.read().decode(errors="replace")

    def close(self) -> None:
        """End it and whatever it has started: in good order, or otherwise."""
        _signal_all(self._process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)
        _signal_all(self._process.pid, signal.SIGKILL)
        # One that runs as somebody else (sudo) cannot be ended from here: nobody waits for it.
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)
        self._log.unlink(missing_ok=True)


async def _remove_probe(client: Clientset) -> None:
    """Delete the Pod and the node, whatever becomes of the other. Raises ApiError: one stays."""
    try:
        with contextlib.suppress(NotFound):
            await client.pods.delete(_PROBE, _NAMESPACE, grace_period_seconds=0)
    finally:
        with contextlib.suppress(NotFound):
            await client.nodes.delete(_PROBE)


def ended(code: int) -> str:
    """Say how a process ended."""
    return (
        f"was ended by {signal.Signals(-code).name}" if code < 0 else f"has ended with the exit code {code}"
    )


def _session(pid: int) -> list[tuple[Path, list[str]]]:
    """Return the folder of each process of a session and what its stat says behind the name (proc(5): from
    the state on).
    """
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended
        if int(fields[3]) == pid:
            found.append((folder, fields))
    return found


def _signal_all(session: int, signum: int) -> None:
    for folder, _ in _session(session):
        try:
            os.kill(int(folder.name), signum)
        except (ProcessLookupError, PermissionError):
            continue  # it has ended, or runs as somebody else: the others are to end all the same


@dataclass(frozen=True, slots=True)
class SessionMeter:
    """All processes of a session, those that have ended included where another one of it waited for them."""

    leader: int

    def read(self) -> Usage:
        """Return what they use together; memory that two share counts twice. Raises OSError: none is left."""
        ticks, resident, peak = 0, 0, 0
        members = _session(self.leader)
        if not members:
            raise ProcessLookupError(self.leader)
        for folder, fields in members:
            ticks += sum(map(int, fields[11:15]))
            try:
                status = (folder / "status").read_text()
            except OSError:
                continue
            resident += kilobytes(status, "VmRSS:")
            peak += kilobytes(status, "VmHWM:")
        return Usage(ticks / os.sysconf("SC_CLK_TCK"), resident, peak)
