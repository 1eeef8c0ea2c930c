"""What goes on after its answer has begun: logs, shells, forwarded ports, proxies."""

from aiohttp import web

from apiserver.rest.exchange import Exchange


async def answer_stream(exchange: Exchange) -> web.StreamResponse:
    """Answer a request whose sub-resource is a stream. Raises ApiErrors as long as nothing was written."""
    raise NotImplementedError
