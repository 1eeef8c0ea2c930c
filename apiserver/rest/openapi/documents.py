"""The OpenAPI documents of one door, made when the first client asks.

/openapi/v3 names a document for each group and version with its hash; clients keep one that they asked for by
its hash for good. Follows kube-openapi `pkg/handler3/handler.go`. /openapi/v2 is not there: kubectl from 1.29 on
does without.
"""

import asyncio
import gzip
import hashlib
from collections.abc import Mapping
from email.utils import formatdate
from importlib import import_module
from typing import Final, NamedTuple

import msgspec

from apiserver.rest.discovery import Page
from apiserver.rest.forms import takes_json
from apiserver.rest.info import RequestInfo
from apiserver.rest.openapi.document import document, document_names
from apiserver.rest.served import Table
from vaina.clock import Clock

_ROOT: Final = "/openapi/v3"
_JSON: Final = "application/json"
#: fast, and a twentieth of the size
_LEVEL: Final = 6
_YEAR: Final = 366 * 86400


class _Kept(NamedTuple):
    """A document as it is kept: 70 KB all together, where JSON has 1 MB."""

    packed: bytes
    hash: str


class Documents:
    """The documents of one door. Owned by its event loop; they are made in a thread, 80 ms of work in all."""

    def __init__(self, table: Table, clock: Clock) -> None:
        """Make it; nothing is made of the table before somebody asks."""
        self._table, self._clock = table, clock
        self._kept: dict[str, _Kept] = {}
        self._making = asyncio.Lock()

    @property
    def size(self) -> int:
        """How many bytes are kept."""
        return sum(len(one.packed) for one in self._kept.values())

    async def answer(self, info: RequestInfo, headers: Mapping[str, str]) -> Page | None:
        """Answer what is below /openapi/v3; None: no such path.

        `headers` are the request's, their names in lower case.
        """
        path = info.path.rstrip("/")
        if path != _ROOT and not path.startswith(f"{_ROOT}/"):
            return None
        name = path.removeprefix(_ROOT).strip("/")
        if name and name not in document_names(self._table):
            return None
        kept = await self._all()
        found = kept[name]
        if not name:
            return _page(found, headers, {})
        if not takes_json(headers.get("accept", "")):
            return Page(_JSON, b"", 406, {"Vary": "Accept"})
        more = {"Vary": "Accept"}
        if wanted := info.query.one("hash"):
            if wanted != found.hash:
                return Page(_JSON, b"", 301, {"Location": _url(name, found.hash), **more})
            more["Cache-Control"] = "public, immutable"
            more["Expires"] = formatdate(self._clock.now() + _YEAR, usegmt=True)
        return _page(found, headers, more)

    async def _all(self) -> dict[str, _Kept]:
        async with self._making:
            if not self._kept:
                self._kept = await asyncio.to_thread(self._make)
            return self._kept

    def _make(self) -> dict[str, _Kept]:
        # Imported when it is needed: nobody else needs the texts.
        texts: dict[str, dict[str, str]] = import_module("vaina.api.descriptions").DESCRIPTIONS

        def describe(message: str, field: str) -> str:
            return texts.get(message, {}).get(field, "")

        kept: dict[str, _Kept] = {}
        for name, (group, version) in document_names(self._table).items():
            kept[name] = _keep(msgspec.json.encode(document(self._table, group, version, describe)))
        paths = {name: {"serverRelativeURL": _url(name, one.hash)} for name, one in kept.items()}
        kept[""] = _keep(msgspec.json.encode({"paths": paths}))
        return kept


def _url(name: str, tag: str) -> str:
    return f"{_ROOT}/{name}?hash={tag}"


def _keep(data: bytes) -> _Kept:
    return _Kept(gzip.compress(data, _LEVEL, mtime=0), hashlib.sha512(data).hexdigest().upper())


def _page(kept: _Kept, headers: Mapping[str, str], more: dict[str, str]) -> Page:
    """Return a document as the client takes it, or that it has it already."""
    tag = f'"{kept.hash}"'
    found = {"ETag": tag, **more}
    if headers.get("if-none-match") == tag:
        return Page(_JSON, b"", 304, found)
    if "gzip" in headers.get("accept-encoding", ""):
        vary = ", ".join(filter(None, (more.get("Vary", ""), "Accept-Encoding")))
        return Page(_JSON, kept.packed, 200, {**found, "Content-Encoding": "gzip", "Vary": vary})
    return Page(_JSON, gzip.decompress(kept.packed), 200, found)
