"""Carries calls over Kubernetes' REST API: HTTPS, certificates or tokens, protobuf. Shell around `requests`.

A `vaina.client.transport.Transport`, so that a scheduler or controller that is written with this library runs
on any Kubernetes cluster. aiohttp speaks HTTP, because it reads a watch without a thread for each.
"""

import asyncio
import re
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import aiohttp

from vaina.client.rest.answers import answer_of, log_piece
from vaina.client.rest.envelope import PROTOBUF, Frames, error_of
from vaina.client.rest.kubeconfig import Connection
from vaina.client.rest.requests import Request, requests_of, stream_of
from vaina.client.rest.secrets import Secrets
from vaina.client.transport import DEFAULT_TIMEOUT_SECONDS, Metadata
from vaina.errors import ApiError, MethodNotSupported, Timeout, TooLarge, Unavailable

#: requests under way at once; a batch of a hundred Pods is a hundred of them
IN_FLIGHT: Final = 64
#: of one answer; kube-apiserver gives a list without a limit as a whole
MAX_ANSWER_BYTES: Final = 256 * 1024 * 1024
#: of the body of a refusal
_MAX_ERROR_BYTES: Final = 1024 * 1024
#: seconds of silence before a connection is probed, between probes, and how many may be unanswered
_KEEPALIVE: Final = ((socket.TCP_KEEPIDLE, 30), (socket.TCP_KEEPINTVL, 5), (socket.TCP_KEEPCNT, 3))
#: codes from here on are no answers
_REDIRECTED: Final = 300
#: reviews and the version are JSON where a server has them in no other form
_ACCEPT: Final = f"{PROTOBUF}, application/json;q=0.9"
_WATCH: Final = f"{PROTOBUF};stream=watch"
#: a header `Warning: 299 - "text"` (apimachinery `pkg/util/net/http.go`)
_WARNING: Final = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')


def _ignore(_warning: str) -> None:
    """Warnings are for people; components do not read them."""


class RestTransport:
    """Calls to one apiserver over its REST API. Owned by the event loop in which it was made."""

    def __init__(
        self,
        connection: Connection,
        *,
        user_agent: str = "vaina",
        on_warning: Callable[[str], None] = _ignore,
    ) -> None:
        """Make it; nothing is connected yet. Raises ConfigError: certificates or token cannot be read."""
        self._connection, self._on_warning = connection, on_warning
        self._secrets = Secrets(connection)
        self._turns = asyncio.Semaphore(IN_FLIGHT)
        # Without a limit of its own: watches hold connections, and must not hold up the others.
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, socket_factory=make_socket),
            headers=[("User-Agent", user_agent), *connection.acts_as],
            timeout=aiohttp.ClientTimeout(total=None),
        )

    async def unary(
        self,
        method: str,
        request: bytes,
        *,
        timeout: float = DEFAULT_TIMEOUT_SECONDS,
        metadata: Metadata = (),
    ) -> bytes:
        asked = requests_of(method, request)
        if len(asked) == 1:
            answers = [await self._ask(asked[0], timeout)]
        else:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._ask(one, timeout)) for one in asked]
            answers = [task.result() for task in tasks]
        return answer_of(method, answers)

    async def stream(
        self, method: str, request: bytes, *, timeout: float | None = None, metadata: Metadata = ()
    ) -> AsyncGenerator[bytes, None]:
        asked, kind = stream_of(method, request)
        frames = None if kind is None else Frames(kind)
        deadline = None if timeout is None else asyncio.get_running_loop().time() + timeout
        try:
            async with AsyncExitStack() as stack:
                # The time is around each wait, never around a yield: it must not cancel the consumer.
                async with asyncio.timeout_at(deadline):
                    answer = await stack.enter_async_context(
                        self._request(asked, _WATCH if frames else "*/*")
                    )
                while True:
                    async with asyncio.timeout_at(deadline):
                        data = await answer.content.readany()
                    if not data:
                        return
                    message = log_piece(data) if frames is None else frames.take(data)
                    if message is not None:
                        yield message
                    if frames is not None:
                        frames.check()
        except TimeoutError as error:
            raise Timeout("Deadline Exceeded") from error
        except (aiohttp.ClientError, OSError) as error:
            raise _away(asked, error) from error

    def bidi(
        self,
        method: str,
        requests: AsyncIterator[bytes],
        *,
        timeout: float | None = None,
        metadata: Metadata = (),
    ) -> AsyncGenerator[bytes, None]:
        raise MethodNotSupported(f"{method}: exec, attach and port-forward go over gRPC, or with kubectl")

    async def close(self) -> None:
        await self._session.close()

    @asynccontextmanager
    async def _request(self, asked: Request, accept: str) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request, and yield the head of its answer. Raises ApiError: it was refused."""
        secrets = self._secrets.current()
        headers = {"Accept": accept}
        if secrets.token:
            headers["Authorization"] = f"Bearer {secrets.token}"
        if asked.body is not None:
            headers["Content-Type"] = asked.content_type
        async with self._session.request(
            asked.verb, f"{self._connection.server}{asked.path}", params=list(asked.query), data=asked.body,
            headers=headers, ssl=secrets.context, server_hostname=self._connection.server_name or None,
            # A redirection would take the token elsewhere.
            allow_redirects=False,
        ) as answer:  # fmt: skip
            if self._on_warning is not _ignore:
                for warning in warnings_of(answer.headers.getall("Warning", ())):
                    self._on_warning(warning)
            if answer.status >= _REDIRECTED:
                body = await _read(answer, _MAX_ERROR_BYTES)
                raise error_of(answer.status, body, answer.headers.get("Retry-After", ""))
            yield answer

    async def _ask(self, asked: Request, timeout: float) -> bytes | ApiError:
        """Return the body of an answer, or what it refuses."""
        try:
            async with (
                asyncio.timeout(timeout),
                self._turns,
                self._request(asked, _ACCEPT) as answer,
            ):
                return await _read(answer)
        except ApiError as error:
            return error
        except TimeoutError:
            return Timeout(f"{asked.verb} {asked.path}: no answer within {timeout:.0f} s")
        except (aiohttp.ClientError, OSError) as error:
            return _away(asked, error)


def make_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """Return a socket that notices when the other side has gone without a word: a watch may be silent long.

    client-go's connections are probed likewise (apimachinery `pkg/util/net/http.go`: readIdleTimeout).
    """
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, seconds in _KEEPALIVE:
        made.setsockopt(socket.IPPROTO_TCP, option, seconds)
    return made


async def _read(answer: aiohttp.ClientResponse, limit: int = MAX_ANSWER_BYTES) -> bytes:
    """Read a whole answer. Raises TooLarge."""
    pieces = bytearray()
    async for piece in answer.content.iter_any():
        pieces += piece
        if len(pieces) > limit:
            raise TooLarge(f"an answer larger than {limit} bytes: name a namespace, a selector or a limit")
    return bytes(pieces)


def _away(asked: Request, error: Exception) -> Unavailable:
    return Unavailable(f"{asked.verb} {asked.path}: {error}")


def warnings_of(headers: Iterable[str]) -> list[str]:
    """Return the texts of Warning headers."""
    return [re.sub(r"\\(.)", r"\1", found[1]) for header in headers for found in _WARNING.finditer(header)]
