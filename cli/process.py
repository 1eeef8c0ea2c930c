"""From the process to a `Shell`, and from the exit code back. Called by `__main__`."""

import os
import shutil
import sys
from collections.abc import Callable, Mapping

import click

from cli.app import invoke
from cli.completion.grammar import cache_file
from cli.printers.style import Paint
from cli.progress import Progress, patient
from cli.shell import DEFAULT_SCHEDULER, Shell
from cli.surroundings import DEFAULT_SERVER, INTERRUPTED, certificate_folder
from cli.terminal import ProcessTerminal, colours_wanted
from vaina.client.clientset import Clientset
from vaina.client.scheduler import SchedulerClient
from vaina.client.transport import GrpcTransport, Transport
from vaina.clock import SystemClock
from vaina.pki.folder import Folder
from vaina.texts import language_name, language_of

#: columns where there is no terminal: nothing is cut
WIDE = 200


def own_folder(environment: Mapping[str, str]) -> Folder | None:
    """Return what this machine's user shows to servers, which is read at the first call; None: there is none."""
    found = certificate_folder(environment)
    return Folder(found) if found else None


def _columns() -> int:
    return shutil.get_terminal_size((80, 24)).columns


def run_process(environment: dict[str, str]) -> int:
    """Run the command line of this process, and return its exit code."""
    interactive = sys.stdout.isatty()
    folder = own_folder(environment)
    clock = SystemClock()
    progress = Progress(sys.stderr, clock, _columns) if sys.stderr.isatty() else None

    def transport(address: str, on_warning: Callable[[str], None] = lambda _: None) -> Transport:
        made = GrpcTransport(address, folder, user_agent="vaina-cli", on_warning=on_warning)
        return patient(made, address, progress)

    shell = Shell(
        server=environment.get("VAINA_SERVER") or DEFAULT_SERVER,
        connect=lambda server, on_warning: Clientset(transport(server, on_warning)),
        connect_scheduler=lambda address: SchedulerClient(transport(address)),
        credentials=folder,
        clock=clock,
        progress=progress,
        stdin=sys.stdin.buffer,
        stdout=sys.stdout,
        stderr=sys.stderr,
        terminal=ProcessTerminal(),
        interactive=interactive,
        paint=Paint(colours_wanted(stream_is_terminal=interactive, environment=environment)),
        width=lambda: shutil.get_terminal_size((WIDE, 24)).columns if interactive else WIDE,
        scheduler=environment.get("VAINA_SCHEDULER") or DEFAULT_SCHEDULER,
        namespace=environment.get("VAINA_NAMESPACE") or "default",
        language=language_of(language_name(environment)),
        grammar=cache_file(environment),
        environment=environment,
        # Without one of its own, click looks for VISUAL and EDITOR, then for an editor that is there.
        edit=lambda text: click.edit(text, editor=environment.get("KUBE_EDITOR"), extension=".yaml"),
    )
    try:
        code = invoke(shell, sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has read enough: `vaina get pods | head -1`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        code = 0
    except KeyboardInterrupt:
        # Before the command's loop ran, or after it.
        code = INTERRUPTED
    return code
