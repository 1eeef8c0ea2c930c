"""Watches: events as chunks or frames of a WebSocket."""

from aiohttp import web

from apiserver.rest.exchange import Exchange


async def answer_watch(exchange: Exchange) -> web.StreamResponse:
    """Answer a watch of a resource. Raises ApiErrors as long as nothing was written."""
    raise NotImplementedError
