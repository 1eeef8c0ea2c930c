"""A TCP proxy on the loopback that loses, holds or delays what goes through it, as a test wishes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from vaina.clock import SystemClock

#: chunks of one connection that are on their way
_UNDER_WAY = 1000


class Gate:
    """Lets data through, or holds it until it is opened again."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()
        #: set when something waits at the closed gate
        self.holds = asyncio.Event()

    def close(self) -> None:
        """Hold what comes from now on."""
        self._open.clear()

    def open(self) -> None:
        """Let through what waits, and what comes."""
        self.holds.clear()
        self._open.set()

    async def passed(self) -> None:
        """Return when the gate is open."""
        if not self._open.is_set():
            self.holds.set()
            await self._open.wait()


class Proxy:
    """Passes bytes on to a port until it is told otherwise."""

    def __init__(self, upstream_port: int) -> None:
        self.upstream_port = upstream_port
        self._clock = SystemClock()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()
        #: what the server says is thrown away
        self.loses_answers = False
        #: what the client says is thrown away
        self.loses_requests = False
        #: what the client says, and what the server says, waits here; in its order
        self.requests, self.answers = Gate(), Gate()
        #: what the server says arrives so much later
        self.answers_late_seconds = 0.0
        #: what the client said while anything is thrown away
        self.said = bytearray()
        #: how often connections that were open were broken
        self.breaks = 0

    @property
    def target(self) -> str:
        """The gRPC target of the proxy."""
        assert self._server is not None
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)

    async def stop(self) -> None:
        """Listen no more, and break what is open."""
        assert self._server is not None
        self._server.close()
        self.break_connections()
        self.requests.open()
        self.answers.open()
        if self._serving:
            await asyncio.wait(self._serving)

    def break_connections(self) -> None:
        """End all connections at once."""
        self.breaks += bool(self._writers)
        for writer in self._writers:
            writer.transport.abort()

    def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._connect(reader, writer, b"")

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
        """Connect a client with the server, who gets what was read of it already first."""
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.upstream_port)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, up_writer}
        up_writer.write(head)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._pass_on(reader, up_writer, is_answer=False))
                tasks.create_task(self._pass_on(up_reader, writer, is_answer=True))
        finally:
            self._writers -= {writer, up_writer}

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_answer: bool
    ) -> None:
        """Pass on one direction of a connection. What was read before its end is still delivered."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_UNDER_WAY)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._deliver(under_way, writer, self.answers if is_answer else self.requests))
            data = b"-"
            with suppress(ConnectionError):
                while data := await reader.read(65536):
                    if not is_answer and (self.loses_answers or self.loses_requests):
                        self.said += data
                    if self.loses_answers if is_answer else self.loses_requests:
                        continue
                    late = self.answers_late_seconds if is_answer else 0.0
                    await under_way.put((self._clock.monotonic() + late, data))
            await under_way.put((0.0, b""))

    async def _deliver(
        self, under_way: "asyncio.Queue[tuple[float, bytes]]", writer: asyncio.StreamWriter, gate: Gate
    ) -> None:
        with suppress(ConnectionError):
            while True:
                due, data = await under_way.get()
                late = due - self._clock.monotonic()
                if late > 0:
                    await self._clock.sleep(late)
                if not data:
                    break
                await gate.passed()
                writer.write(data)
                await writer.drain()
        # In good order: the other side reads what was delivered before.
        writer.close()


@asynccontextmanager
async def proxy_to(port: int) -> AsyncIterator[Proxy]:
    """Run a proxy."""
    proxy = Proxy(port)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.stop()
