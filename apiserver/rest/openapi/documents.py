"""The OpenAPI documents of one server, made when the first client asks.

/openapi/v3 names a document for each group and version with its hash; clients keep one that they asked for by
its hash for good (kube-openapi `pkg/handler3/handler.go`). /openapi/v2 is all of them in one, as JSON or as
gnostic's protobuf (`pkg/handler/handler.go`).
"""

import asyncio
import gzip
import hashlib
from collections.abc import Callable, Iterator, Mapping
from email.utils import formatdate
from typing import Final, NamedTuple

import msgspec

from apiserver.rest.discovery import Page
from apiserver.rest.forms import choose_media
from apiserver.rest.info import RequestInfo
from apiserver.rest.openapi.document import document, document_names
from apiserver.rest.openapi.schemas import Json
from apiserver.rest.openapi.swagger import swagger
from apiserver.rest.served import Table
from vaina.clock import Clock
from vaina.objects.field_docs import description

_V2, _V3 = "/openapi/v2", "/openapi/v3"
_JSON: Final = "application/json"
_PROTOBUF: Final = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
#: media type that is asked for -> the one that is answered
_OF_V2: Final[Mapping[str, str]] = {
    _JSON: _JSON, _PROTOBUF: _PROTOBUF, "application/com.github.proto-openapi.spec.v2@v1.0+protobuf": _PROTOBUF,
}  # fmt: skip
#: fast, and a twentieth of the size
_LEVEL: Final = 6
_YEAR: Final = 366 * 86400


class _Kept(NamedTuple):
    """A document as it is kept."""

    packed: bytes
    hash: str


class Documents:
    """The documents of one server. Owned by its event loop; they are made in a thread."""

    def __init__(self, table: Table, clock: Clock) -> None:
        """Make it; nothing is made of the table before somebody asks."""
        self._table, self._clock = table, clock
        #: by name, and the index under none: 80 KB all together, where their JSON has 1.3 MB; 120 ms of work
        self._v3: dict[str, _Kept] = {}
        #: by media type
        self._v2: dict[str, _Kept] = {}
        self._making = asyncio.Lock()

    @property
    def size(self) -> int:
        """How many bytes are kept."""
        return sum(len(one.packed) for one in (*self._v2.values(), *self._v3.values()))

    async def answer(self, info: RequestInfo, headers: Mapping[str, str]) -> Page | None:
        """Answer what is below /openapi; None: no such path.

        `headers` are the request's, their names in lower case.
        """
        path = info.path.rstrip("/")
        accept = headers.get("accept", "")
        if path == _V2:
            media = choose_media(accept, [*_OF_V2])
            if not media:
                return _refusal()
            kept = await self._made(self._v2, self._make_v2)
            return _page(_OF_V2[media], kept[_OF_V2[media]], headers, {"Vary": "Accept"})
        if path == _V3:
            return _page(_JSON, (await self._made(self._v3, self._make_v3))[""], headers, {})
        name = path.removeprefix(f"{_V3}/")
        if name == path or name not in document_names(self._table):
            return None
        if not choose_media(accept, [_JSON]):
            return _refusal()
        found = (await self._made(self._v3, self._make_v3))[name]
        more = {"Vary": "Accept"}
        if wanted := info.query.one("hash"):
            if wanted != found.hash:
                return Page(_JSON, b"", 301, {"Location": _url(name, found.hash), **more})
            more["Cache-Control"] = "public, immutable"
            more["Expires"] = formatdate(self._clock.now() + _YEAR, usegmt=True)
        return _page(_JSON, found, headers, more)

    async def _made(self, kept: dict[str, _Kept], make: Callable[[], dict[str, _Kept]]) -> dict[str, _Kept]:
        async with self._making:
            if not kept:
                kept.update(await asyncio.to_thread(make))
            return kept

    def _documents(self) -> Iterator[tuple[str, Json]]:
        for name, (group, version) in document_names(self._table).items():
            yield name, document(self._table, group, version, description)

    def _make_v3(self) -> dict[str, _Kept]:
        kept = {name: _keep(msgspec.json.encode(found)) for name, found in self._documents()}
        paths = {name: {"serverRelativeURL": _url(name, one.hash)} for name, one in kept.items()}
        return {**kept, "": _keep(msgspec.json.encode({"paths": paths}))}

    def _make_v2(self) -> dict[str, _Kept]:
        text, packed = swagger(one for _, one in self._documents())
        return {_JSON: _keep(text), _PROTOBUF: _keep(packed)}


def _url(name: str, tag: str) -> str:
    return f"{_V3}/{name}?hash={tag}"


def _keep(data: bytes) -> _Kept:
    return _Kept(gzip.compress(data, _LEVEL, mtime=0), hashlib.sha512(data).hexdigest().upper())


def _refusal() -> Page:
    return Page(_JSON, b"", 406, {"Vary": "Accept"})


def _page(content_type: str, kept: _Kept, headers: Mapping[str, str], more: dict[str, str]) -> Page:
    """Return a document as the client takes it, or that it has it already."""
    tag = f'"{kept.hash}"'
    found = {"ETag": tag, **more}
    if headers.get("if-none-match") == tag:
        return Page(content_type, b"", 304, found)
    if "gzip" in headers.get("accept-encoding", ""):
        vary = ", ".join(filter(None, (more.get("Vary", ""), "Accept-Encoding")))
        return Page(content_type, kept.packed, 200, {**found, "Content-Encoding": "gzip", "Vary": vary})
    return Page(content_type, gzip.decompress(kept.packed), 200, found)
