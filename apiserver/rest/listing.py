"""Lists: all that was asked for in one answer.

A handler cuts a list into pages by their bytes. Who names no limit gets all of them, as of one version: text is
written while the pages come, in slices of time (`vaina.serving.slices`). In protobuf the size of all
items stands before them: so many pages are kept until it is known, and those beyond are read a second time.
"""

from contextlib import ExitStack
from typing import Final

from aiohttp import web

from apiserver.rest.answers import ListWriter, list_envelope, list_item, split_page
from apiserver.rest.exchange import Exchange
from apiserver.rest.forms import Media
from apiserver.rest.selecting import list_request
from vaina.api.meta.v1 import meta_pb2, raw_pb2, request_pb2
from vaina.errors import InternalError
from vaina.serving.slices import Slice

#: of text that is sent at once
_PART_BYTES: Final = 256 * 1024
#: of a list in protobuf that is kept until its size is known
KEPT_BYTES: Final = 32 * 1024 * 1024


async def answer_list(exchange: Exchange) -> web.StreamResponse:
    """Answer a list of a resource. Raises ApiErrors as long as nothing was written."""
    pages = _Pages(exchange, list_request(exchange.info, exchange.served))
    first = await pages.next()
    if exchange.form.media is Media.PROTOBUF:
        return await _write_protobuf(exchange, pages, first)
    return await _write_text(exchange, pages, first)


class _Pages:
    """The pages of one list, asked for one after the other. Owned by the task of its request."""

    def __init__(self, exchange: Exchange, request: request_pb2.ListRequest) -> None:
        self._exchange, self._request = exchange, request
        self._path = exchange.served.path(exchange.served.methods["list"])
        #: of the answer; known after the first page
        self.metadata = meta_pb2.ListMeta()
        #: where the next page begins; empty: there is none
        self.token = ""
        self._is_first = True

    async def next(self) -> bytes:
        """Return the items of the next page, encoded as in a list. Raises ApiErrors."""
        page = await self._exchange.unary(self._path, self._request.SerializeToString())
        metadata, items = split_page(page)
        if self._is_first:
            self._is_first = False
            self.metadata.CopyFrom(metadata)
        if not self._request.limit:
            self.metadata.continue_token = ""
            self.metadata.ClearField("remaining_item_count")
            self.go_on_at(metadata.continue_token)
        return items

    def go_on_at(self, token: str) -> None:
        """Have the page come next that a token leads to."""
        self.token = self._request.continue_token = token
        # The token has the version: the same for all pages.
        self._request.resource_version = self._request.resource_version_match = ""


class _Output:
    """The answer: whole, or in parts where there is more than one. Owned by the task of its request."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._response: web.StreamResponse | None = None
        self._slice = Slice(exchange.slices)
        self._parts: list[bytes] = []
        self._size = 0

    async def write(self, part: bytes) -> None:
        """Take a part; send what is enough, and let others run."""
        self._parts.append(part)
        self._size += len(part)
        if self._size > _PART_BYTES:
            await self._flush()
        elif self._slice.is_over:
            await self._slice.give_way()

    async def finish(self) -> web.StreamResponse:
        """Send what is left, and end the answer."""
        exchange, response = self._exchange, self._response
        if response is None:
            return await exchange.answer(exchange.form.content_type, b"".join(self._parts))
        await exchange.send(response, b"".join(self._parts))
        await response.write_eof()
        return response

    async def _flush(self) -> None:
        exchange = self._exchange
        if self._response is None:
            self._response = exchange.response(exchange.form.content_type)
            await exchange.begin(self._response)
        await exchange.send(self._response, b"".join(self._parts))
        self._parts.clear()
        self._size = 0
        await self._slice.give_way()


async def _write_text(exchange: Exchange, pages: _Pages, items: bytes) -> web.StreamResponse:
    served = exchange.served
    writer = ListWriter(exchange.form, served.shape, exchange.clock.now())
    output = _Output(exchange)

    def write(data: bytes) -> bytes:
        return writer.item(data if served.read is None else served.read(data))

    await output.write(writer.begin(pages.metadata))
    while True:
        with exchange.holding(len(items)):
            page = raw_pb2.RawList.FromString(items).items
            writer.look_ahead(page)
            for data in page:
                await output.write(await exchange.large.do(len(data), write, data))
        if not pages.token:
            break
        items = await pages.next()
    await output.write(writer.end())
    return await output.finish()


async def _write_protobuf(exchange: Exchange, pages: _Pages, items: bytes) -> web.StreamResponse:
    """Write a list in protobuf: first gather pages until its size is known, then send it."""
    kept, left_at = [await _items(exchange, items)], ""
    size = held = len(kept[0])
    with ExitStack() as counted:
        counted.enter_context(exchange.holding(held))
        while pages.token:
            token = pages.token
            more = await _items(exchange, await pages.next())
            size += len(more)
            if not left_at and held + len(more) <= KEPT_BYTES:
                counted.enter_context(exchange.holding(len(more)))
                kept.append(more)
                held += len(more)
            else:
                left_at = left_at or token
        form = exchange.form
        output = _Output(exchange)
        await output.write(list_envelope(form, exchange.served.shape, pages.metadata, size))
        for part in kept:
            await output.write(part)
    if left_at:
        pages.go_on_at(left_at)
        await _write_again(exchange, pages, output, size - held)
    return await output.finish()


async def _write_again(exchange: Exchange, pages: _Pages, output: _Output, size: int) -> None:
    """Write pages that were read and not kept, which must have the same size now."""
    while size > 0 and pages.token:
        part = await _items(exchange, await pages.next())
        size -= len(part)
        with exchange.holding(len(part)):
            await output.write(part)
    if size:
        raise InternalError("a list has changed while it was written")


async def _items(exchange: Exchange, items: bytes) -> bytes:
    """Return the items of a page as they are sent in protobuf."""
    form, served = exchange.form, exchange.served
    if not form.as_kind and served.read is None:
        return items
    parts, slice_ = list[bytes](), Slice(exchange.slices)
    for data in raw_pb2.RawList.FromString(items).items:
        parts.append(list_item(form, data if served.read is None else served.read(data)))
        if slice_.is_over:
            await slice_.give_way()
    return b"".join(parts)
