"""Exec and attach over a WebSocket, and what is said of an upgrade to SPDY.

The call of PodService is begun first: what it refuses by itself is a Status over HTTP. Once it may begin it
awaits `RequestContext.checked`; there the connection is upgraded, and what a kubelet refuses comes over the
session's error channel, as upstream's. So clients that try SPDY where an upgrade fails do so for few reasons,
and are told the same one then.

Follows apiserver `pkg/util/proxy/streamtranslator.go`, kubernetes `pkg/registry/core/pod/rest/subresources.go`.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, aclosing
from typing import Any, Final, TypeAlias

import structlog
from aiohttp import WSCloseCode, web

from apiserver.rest.exchange import Exchange
from apiserver.rest.streams.channels import (
    ERROR,
    REMOTE_COMMAND,
    STDERR,
    STDIN,
    STDOUT,
    ChannelError,
    Ended,
    Input,
    Message,
    Protocol,
    Resized,
    read_message,
    write_message,
)
from apiserver.rest.streams.options import attach_options, exec_options
from apiserver.rest.streams.outcomes import SUCCESS, exit_status, write_outcome
from apiserver.rest.streams.sockets import Socket, negotiate, open_socket
from apiserver.rest.upgrades import is_upgrade, is_websocket
from vaina.api.core.v1 import pod_stream_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.errors import ApiError, BadRequest, Unavailable
from vaina.kinds import POD
from vaina.tasks import first_of

#: of a session that was idle for hours, or whose caller counts no more while it reads nothing
_ENDED: Final = "the session was ended by the server"

log = structlog.stdlib.get_logger(__name__)

Start: TypeAlias = pod_stream_pb2.PodExecStart | pod_stream_pb2.PodAttachStart
Request: TypeAlias = type[pod_stream_pb2.PodExecRequest] | type[pod_stream_pb2.PodAttachRequest]

#: clients show it to their users, because it is what their last try was answered
NO_SPDY: Final = (
    "unable to upgrade: this server streams over WebSocket and not over SPDY: use kubectl 1.31 or newer, or a "
    "client that offers {protocols}"
)
#: bytes of one message to a kubelet: none that the servers on the way count (`vaina.serving.unsent`)
_PIECE: Final = 8_000
#: messages of a client that its command has not taken; then it waits
_READ_AHEAD: Final = 4
_BROKEN: Final = (
    "the session has ended before its command: the connection to its node broke, or the server ends"
)


async def answer_exec(exchange: Exchange) -> web.StreamResponse:
    """Run a command in a container. Raises ApiErrors as long as nothing was written."""
    options = exec_options(exchange.info.query)
    start = pod_stream_pb2.PodExecStart(
        namespace=exchange.info.namespace, name=exchange.info.name, options=options
    )
    return await _Session(exchange, "Exec", pod_stream_pb2.PodExecRequest, start).run()


async def answer_attach(exchange: Exchange) -> web.StreamResponse:
    """Join the streams of a container's own process. Raises ApiErrors as long as nothing was written."""
    options = attach_options(exchange.info.query)
    start = pod_stream_pb2.PodAttachStart(
        namespace=exchange.info.namespace, name=exchange.info.name, options=options
    )
    return await _Session(exchange, "Attach", pod_stream_pb2.PodAttachRequest, start).run()


def check_upgrade(exchange: Exchange, known: Mapping[str, Protocol]) -> ApiError | None:
    """Return the refusal of a request that offers no WebSocket, to be raised once the call may begin.

    Raises BadRequest where no upgrade is asked for at all.
    """
    if not is_upgrade(exchange.http.headers):
        raise BadRequest("Upgrade request required")
    if is_websocket(exchange.http.headers):
        return None
    return BadRequest(NO_SPDY.format(protocols=", ".join(name for name in known if name)))


