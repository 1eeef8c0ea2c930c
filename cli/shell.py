"""What a command stands on: the terminal, the clock and the way to the apiserver, all handed in.

Commands are coroutines that get a `Shell` and a `Clientset`. `run` gives them both, and turns errors into text
and an exit code. `process` makes a shell from the process, tests make one over an apiserver in memory.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from cli.failures import Exit, Failure, explain_error
from cli.printers.style import PLAIN, Paint, for_terminal
from cli.progress import Progress
from cli.surroundings import INTERRUPTED
from cli.terminal import NoTerminal, Terminal
from vaina.client.clientset import Clientset
from vaina.client.scheduler import SchedulerClient
from vaina.client.transport import GrpcTransport
from vaina.clock import Clock
from vaina.errors import ApiError
from vaina.kinds import Kind
from vaina.objects.quantity import QuantityError
from vaina.objects.selectors import SelectorError
from vaina.pki.folder import Folder, FolderError
from vaina.texts import ENGLISH, Language

#: address -> a client of the scheduler's own service
ConnectScheduler = Callable[[str], SchedulerClient]
#: (server, what takes its warnings) -> clients
Connect = Callable[[str, Callable[[str], None]], Clientset]
Command = Callable[["Shell", Clientset], Awaitable[None]]

DEFAULT_SCHEDULER = "127.0.0.1:10259"


def connect_scheduler(address: str) -> SchedulerClient:
    """Return a client of the scheduler at host:port; nothing is connected yet."""
    return SchedulerClient(GrpcTransport(address, user_agent="vaina-cli"))


@dataclass(slots=True)
class Shell:
    """The terminal and the world. Owned by one run of the command."""

    server: str
    connect: Connect
    clock: Clock
    stdin: BinaryIO
    stdout: TextIO
    stderr: TextIO
    terminal: Terminal = field(default_factory=NoTerminal)
    #: standard output is a terminal
    interactive: bool = False
    paint: Paint = PLAIN
    #: columns of the terminal now
    width: Callable[[], int] = lambda: 160
    #: for objects that name none
    namespace: str = "default"
    #: a flag named it
    namespace_given: bool = False
    #: opens a text in the user's editor; None: it was left without saving
    edit: Callable[[str], str | None] = lambda _: None
    #: address of the scheduler, for what only it knows
    scheduler: str = DEFAULT_SCHEDULER
    connect_scheduler: ConnectScheduler = connect_scheduler
    #: the user's certificate; None: calls go in the clear
    credentials: Folder | None = None
    #: tells what takes long; None: standard error is no terminal
    progress: Progress | None = None
    #: what `trace`, `why` and `explain` speak
    language: Language = ENGLISH
    #: where what completion needs is kept; None: nowhere
    grammar: Path | None = None
    #: the process's variables, for what it starts
    environment: Mapping[str, str] = field(default_factory=dict)
    #: errors that did not end the command; it ends with 1 when there are any
    failures: int = field(default=0)
    #: warnings with one of these words are no news to who asked for this
    unwanted_warnings: Sequence[str] = ()

    def busy(self, words: str) -> AbstractContextManager[None]:
        """Tell on a terminal what goes on in a block, once it has lasted two seconds."""
        return nullcontext() if self.progress is None else self.progress.busy(words)

    def computing(self, words: str) -> AbstractContextManager[None]:
        """Tell the same of a block that computes, in a command without an event loop."""
        return nullcontext() if self.progress is None else self.progress.blocking(words)

    def clear(self) -> None:
        """Leave the terminal to somebody else: an editor."""
        if self.progress is not None:
            self.progress.clear()

    def out(self, text: str) -> None:
        """Write to standard output at once; what objects say in it can do nothing to a terminal."""
        self.clear()
        self.stdout.write(for_terminal(text))
        self.stdout.flush()

    def out_data(self, text: str) -> None:
        """Write what programs read: as it is to a file or a pipe, harmless to a terminal."""
        if self.interactive:
            self.out(text)
        else:
            self.out_bytes(text.encode(errors="replace"))

    def out_bytes(self, data: bytes) -> None:
        """Write bytes to standard output as they are: what a container says (logs, exec), which may draw."""
        self.clear()
        _write_bytes(self.stdout, data)

    def err_bytes(self, data: bytes) -> None:
        """Write bytes to standard error as they are, at once."""
        self.clear()
        _write_bytes(self.stderr, data)

    def err(self, text: str) -> None:
        """Write a line to standard error, as harmless as what `out` writes."""
        self.err_text(f"{text}\n")

    def err_text(self, text: str) -> None:
        self.clear()
        self.stderr.write(for_terminal(text))
        self.stderr.flush()

    def warn(self, text: str) -> None:
        if any(words in text for words in self.unwanted_warnings):
            return
        self.err(f"{self.paint('yellow', 'Warning:')} {text}")

    @property
    def given_namespace(self) -> str:
        """The namespace that a flag named; empty when none did, and objects may name their own."""
        return self.namespace if self.namespace_given else ""

    def place(self, kind: Kind[Any], *, everywhere: bool = False) -> str:
        """Return the namespace to ask for a kind; empty for all namespaces, and for kinds without one."""
        return self.namespace if kind.namespaced and not everywhere else ""

    def complain(self, words: str) -> None:
        """Tell what is wrong and go on; the command will end with 1."""
        self.failures += 1
        self.err(f"error: {words}")

    def report(self, error: ApiError, doing: str = "") -> None:
        """Tell an error and go on; the command will end with 1."""
        self.failures += 1
        self.err(explain_error(error, server=self.server, doing=doing))

    @contextmanager
    def reporting(self, doing: str = "") -> Iterator[None]:
        try:
            yield
        except ApiError as error:
            self.report(error, doing)


def _write_bytes(stream: TextIO, data: bytes) -> None:
    binary = getattr(stream, "buffer", None)
    if binary is None:
        stream.write(data.decode(errors="replace"))
    else:
        stream.flush()
        binary.write(data)
    stream.flush()


async def _with_clients(shell: Shell, command: Command) -> None:
    clients = shell.connect(shell.server, shell.warn)
    try:
        async with nullcontext() if shell.progress is None else shell.progress.told():
            await command(shell, clients)
    finally:
        await clients.close()


def run(shell: Shell, command: Command) -> int:
    """Run a command and return its exit code."""
    try:
        asyncio.run(_with_clients(shell, command))
    except ApiError as error:
        shell.report(error)
    # Of a stored object that nobody checked: whoever computes with its selectors and amounts finds them so.
    except (Failure, FolderError, SelectorError, QuantityError) as error:
        shell.err(f"error: {error}")
        return 1
    except Exit as error:
        if error.words:
            shell.err(error.words)
        return error.code
    except UnicodeEncodeError as error:
        # A word of the command line that is no UTF-8: no message can carry it.
        shell.err(f"error: invalid UTF-8 in {error.object}")
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    return 1 if shell.failures else 0
