"""Calls of the load lab to kube-apiserver: HTTPS, a token, protobuf. Shell around `rest`.

A `vaina.client.transport.Transport`, so that a run, its Pods, its witness and its judge are the same code on
both sides. aiohttp speaks HTTP because grpc does not, and because it reads a watch without a thread for each;
the requirements of development have it.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Final

import aiohttp

from bench.reference import rest
from vaina.client.transport import DEFAULT_TIMEOUT_SECONDS, Metadata
from vaina.errors import ApiError, MethodNotSupported, Timeout, Unavailable

#: requests under way at once; a batch of a hundred Pods is a hundred of them
_IN_FLIGHT: Final = 64


class HttpTransport:
    """Calls to one kube-apiserver. Owned by the event loop in which it was made."""

    def __init__(self, url: str, *, token: str, certificate: Path) -> None:
        """Make it; nothing is connected yet.

        Args:
            url: https://host:port.
            token: of a user who may do everything.
            certificate: whose server is believed, a file.
        """
        context = ssl.create_default_context(cafile=str(certificate))
        self._url = url
        self._turns = asyncio.Semaphore(_IN_FLIGHT)
        # Without a limit of its own: watches hold connections, and must not hold up the others.
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=context),
            headers={"Authorization": f"Bearer {token}", "Accept": rest.PROTOBUF, "User-Agent": "vaina-load"},
        )

    async def unary(
        self,
        method: str,
        request: bytes,
        *,
        timeout: float = DEFAULT_TIMEOUT_SECONDS,
        metadata: Metadata = (),
    ) -> bytes:
        asked = rest.requests_of(method, request)
        if len(asked) == 1:
            answers = [await self._ask(asked[0], timeout)]
        else:
            answers = await asyncio.gather(*(self._ask(one, timeout) for one in asked))
        return rest.answer_of(method, answers)

    async def stream(
        self, method: str, request: bytes, *, timeout: float | None = None, metadata: Metadata = ()
    ) -> AsyncGenerator[bytes, None]:
        asked = rest.watch_request(method, request)
        frames = rest.Frames(method)
        try:
            async with self._session.get(
                f"{self._url}{asked.path}", params=asked.query, headers={"Accept": f"{rest.PROTOBUF};stream=watch"},
                timeout=aiohttp.ClientTimeout(total=timeout),
            ) as answer:  # fmt: skip
                if not answer.ok:
                    raise rest.error_of(answer.status, await answer.read())
                async for data in answer.content.iter_any():
                    message = frames.take(data)
                    if message is not None:
                        yield message
        except TimeoutError as error:
            raise Timeout("the time of a watch is up") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unavailable(f"kube-apiserver: {error}") from error

    def bidi(
        self,
        method: str,
        requests: AsyncIterator[bytes],
        *,
        timeout: float | None = None,
        metadata: Metadata = (),
    ) -> AsyncGenerator[bytes, None]:
        raise MethodNotSupported(f"{method}: kube-apiserver is not asked for that by a load")

    async def close(self) -> None:
        await self._session.close()

    async def _ask(self, asked: rest.Request, timeout: float) -> bytes | ApiError:
        """Return the body of an answer, or what it refuses."""
        headers = {"Content-Type": asked.content_type} if asked.body is not None else {}
        try:
            async with (
                asyncio.timeout(timeout),
                self._turns,
                self._session.request(
                    asked.verb, f"{self._url}{asked.path}", params=asked.query, data=asked.body, headers=headers,
                ) as answer,
            ):  # fmt: skip
                body = await answer.read()
                return body if answer.ok else rest.error_of(answer.status, body)
        except TimeoutError:
            return Timeout(f"{asked.verb} {asked.path}: no answer within {timeout:.0f} s")
        except (aiohttp.ClientError, OSError) as error:
            return Unavailable(f"{asked.verb} {asked.path}: {error}")