class _Session:
    """One exec or attach. Owned by the task of its request."""

    def __init__(self, exchange: Exchange, method: str, message: Request, start: Start) -> None:
        self._exchange, self._path, self._message, self._start = exchange, POD.method(method), message, start
        options = start.options
        self._writes = {STDOUT: options.stdout, STDERR: options.stderr}
        self._reads_input = options.stdin
        self._socket: Socket | None = None
        self._upgraded = asyncio.Event()
        self._inputs: asyncio.Queue[Message] = asyncio.Queue(_READ_AHEAD)
        self._outcome: meta_pb2.Status | None = None
        self._refusal: ApiError | None = None
        self._is_broken = False

    async def run(self) -> web.StreamResponse:
        no_upgrade = check_upgrade(self._exchange, REMOTE_COMMAND)
        self._protocol = REMOTE_COMMAND[""]
        if no_upgrade is None:
            self._protocol = negotiate(self._exchange.http, REMOTE_COMMAND)
        async with AsyncExitStack() as stack:

            async def upgrade() -> None:
                if no_upgrade is not None:
                    raise no_upgrade
                await self._open(stack)

            self._exchange.rpc.checked = upgrade
            await first_of(self._call(), self._read(), self._watch())
            if self._socket is None:
                raise self._refusal or Unavailable(_BROKEN)
            await self._finish(self._socket)
            return self._socket.response

    async def _open(self, stack: AsyncExitStack) -> None:
        self._socket = await stack.enter_async_context(open_socket(self._exchange, self._protocol))
        # Clients know by it that the session is there.
        lowest = next((channel for channel, is_open in self._writes.items() if is_open), ERROR)
        await self._send(lowest, b"")
        self._upgraded.set()

    async def _watch(self) -> None:
        """Return when the client answers no more, or nothing was said for hours."""
        await self._upgraded.wait()
        assert self._socket is not None
        await self._socket.keep()

    async def _call(self) -> None:
        try:
            async with aclosing(self._exchange.stream(self._path, self._requests())) as answers:
                async for raw in answers:
                    await self._answer(raw)
            self._outcome = self._outcome or Unavailable(_BROKEN).to_status()
        except ApiError as error:
            self._refusal, self._outcome = error, self._outcome or error.to_status()

    async def _answer(self, raw: bytes) -> None:
        answer: Any
        if self._message is pod_stream_pb2.PodExecRequest:
            answer = pod_stream_pb2.PodExecResponse.FromString(raw)
        else:
            answer = pod_stream_pb2.PodAttachResponse.FromString(raw)
        match answer.WhichOneof("output"):
            case "stdout":
                await self._send(STDOUT, answer.stdout)
            case "stderr":
                await self._send(STDERR, answer.stderr)
            case "exit_code":
                self._outcome = exit_status(answer.exit_code)
            case "ended":
                self._outcome = SUCCESS
            case _:
                pass

    async def _send(self, channel: int, data: bytes) -> None:
        if self._socket is not None and self._writes.get(channel, True):
            await self._socket.send(write_message(self._protocol, channel, data))

    async def _read(self) -> None:
        """Read what the client says, ahead of its command, until it closes or goes."""
        await self._upgraded.wait()
        assert self._socket is not None
        async with aclosing(self._socket.messages()) as messages:
            async for raw in messages:
                try:
                    told = read_message(self._protocol, raw)
                except ChannelError as error:
                    log.info("session ended", pod=self._exchange.info.name, reason=str(error))
                    self._is_broken = True
                    return
                if told is not None and (self._reads_input or isinstance(told, Resized)):
                    await self._inputs.put(told)

    async def _requests(self) -> AsyncGenerator[bytes, None]:
        yield self._message(start=self._start).SerializeToString()  # type: ignore[arg-type]
        has_ended = False
        while True:
            match await self._inputs.get():
                case Resized() as told:
                    size = pod_stream_pb2.TerminalSize(width=told.width, height=told.height)
                    yield self._message(resize=size).SerializeToString()
                case Input() as told if not has_ended:
                    for at in range(0, len(told.data), _PIECE):
                        piece = told.data[at : at + _PIECE]
                        yield self._message(stdin=piece).SerializeToString()
                case Ended() as told if told.channel == STDIN and not has_ended:
                    has_ended = True
                    yield self._message(close_stdin=True).SerializeToString()
                case _:
                    pass

    async def _finish(self, socket: Socket) -> None:
        if self._is_broken:
            await socket.close(WSCloseCode.PROTOCOL_ERROR)
            return
        if socket.gone.is_set():
            return
        outcome = self._outcome or Unavailable(_ENDED).to_status()
        data = write_outcome(outcome, as_json=self._protocol.has_status)
        if data:
            await self._send(ERROR, data)
        await socket.close()
