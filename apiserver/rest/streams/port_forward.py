"""Port-forward over a WebSocket: SPDY/3.1 in its messages (kubectl), or channels (the Python client).

Each forwarded connection is a call of PodService. One more is held at the point where it may begin for as
long as the session lasts: it says first whether the caller may forward ports of this Pod at all, and ends when
the caller counts no more.

Follows apiserver `pkg/util/proxy/streamtunnel.go`, kubelet `pkg/cri/streaming/portforward`.
"""

import asyncio
import struct
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing, suppress
from dataclasses import replace
from typing import Final, assert_never

import structlog
from aiohttp import WSCloseCode, web

from apiserver.rest.exchange import Exchange
from apiserver.rest.streams.channels import PORTS, Protocol, split_message, write_message
from apiserver.rest.streams.options import ports
from apiserver.rest.streams.remote_command import check_upgrade
from apiserver.rest.streams.sockets import PING_SECONDS, Socket, negotiate, open_socket
from apiserver.rest.streams.tunnel import Abandoned, Opened, Received, Tunnel, WentAway
from vaina.api.core.v1 import pod_stream_pb2
from vaina.errors import ApiError, Unavailable
from vaina.kinds import POD
from vaina.spdy import SpdyError
from vaina.tasks import first_of

log = structlog.stdlib.get_logger(__name__)

#: kubectl's: apimachinery `pkg/util/portforward/constants.go`
TUNNEL: Final = Protocol("SPDY/3.1+portforward.k8s.io")
_KNOWN: Final = {TUNNEL.name: TUNNEL, **PORTS}
_METHOD: Final = POD.method("PortForward")
#: bytes for the ports of one session that were not taken yet; then its client waits
MAX_WAITING: Final = 256 * 1024
#: bytes of one message to a kubelet
_PIECE: Final = 8_000


async def answer_port_forward(exchange: Exchange) -> web.StreamResponse:
    """Forward connections to ports of a Pod. Raises ApiErrors as long as nothing was written."""
    no_upgrade = check_upgrade(exchange, _KNOWN)
    protocol = TUNNEL if no_upgrade else negotiate(exchange.http, _KNOWN)
    wanted = [] if protocol is TUNNEL else ports(exchange.info.query)
    upgraded = asyncio.Event()
    session: _Session | None = None
    refusal: ApiError | None = None
    async with AsyncExitStack() as stack:

        async def upgrade() -> None:
            nonlocal session
            if no_upgrade is not None:
                raise no_upgrade
            socket = await stack.enter_async_context(open_socket(exchange, protocol))
            session = (
                _Tunnelled(exchange, socket)
                if protocol is TUNNEL
                else _Channels(exchange, socket, protocol, wanted)
            )
            upgraded.set()
            await asyncio.Event().wait()

        async def hold() -> None:
            nonlocal refusal
            try:
                # Nobody connects to this port.
                requests = _once(_start(exchange, 1))
                async with aclosing(exchange.stream(_METHOD, requests)) as answers:
                    async for _ in answers:
                        pass
            except ApiError as error:
                refusal = error

        async def serve() -> None:
            await upgraded.wait()
            assert session is not None
            await first_of(session.run(), session.socket.keep())

        exchange.rpc.checked = upgrade
        await first_of(hold(), serve())
        if session is None:
            raise refusal or Unavailable("the server ends")
        await session.close(refusal)
        return session.socket.response


def _start(exchange: Exchange, port: int) -> pod_stream_pb2.PodPortForwardRequest:
    info = exchange.info
    start = pod_stream_pb2.PodPortForwardStart(namespace=info.namespace, name=info.name, port=port)
    return pod_stream_pb2.PodPortForwardRequest(start=start)


async def _once(request: pod_stream_pb2.PodPortForwardRequest) -> AsyncGenerator[bytes, None]:
    yield request.SerializeToString()


