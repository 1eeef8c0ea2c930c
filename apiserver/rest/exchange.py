"""One HTTP request under way, as the modules that answer it have it.

Made by `server`; `listing`, `watching` and `streams` are called with it. The handlers of the gRPC door are
called through it alone.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

from apiserver.rest.forms import Form
from apiserver.rest.info import RequestInfo
from apiserver.rest.served import Served
from vaina.serving.handlers import RequestContext


class Calls(Protocol):
    """The methods of the gRPC door, called for one request. Made by `server`."""

    async def unary(self, path: str, request: bytes) -> bytes:
        """Call a unary method by its full path. Raises ApiErrors alone."""
        ...

    def stream(self, path: str, request: bytes | AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        """Call a streaming method by its full path. Raises ApiErrors alone.

        It ends in good order when the server ends, between two answers, and with Unauthorized when the caller's
        certificate counts no more. The iterator has to be closed (`aclosing`).
        """
        ...


@dataclass(slots=True)
class Exchange:
    """A request for a resource. Owned by its task."""

    #: aiohttp's: headers, body, and what a response is prepared with
    http: web.BaseRequest
    info: RequestInfo
    served: Served
    form: Form
    #: of the request; warnings for the client are in its `trailing`
    rpc: RequestContext
    calls: Calls
