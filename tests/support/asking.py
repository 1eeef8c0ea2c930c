"""Asking a scheduler that runs in this process: over its service, and from the command line."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

from cli.app import invoke
from scheduler.scheduler import Scheduler
from scheduler.service import SchedulerService
from tests.support.apiserver import Harness
from tests.support.command import CommandLine, Result, text_of
from vaina.client.clientset import Clientset
from vaina.client.scheduler import SchedulerClient
from vaina.client.transport import InProcessTransport, Metadata, Transport


class Elsewhere:
    """A transport for another event loop than the one its handlers live on: a command has a loop of its own."""

    def __init__(self, inner: Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._inner, self._loop = inner, loop

    async def unary(
        self, method: str, request: bytes, *, timeout: float = 10.0, metadata: Metadata = ()
    ) -> bytes:
        call = self._inner.unary(method, request, timeout=timeout, metadata=metadata)
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(call, self._loop))

    def stream(
        self, method: str, request: bytes, *, timeout: float | None = None, metadata: Metadata = ()
    ) -> AsyncGenerator[bytes, None]:
        raise AssertionError("no command that asks the scheduler opens a stream")

    def bidi(
        self,
        method: str,
        requests: AsyncIterator[bytes],
        *,
        timeout: float | None = None,
        metadata: Metadata = (),
    ) -> AsyncGenerator[bytes, None]:
        raise AssertionError("no command that asks the scheduler opens a stream")

    async def close(self) -> None:
        """Nothing is open."""


def service_of(scheduler: Scheduler, server: Harness, *, leading: bool = True) -> SchedulerService:
    """Make the service of a scheduler: scheduler-1, which leads or follows scheduler-0."""
    return SchedulerService(
        scheduler, server.client, server.clock, identity="scheduler-1", leading=lambda: leading,
        leader=lambda: "scheduler-0",
    )  # fmt: skip


def client_of(service: SchedulerService, server: Harness) -> SchedulerClient:
    """Make a client of a service in this process."""
    return SchedulerClient(InProcessTransport(service.handlers(), clock=server.clock))


async def vaina(server: Harness, service: SchedulerService, *arguments: str, stdin: str = "") -> Result:
    """Run a command line against an apiserver and a scheduler of this process, in a thread as in a process of
    its own.
    """
    loop = asyncio.get_running_loop()
    shell = CommandLine(server.app.handlers, server.clock).shell(stdin=stdin.encode())
    shell.connect = lambda _, warn: Clientset(
        Elsewhere(InProcessTransport(server.app.handlers, clock=server.clock, on_warning=warn), loop)
    )
    shell.connect_scheduler = lambda _: SchedulerClient(
        Elsewhere(InProcessTransport(service.handlers(), clock=server.clock), loop)
    )
    code = await asyncio.to_thread(invoke, shell, [*arguments])
    return Result(code, text_of(shell.stdout), text_of(shell.stderr))
