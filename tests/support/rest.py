"""The REST API of an apiserver in this process, on a loopback port, with a client of it."""

import io
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import aiohttp

from apiserver.authorization.authorizer import AlwaysAllow, Authorizer
from apiserver.rest.server import RestOptions, RestServing, serve_rest
from tests.support.apiserver import Harness, make_apiserver
from vaina.clock import SystemClock
from vaina.pki.folder import AUTHORITIES, CERTIFICATE, KEY, Folder

#: bodies that aiohttp's client does not take as bytes
_LARGE = 1_000_000


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that was read."""

    code: int
    headers: Mapping[str, str]
    body: bytes
    #: all of them, in their order
    warnings: tuple[str, ...] = ()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass(slots=True)
class RestServer:
    """A REST server with what is behind it. Made by `rest_server`."""

    api: Harness
    serving: RestServing
    session: aiohttp.ClientSession
    host: str

    @property
    def port(self) -> int:
        return self.serving.port

    @property
    def url(self) -> str:
        """Its address without a slash at the end."""
        return f"{self.host}:{self.port}"

    async def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Answer:
        """Send a request; a body that is no bytes is written as JSON."""
        data: Any = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        sent = {**({"Content-Type": content_type} if data is not None else {}), **(headers or {})}
        if data is not None and len(data) > _LARGE:
            data = io.BytesIO(data)
        url = aiohttp.client.URL(self.url + path, encoded=True)
        async with self.session.request(method, url, data=data, headers=sent) as answer:
            warnings = tuple(answer.headers.getall("Warning", ()))
            return Answer(answer.status, dict(answer.headers), await answer.read(), warnings)

    async def get(self, path: str, **kwargs: Any) -> Answer:
        return await self.request("GET", path, **kwargs)

    async def post(self, path: str, body: object, **kwargs: Any) -> Answer:
        return await self.request("POST", path, body, **kwargs)

    async def put(self, path: str, body: object, **kwargs: Any) -> Answer:
        return await self.request("PUT", path, body, **kwargs)

    async def delete(self, path: str, body: object = None, **kwargs: Any) -> Answer:
        return await self.request("DELETE", path, body, **kwargs)

    async def patch(
        self,
        path: str,
        body: object,
        *,
        content_type: str = "application/merge-patch+json",
        **kwargs: Any,
    ) -> Answer:
        return await self.request("PATCH", path, body, content_type=content_type, **kwargs)

    @asynccontextmanager
    async def caller(self, folder: Folder, *, shows: bool = True) -> AsyncIterator["RestServer"]:
        """Call over TLS as whom a folder's certificate names, or without showing it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(folder.path / AUTHORITIES)
        if shows:
            context.load_cert_chain(folder.path / CERTIFICATE, folder.path / KEY)
        connector = aiohttp.TCPConnector(limit=0, ssl=context)
        async with aiohttp.ClientSession(connector=connector) as session:
            yield replace(self, session=session)


@asynccontextmanager
async def rest_server(
    api: Harness | None = None, *, authorizer: Authorizer | None = None, **options: Any
) -> AsyncIterator[RestServer]:
    """Run a REST server over an apiserver with storage in memory; `options` are those of RestOptions.

    It is in the clear, unless `credentials` are among them: then `caller` makes clients of it.
    """
    api = api or make_apiserver(authorizer=authorizer)
    given: dict[str, Any] = {"listen": "127.0.0.1:0", "clock": SystemClock(), **options}
    rest_options = RestOptions(authorizer=authorizer or AlwaysAllow(), **given)
    connector = aiohttp.TCPConnector(limit=0)
    async with (
        serve_rest(api.app.handlers, rest_options) as serving,
        aiohttp.ClientSession(connector=connector) as session,
    ):
        scheme = "https" if "credentials" in options else "http"
        yield RestServer(api, serving, session, f"{scheme}://127.0.0.1")
