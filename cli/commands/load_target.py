"""What the load tests of the command share: a patient client, a clean end, options, reading and writing
files.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import click

from bench.load.arrivals import parse_trace
from bench.load.parse import WorkloadError, find_workload, read_workloads
from bench.load.progress import Progress
from bench.load.report import Report
from bench.load.settings import Settings
from bench.load.workload import CreatePods, Workload
from cli import flags
from cli.failures import Exit, Failure
from cli.printers.style import OVER
from cli.shell import Shell
from vaina.client.clientset import Clientset
from vaina.client.transport import GrpcTransport
from vaina.pki.folder import Folder

#: characters of a trace
MAX_TRACE = 32 * 1024 * 1024
#: a call may wait long for its turn under load
_CALL_SECONDS = 60.0
_ENDINGS = (signal.SIGTERM, signal.SIGHUP)
#: the exit code of a process that a signal has ended: this and its number
_SIGNALLED = 128


def client_of(address: str, credentials: Folder | None = None) -> Clientset:
    """Return a client that is patient, and deaf to the server's warnings: there would be one a Pod."""
    return Clientset(GrpcTransport(address, credentials, user_agent="vaina-load"), timeout=_CALL_SECONDS)


@asynccontextmanager
async def terminable() -> AsyncIterator[None]:
    """Have SIGTERM, and the end of the terminal, end the run as Ctrl-C does: what was made is deleted."""
    loop, task, told = asyncio.get_running_loop(), asyncio.current_task(), 0
    assert task is not None

    def end(signum: int) -> None:
        nonlocal told
        told = signum
        task.cancel()

    for signum in _ENDINGS:
        loop.add_signal_handler(signum, end, signum)
    try:
        yield
    except asyncio.CancelledError:
        if told:
            raise Exit(_SIGNALLED + told) from None
        raise
    finally:
        for signum in _ENDINGS:
            loop.remove_signal_handler(signum)


def progress_of(shell: Shell) -> Progress:
    """Return what tells how far a run is; on a terminal in one line."""
    return Progress(shell.err_text, over=OVER if shell.interactive else "")


def workloads(files: Iterable[str]) -> list[Workload]:
    """Read the workloads of files; of none those that come with the project. Raises Failure."""
    try:
        return read_workloads([Path(file) for file in files])
    except WorkloadError as error:
        raise Failure(str(error)) from error


def workload_of(name: str, files: Iterable[str]) -> Workload:
    """Return the workload of a name. Raises Failure."""
    try:
        return find_workload(name, workloads(files))
    except WorkloadError as error:
        raise Failure(str(error)) from error


def check_trace(workload: Workload, settings: Settings) -> None:
    """Raise Failure, before anything is made, where a trace is too short, or none is wanted."""
    for step in workload.case.workload_template:
        if settings.trace and isinstance(step, CreatePods) and step.collect_metrics:
            if step.steady_state:
                words = f"--trace: {workload.name} has a steady state, whose Pods come at a rate (--rate)"
                raise Failure(words)
            try:
                parse_trace(settings.trace, workload.count(step))
            except ValueError as error:
                raise Failure(f"--trace: {error}") from error


def violations_of(report: Report) -> Iterable[str]:
    """Return what the judge found wrong in a run."""
    return report.verification.violations if report.verification else ()


def write_files(contents: Iterable[tuple[str, bytes]]) -> None:
    """Write files, and the folders that they are in; one without a name is left out. Raises Failure."""
    try:
        for name, content in contents:
            if name:
                Path(name).parent.mkdir(parents=True, exist_ok=True)
                Path(name).write_bytes(content)
    except OSError as error:
        raise Failure(f"cannot write {error.filename}: {error.strerror}") from error


def trace_option(help_text: str) -> Callable[[flags.F], flags.F]:
    """Return the option of a trace."""
    return click.option("--trace", type=click.File("r"), help=help_text)


FILES = flags.several(
    "-f --filename files", "A file of workloads, instead of those that come with the project."
)
PATIENCE = flags.number(
    "--patience patience_seconds", (1, 3600), 60.0, "Give up when nothing has happened for so many seconds."
)
