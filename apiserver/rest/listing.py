"""Lists: all of what was asked for in one answer, written page by page."""

from aiohttp import web

from apiserver.rest.exchange import Exchange


async def answer_list(exchange: Exchange) -> web.StreamResponse:
    """Answer a list of a resource. Raises ApiErrors as long as nothing was written."""
    raise NotImplementedError
