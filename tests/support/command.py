"""The `vaina` command over an apiserver in memory: arguments in, exit code and text out."""

import asyncio
import io
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from apiserver.storage.memory import MemoryStorage
from cli.app import invoke
from cli.printers.style import Paint
from cli.shell import Shell
from cli.terminal import NoTerminal, Terminal
from tests.support.direct import build_handlers
from vaina.client.clientset import Clientset
from vaina.client.transport import InProcessTransport
from vaina.clock import Clock
from vaina.pki.folder import Folder
from vaina.serving.handlers import Handlers
from vaina.testing.clock import FakeClock

T = TypeVar("T")
SERVER = "memory:1"


@dataclass(frozen=True, slots=True)
class Result:
    """What a run of the command left."""

    code: int
    out: str
    err: str


class CommandLine:
    """Runs command lines against one apiserver.

    Every run is a process of its own, as far as the command can tell.
    """

    def __init__(
        self, handlers: Handlers | None = None, clock: Clock | None = None, credentials: Folder | None = None
    ) -> None:
        self.clock, self.credentials = clock or FakeClock(), credentials
        self.handlers = handlers if handlers is not None else build_handlers(MemoryStorage(), self.clock)

    def shell(
        self, *, stdin: bytes = b"", interactive: bool = False, terminal: Terminal | None = None
    ) -> Shell:
        """Make the shell of one run."""
        return Shell(
            server=SERVER,
            connect=lambda _, warn: Clientset(
                InProcessTransport(self.handlers, clock=self.clock, on_warning=warn)
            ),
            credentials=self.credentials,
            clock=self.clock,
            stdin=io.BytesIO(stdin),
            stdout=io.StringIO(),
            stderr=io.StringIO(),
            terminal=terminal or NoTerminal(stdin),
            interactive=interactive,
            paint=Paint(interactive),
        )

    def run(self, *arguments: str, stdin: bytes | str = b"", terminal: Terminal | None = None) -> Result:
        """Run a command line to its end."""
        data = stdin.encode() if isinstance(stdin, str) else stdin
        shell = self.shell(stdin=data, terminal=terminal)
        code = invoke(shell, list(arguments))
        return Result(code, text_of(shell.stdout), text_of(shell.stderr))

    def do(self, call: Callable[[Clientset], Awaitable[T]]) -> T:
        """Do something with the client library, as a component would."""

        async def inside() -> T:
            clients = Clientset(InProcessTransport(self.handlers, clock=self.clock))
            return await call(clients)

        return asyncio.run(inside())


def text_of(stream: object) -> str:
    """Return what was written to a stream of a shell of `CommandLine`."""
    assert isinstance(stream, io.StringIO)
    return stream.getvalue()