class _Inbox:
    """What came for one port and was not taken yet."""

    def __init__(self, room: "_Room") -> None:
        self._room, self._data, self._size = room, deque[bytes](), 0
        self._changed, self._has_all = asyncio.Event(), False

    def add(self, data: bytes) -> None:
        """Add bytes; the reader of the client waits for room afterwards."""
        self._data.append(data)
        self._size += len(data)
        self._changed.set()
        self._room.take(len(data))

    def end(self) -> None:
        """Say that no more bytes come."""
        self._has_all = True
        self._changed.set()

    def drop(self) -> None:
        """Forget what was not taken, and what still comes."""
        self._room.give(self._size)
        self._size, self._has_all = 0, True
        self._data.clear()

    async def requests(self, start: pod_stream_pb2.PodPortForwardRequest) -> AsyncGenerator[bytes, None]:
        """Yield the requests of the connection's call."""
        yield start.SerializeToString()
        while True:
            while self._data:
                data = self._data.popleft()
                for at in range(0, len(data), _PIECE):
                    piece = data[at : at + _PIECE]
                    yield pod_stream_pb2.PodPortForwardRequest(data=piece).SerializeToString()
                self._size -= len(data)
                self._room.give(len(data))
            if self._has_all:
                return
            self._changed.clear()
            await self._changed.wait()


class _Room:
    """Bounds what waits for all ports of a session: its client is not read until some of it was taken.

    SPDY's windows would hold back one connection alone, but no client of Kubernetes keeps them.
    """

    def __init__(self) -> None:
        self._waiting, self._has_room = 0, asyncio.Event()

    def take(self, size: int) -> None:
        """Count bytes that wait."""
        self._waiting += size

    async def wait(self) -> None:
        """Return when there is room for more."""
        while self._waiting > MAX_WAITING:
            self._has_room.clear()
            await self._has_room.wait()

    def give(self, size: int) -> None:
        """Count bytes no more."""
        self._waiting -= size
        if self._waiting <= MAX_WAITING:
            self._has_room.set()


class _Session:
    """What both protocols share: connections side by side over one socket. Owned by the request's tasks."""

    def __init__(self, exchange: Exchange, socket: Socket) -> None:
        self._exchange, self.socket, self._room = exchange, socket, _Room()
        self._inboxes: dict[int, _Inbox] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._code = WSCloseCode.OK

    async def run(self) -> None:
        """Serve until the client ends the session."""
        raise NotImplementedError

    async def close(self, refusal: ApiError | None) -> None:
        """End the socket; `refusal` says why the session may not go on."""
        if self.socket.gone.is_set():
            return
        if refusal is not None:
            await self.socket.close(WSCloseCode.POLICY_VIOLATION, refusal.message)
        else:
            await self.socket.close(self._code)

    def _begin(self, group: asyncio.TaskGroup, number: int, port: int) -> None:
        inbox = self._inboxes[number] = _Inbox(self._room)
        task = self._tasks[number] = group.create_task(self._carry(number, port, inbox))
        # Not by the task itself: one that is cancelled before it begins runs nothing.
        task.add_done_callback(lambda _: self._forget(number))

    def _forget(self, number: int) -> None:
        self._inboxes.pop(number).drop()
        del self._tasks[number]

    async def _carry(self, number: int, port: int, inbox: _Inbox) -> None:
        """Carry one connection: a call of its own, with what was asked and answered for it alone."""
        error = ""
        rpc = replace(self._exchange.rpc, authorized=[], trailing=[], audited=None, checked=None)
        try:
            requests = inbox.requests(_start(self._exchange, port))
            async with aclosing(self._exchange.stream(_METHOD, requests, rpc)) as answers:
                async for raw in answers:
                    data = pod_stream_pb2.PodPortForwardResponse.FromString(raw).data
                    if data:
                        await self._say(number, data)
        except ApiError as refused:
            error = forward_error(port, self._exchange.info.name, refused.message)
        # What comes for it from now on, nobody takes.
        inbox.drop()
        await self._end(number, error)

    async def _say(self, number: int, data: bytes) -> None:
        """Send what a port says."""
        raise NotImplementedError

    async def _end(self, number: int, error: str) -> None:
        """Say that a connection has ended, and why."""
        raise NotImplementedError


