"""Shell: the output of a Pod's container, as it comes, as plain text.

GET /api/pods/{namespace}/{name}/log?container=C&previous=true&uid=U

The last lines first, then what comes. A browser keeps the newest of it; the server keeps nothing.
"""

import asyncio
from contextlib import aclosing
from typing import Final

from aiohttp import web

from dashboard.view import SESSION_SECONDS, Context, Handler
from vaina.api.core.v1 import pod_pb2
from vaina.errors import ApiError, TooManyRequests, Unauthorized

#: lines of before
TAIL_LINES: Final = 500
#: logs that are followed at once, by all browsers
MAX_FOLLOWED: Final = 32
#: of one log; more is for `vaina logs`
MAX_BYTES: Final = 64 * 1024 * 1024


class Logs:
    """Follows logs. Owned by the event loop."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._followed = 0

    def handler(self) -> Handler:
        return self._answer

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        """Follow a log until browser, container or session ends. Raises ApiError: there is none."""
        if self._followed >= MAX_FOLLOWED:
            raise TooManyRequests(f"{MAX_FOLLOWED} logs are followed already; close some")
        self._followed += 1
        try:
            return await self._follow(request)
        finally:
            self._followed -= 1

    async def _follow(self, request: web.Request) -> web.StreamResponse:
        asked, place = request.query, request.match_info
        previous = asked.get("previous") == "true"
        options = pod_pb2.PodLogOptions(
            container=asked.get("container", ""), previous=previous, follow=not previous, tail_lines=TAIL_LINES,
            limit_bytes=MAX_BYTES,
        )  # fmt: skip
        stream = self._context.clients.pods.log_stream(
            place["namespace"], place["name"], options, uid=asked.get("uid", "")
        )
        response = web.StreamResponse()
        # Whatever it is, no browser takes it for HTML.
        response.content_type, response.charset = "text/plain", "utf-8"
        ended: ApiError | None = None
        async with aclosing(stream) as answers:
            try:
                async with asyncio.timeout(request[SESSION_SECONDS]):
                    async for answer in answers:
                        if not response.prepared:
                            await response.prepare(request)
                        if answer.data:
                            await response.write(answer.data)
            except ApiError as error:
                ended = error
            except TimeoutError:
                ended = Unauthorized("the session of this page has ended")
        if not response.prepared:
            if ended is not None:
                raise ended
            await response.prepare(request)
        if ended is not None:
            # Such as a node that has gone away: the text ends with that.
            await response.write(f"\n[{ended.message}]\n".encode())
        await response.write_eof()
        return response