def forward_error(port: int, pod: str, message: str) -> str:
    """Return upstream's words (kubelet `pkg/cri/streaming/portforward/httpstream.go`, portForward)."""
    if message.startswith("error forwarding port"):
        return message
    return f"error forwarding port {port} to pod {pod}, uid : {message}"


class _Tunnelled(_Session):
    """SPDY/3.1 in binary messages, cut anywhere."""

    def __init__(self, exchange: Exchange, socket: Socket) -> None:
        super().__init__(exchange, socket)
        self._tunnel, self._loop = Tunnel(), asyncio.get_running_loop()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            expiring = group.create_task(self._expire())
            try:
                await self._read(group)
            except SpdyError as error:
                log.info("port-forward ended", pod=self._exchange.info.name, error=str(error))
                self._code = WSCloseCode.PROTOCOL_ERROR
            for task in (expiring, *self._tasks.values()):
                task.cancel()

    async def _read(self, group: asyncio.TaskGroup) -> None:
        async with aclosing(self.socket.messages()) as messages:
            async for raw in messages:
                for event in self._tunnel.receive(raw, self._loop.time()):
                    # A stream's reply goes before its data.
                    await self._flush()
                    match event:
                        case Opened():
                            self._begin(group, event.connection, event.port)
                        case Received():
                            await self._receive(event)
                        case Abandoned():
                            await self._abandon(event.connection)
                        case WentAway():
                            return
                        case _:
                            assert_never(event)
                await self._flush()

    async def _receive(self, event: Received) -> None:
        inbox = self._inboxes.get(event.connection)
        if inbox is None:
            return
        if event.last:
            if event.data:
                inbox.add(event.data)
            inbox.end()
        elif event.data:
            inbox.add(event.data)
        await self._room.wait()

    async def _abandon(self, number: int) -> None:
        task = self._tasks.get(number)
        if task is not None:
            task.cancel()
        await self._end(number, "")

    async def _expire(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(PING_SECONDS):
                    await self.socket.gone.wait()
                    return
            self._tunnel.expire(self._loop.time())
            await self._flush()

    async def _flush(self) -> None:
        output = self._tunnel.take_output()
        if output:
            await self.socket.send(output)

    async def _say(self, number: int, data: bytes) -> None:
        frame = self._tunnel.send(number, data)
        if frame:
            await self.socket.send(frame)

    async def _end(self, number: int, error: str) -> None:
        frames = self._tunnel.finish(number, error)
        if frames:
            await self.socket.send(frames)


class _Channels(_Session):
    """Two channels a port, data and error; the first message of each is the port, in little endian.

    A client cannot end one direction, and cannot connect to a port anew.
    """

    def __init__(self, exchange: Exchange, socket: Socket, protocol: Protocol, wanted: Sequence[int]) -> None:
        super().__init__(exchange, socket)
        self._protocol, self._ports = protocol, wanted

    async def run(self) -> None:
        for index, port in enumerate(self._ports):
            for channel in (2 * index, 2 * index + 1):
                await self._write(channel, struct.pack("<H", port))
        await first_of(self._serve(), self._read())

    async def _serve(self) -> None:
        async with asyncio.TaskGroup() as group:
            for index, port in enumerate(self._ports):
                self._begin(group, index, port)

    async def _read(self) -> None:
        async with aclosing(self.socket.messages()) as messages:
            async for raw in messages:
                found = split_message(self._protocol, raw)
                inbox = None if found is None or found.channel % 2 else self._inboxes.get(found.channel // 2)
                if inbox is not None and found is not None and found.data:
                    inbox.add(found.data)
                    await self._room.wait()

    async def _write(self, channel: int, data: bytes) -> None:
        await self.socket.send(write_message(self._protocol, channel, data))

    async def _say(self, number: int, data: bytes) -> None:
        await self._write(2 * number, data)

    async def _end(self, number: int, error: str) -> None:
        if error:
            await self._write(2 * number + 1, error.encode())
